/**
 * Random coherency tester: CPUs do random loads, stores, atomics and maintenance of all sizes on few lines
 * while every agent of the hardware disturbs them, and each read is checked. In coherent mode nothing may
 * be found; in software mode exactly what an independent model of the same accesses predicts.
 */
import type { Checker } from '../../checker/checker.ts';
import type { Cpu, Steps, Vectors } from '../../machine/cpu.ts';
import type { Machine } from '../../machine/machine.ts';
import { Comparer } from './compare.ts';
import { Log, makeLogs, type Sink } from './events.ts';
import { Kernel } from './kernel.ts';
import { COUNTER_VA, type Layout, makeLayout, speculationOf, writeTables } from './layout.ts';
import { type Mode, type Organisation, organisationNamed, organisations } from './organisations.ts';
import { EXCLUSIVE_NOT_ATOMIC, NOTE, RandomProgram } from './program.ts';
import { Random } from './random.ts';
import { tapMachine } from './taps.ts';

export const title = 'Random coherency tester';
export const description =
  'random loads, stores, atomics and maintenance on few lines, every read checked, for every protocol and cache organisation';
export { type Mode, NOTE, type Organisation, organisationNamed, organisations };

/** What a program is given; the hosts' ProgramContext. */
interface Context {
  readonly machine: Machine;
  readonly checker: Checker | null;
  readonly cpu: Cpu;
  readonly layout: Layout;
  readonly seed: number;
}

/** A run's job, but for its limits. */
export function randomCoherencyJob(organisation: Organisation, mode: Mode, accesses: number, seed: number) {
  return {
    platform: organisation.platform,
    cpus: organisation.cpus,
    source: {
      module: import.meta.url,
      parameters: { organisation: organisation.name, mode, accesses },
    },
    seed,
    checked: true,
    // Software mode compares accesses in their order, so there must be one; coherent mode needs none.
    strict: true,
    serialized: mode === 'software',
    keepGoing: mode === 'software',
    quantumCycles: 1_000_000,
  };
}

/** @throws Error that lists what is known, if a parameter is not */
export function createWorkload(parameters: Readonly<Record<string, string | number | boolean>>) {
  const { platform } = organisationNamed(String(parameters.organisation));
  const mode = String(parameters.mode ?? parameters.variant ?? 'coherent');
  if (mode !== 'coherent' && mode !== 'software') {
    throw new Error(`random-coherency: mode is 'coherent' or 'software', not '${mode}'`);
  }
  const accesses = Number(parameters.accesses ?? 100_000);
  // Keeps the last events in words, for the message of a difference.
  const describes = parameters.describe === true;
  let comparer: Comparer | null = null;

  const sinkOf = ({ machine, checker, cpu, layout, seed }: Context): Sink | null => {
    if (layout.mode !== 'software') return null;
    const each = shareOf(accesses, machine);
    const speculation = speculationOf(layout);
    if (layout.log) {
      const { sink } = new Log(layout.log, cpu.index, each, seed);
      tapMachine(machine, checker, speculation, sink);
      return sink;
    }
    if (!comparer) {
      comparer = new Comparer(platform, machine.options.cpus, layout, seed, describes);
      tapMachine(machine, checker, speculation, comparer.sink);
    }
    return comparer.sink;
  };

  return {
    setup(machine: Machine): Layout {
      const isLogged = machine.options.threaded && mode === 'software';
      const { cpus } = machine.options;
      const layout = makeLayout(platform, mode, isLogged ? makeLogs(cpus, shareOf(accesses, machine)) : null);
      writeTables(machine, layout);
      return layout;
    },

    start(context: Context): { program: Steps; vectors: Vectors } {
      const { cpu, checker, layout, machine, seed } = context;
      const kernel = new Kernel(cpu, checker, layout);
      const program = new RandomProgram({
        cpu,
        kernel,
        checker,
        layout,
        random: new Random(seed * 64 + cpu.index + 1),
        accesses: shareOf(accesses, machine),
        sink: sinkOf(context),
      });
      return { program: program.run(), vectors: kernel };
    },

    finish(machine: Machine, layout: Layout, checker: Checker | null): void {
      const { cpus, shadow } = machine.state;
      if (layout.mode === 'software') {
        let compared = comparer;
        if (layout.log) {
          compared = new Comparer(platform, cpus.length, layout, Log.seedOf(layout.log), describes);
          Log.replay(layout.log, cpus.length, shareOf(accesses, machine), compared.sink);
        }
        compared?.finish();
        cpus[0].notes[NOTE.PREDICTED] = compared?.predicted ?? 0;
        return;
      }
      const counter = layout.spaces[0].find((page) => page.va === COUNTER_VA);
      if (!shadow || !counter) return;
      const counted = shadow.value[(counter.frames[0] * 0x1000) >>> 2];
      const increments = cpus.reduce((sum, cpu) => sum + cpu.notes[NOTE.INCREMENTS], 0);
      if (counted !== increments) checker?.violated(cpus[0], EXCLUSIVE_NOT_ATOMIC, counted, increments);
    },

    speculation: speculationOf,
  };
}

function shareOf(accesses: number, machine: Machine): number {
  return Math.ceil(accesses / machine.options.cpus);
}
