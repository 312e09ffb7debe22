/**
 * A CPU wants what another CPU has stored to be in memory: a CPU that will run with its caches off reads it there (a
 * kernel that is entered, or woken up), as a device does that looks into no cache. It empties caches by set and way,
 * which says nothing of where a line is: the operations act on the caches of the CPU that executes them, other CPUs
 * go on, lines go where they are used, and a cache behind all of them is not reached at all.
 *
 * The line moves in one place only, for everybody to see: between the flush of one CPU and the next, CPU 0 takes an
 * interrupt that stores to another word of it. `set-way-smp` has the race.
 */
import { bootAllInto } from '../../kernel/boot-process.ts';
import { withoutPaging } from '../../kernel/boot-user.ts';
import { FIRST_CALL, type Kernel, type KernelLayout, layKernel, properKernel } from '../../kernel/kernel.ts';
import {
  cleanToMemory,
  flushBySetWay,
  flushEachBySetWay,
  setWayCall,
  setWayLevels,
} from '../../kernel/set-way.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { type Turn, takeTurns } from '../flush/turns.ts';
import { defineHypervisorScenario } from './define-hypervisor.ts';
import {
  allEmptied,
  byAddress,
  firstLevelEmptied,
  missedElsewhere,
  withoutSetWay,
  withoutSystemCache,
} from './set-way-facts.ts';
import { smallCaches } from './small-caches.ts';

interface Layout {
  readonly kernel: KernelLayout;
  readonly turnPa: number;
  /** Lines: in each a word that must be in memory, and one that an interrupt handler stores to. */
  readonly data: readonly number[];
}

const VALUE = 0x5eed;
/** The hardware may write some back by itself. */
const LINES = 6;
const oneCpu = 'there is no other CPU whose caches could be missed';

export default defineHypervisorScenario<Layout>({
  name: 'set-way',
  title: 'All caches are to be emptied by set and way, on a multiprocessor that runs',
  source:
    'Julien Grall, "xen/arm: Handling cache maintenance instructions by set/way", xen-devel, December 2017; Linux 3c1e71650833 (KVM: use set/way op trapping to track the state of the caches) and arch/arm64/kvm/mmu.c; Documentation/arch/arm64/booting.rst; Arm ARM DDI 0487, D7.5.9',
  module: import.meta.url,
  machineFor: smallCaches,
  variants: [
    {
      name: 'by-address',
      title: 'cleans the line by its address',
      expectOn: byAddress,
    },
    {
      name: 'local',
      title: 'empties this CPU’s own caches by set and way',
      unsupported: (platform) => withoutSetWay(platform) ?? alone(platform),
      expectOn: (platform) =>
        missedElsewhere(
          platform,
          'the line is dirty in the caches of CPU 1, and CPU 0’s operations act on those of CPU 0 alone',
        ),
    },
    {
      name: 'cross-called',
      title: 'every CPU empties its own, by IPI, and a line moves in between',
      unsupported: (platform) => withoutSetWay(platform) ?? alone(platform),
      expectOn: (platform) =>
        missedElsewhere(
          platform,
          'the line moves to CPU 0, which has flushed, before CPU 1 flushes: each empties caches that do not have it',
        ),
    },
    {
      name: 'going-down',
      title: 'every CPU turns its caches off and empties them, the last one those that all share as well',
      unsupported: withoutSetWay,
      expectOn: allEmptied,
    },
    {
      name: 'system-cache',
      title: 'the same, behind a system cache',
      platform: 'neoverse',
      unsupported: (platform) => withoutSetWay(platform) ?? withoutSystemCache(platform),
      expectOn: allEmptied,
    },
    {
      name: 'first-level',
      title: 'as going-down, and forgets the levels behind the first',
      unsupported: withoutSetWay,
      expectOn: firstLevelEmptied,
    },
    {
      name: 'going-down-by-address',
      title: 'every CPU turns its caches off, and the last one cleans the line by its address',
      platform: 'neoverse',
      expectOn: byAddress,
    },
  ],
  cpus: 2,
  minCpus: 1,
  platform: 'cortex-a53',

  setup(machine) {
    const { kernel, prepared } = layKernel(machine, ['kernel'], (boot) => ({
      turnPa: boot.line(),
      data: Array.from({ length: LINES }, () => boot.line()),
    }));
    bootAllInto(machine, kernel.spaces[0]);
    return { kernel, ...prepared };
  },

  start({ machine, checker, cpu, layout }, { variant }) {
    const kernel = properKernel(machine, layout.kernel, checker, [setWayCall]);
    const turns = turnsOf(cpu, kernel, layout, String(variant));
    return { program: takeTurns(cpu, layout.turnPa, turns), vectors: withoutPaging(kernel) };
  },
});

function alone({ name, maxCpus }: { readonly name: string; readonly maxCpus: number }): string | undefined {
  return maxCpus === 1 ? `${name} has one CPU: ${oneCpu}` : undefined;
}

function turnsOf(cpu: Cpu, kernel: Kernel, { data }: Layout, variant: string): Turn[] {
  const other = cpu.machine.state.processors.length - 1;
  const stores: Turn = { who: other, act: () => each(data, (pa) => storeThere(cpu, pa, VALUE)) };
  const reads: Turn = { who: 0, act: () => readPastCaches(cpu, data) };
  return [stores, ...flushes(cpu, kernel, data, variant, other), reads];
}

function flushes(cpu: Cpu, kernel: Kernel, data: readonly number[], variant: string, other: number): Turn[] {
  // A store takes the line as it is; a load would have it written back where dirty lines are not shared.
  const interrupt = () => each(data, (pa) => cpu.storePhysical(pa + 4, 1));
  const goes = (flush: () => Steps): (() => Steps) =>
    function* () {
      yield* cpu.setCaches(false);
      yield* flush();
    };
  const own = () => flushBySetWay(cpu);
  const first = () => flushBySetWay(cpu, setWayLevels(cpu.machine.platform).slice(0, 1));
  const address = () => each(data, (pa) => cleanToMemory(cpu, pa, cpu.machine.platform.lineBytes));
  // A machine of one CPU has nobody to go before the last one.
  const before = (act: () => Steps): Turn[] => (other === 0 ? [] : [{ who: other, act: goes(act) }]);
  switch (variant) {
    case 'local':
      return [{ who: 0, act: own }];
    case 'cross-called':
      return [{ who: 0, act: () => flushEachBySetWay(cpu, kernel, FIRST_CALL, { between: interrupt }) }];
    case 'going-down':
    case 'system-cache':
      return [...before(own), { who: 0, act: goes(own) }];
    case 'first-level':
      return [...before(first), { who: 0, act: goes(first) }];
    case 'going-down-by-address':
      return [...before(address), { who: 0, act: goes(address) }];
    default:
      return [
        { who: 0, act: address },
        { who: 0, act: interrupt },
      ];
  }
}

function* each(data: readonly number[], act: (pa: number) => Steps<unknown>): Steps {
  for (const pa of data) yield* act(pa);
}

/** Some caches allocate a line for a load only. */
function* storeThere(cpu: Cpu, pa: number, value: number): Steps {
  yield* cpu.loadPhysical(pa);
  yield* cpu.storePhysical(pa, value);
}

/** As the next kernel does, before it has turned anything on. */
function* readPastCaches(cpu: Cpu, data: readonly number[]): Steps {
  yield* cpu.setCaches(false);
  yield* each(data, (pa) => cpu.loadPhysical(pa));
}
