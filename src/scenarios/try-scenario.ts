/**
 * Sets a scenario up and starts its programs once without running them. A slip in a user's file then is a
 * line that names the place, before any thread has started, and not a failure in the middle of a run.
 */
import { Cpu } from '../machine/cpu.ts';
import { Machine } from '../machine/machine.ts';
import { platformByName } from '../platforms/index.ts';
import type { DefinedScenario } from './define.ts';
import { resolveParameters, type Variant } from './scenario.ts';
import { placeIn } from './stack-place.ts';

/**
 * What is wrong, in one line that begins with the place, or undefined if nothing is.
 * @param path the scenario's file; @param given what the user calls it
 */
export function troubleWith(scenario: DefinedScenario, path: string, given: string): string | undefined {
  for (const variant of scenario.variants) {
    const { name } = variant;
    let part = '';
    try {
      for (part of parts(scenario, variant));
    } catch (error) {
      const [where, what] =
        error instanceof Error
          ? [placeIn(path, error), `${error.name}: ${error.message}`]
          : ['', String(error)];
      return `${given}${where}: ${part} failed in variant '${name}': ${what}`;
    }
  }
  return undefined;
}

/** Names each part before it does it. */
function* parts(scenario: DefinedScenario, { name: variant, minCpus = 0 }: Variant): Generator<string> {
  const platform = platformByName(scenario.defaultPlatform(variant));
  if (!platform) return;
  const parameters = { ...resolveParameters(scenario, {}), variant };
  const cpus = Math.min(Math.max(scenario.defaultCpus, minCpus), platform.maxCpus);
  yield 'createWorkload';
  const workload = scenario.createWorkload(parameters);
  const machine = Machine.create(platform, { cpus, checked: false, threaded: false }, 1);
  yield 'setup';
  const laid = workload.setup(machine);
  yield 'sending what setup returned to another thread';
  const layout = structuredClone(laid);
  for (let index = 0; index < cpus; index++) {
    yield `start of CPU ${index}`;
    const cpu = new Cpu(machine, index);
    const { program } = workload.start({ machine, checker: null, cpu, layout, seed: 1 });
    if (typeof program?.next !== 'function') {
      throw new TypeError('it returned no program: return a generator, or { program, vectors }');
    }
  }
}
