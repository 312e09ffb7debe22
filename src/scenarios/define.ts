/**
 * A whole scenario in one module: what it is, and its programs. The races of the library and those that users
 * write are made with this; commands take either by name or by path.
 */

import type { Steps } from '../machine/cpu.ts';
import type { Machine } from '../machine/machine.ts';
import type { Platform } from '../machine/platform.ts';
import type { Parameters, ProgramContext, Settings, StartedProgram, Workload } from '../program/workload.ts';
import {
  type JobParts,
  type ParameterSpec,
  type ReachableState,
  type Scenario,
  ScenarioError,
  type SmallSize,
  type Variant,
} from './scenario.ts';

export interface ScenarioDefinition<Layout> {
  readonly name: string;
  readonly title: string;
  /** Where the race or the mechanism is described. */
  readonly source: string;
  /** `import.meta.url` of the module that exports the scenario as its default. */
  readonly module: string;
  readonly variants: readonly Variant[];
  readonly parameters?: Readonly<Record<string, ParameterSpec>>;
  /** States that some run must come to, by the name that programs give to `checker.reached`. */
  readonly reachable?: Readonly<Record<string, ReachableState>>;
  /** CPUs of a run unless told otherwise, and the fewest that the programs can do with. */
  readonly cpus: number;
  readonly minCpus?: number;
  /** So many of these CPUs, the last ones, are devices (see machine/device.ts); default: none. */
  readonly devices?: number;
  /** The machine that runs in place of the platform that was asked for. */
  readonly machineFor?: (platform: Platform) => Platform;
  /** Name of a built-in platform. */
  readonly platform: string | ((variant: string, parameters: Parameters) => string);
  /** Size at which every schedule can be explored; default: the normal size. */
  readonly small?: SmallSize;
  /** Limit on the steps of a run. */
  readonly maxSteps?: number;
  /** All accesses of the programs are ordered by synchronization, so every load is judged. */
  readonly strict?: boolean;
  /** On threads, steps are taken one at a time, in whatever order the threads come. */
  readonly serialized?: boolean;
  /** Lays memory out before anything runs. What it returns must survive structured cloning. */
  setup(machine: Machine, settings: Settings): Layout;
  /** The program of the CPU `context.cpu`, alone or with its kernel entry points. */
  start(context: ProgramContext<Layout>, settings: Settings): Steps | StartedProgram;
  /** Virtual addresses that speculation may go to. */
  speculation?(layout: Layout, settings: Settings): number[];
  /** Looks at the machine when all programs have ended. */
  finish?: Workload<Layout>['finish'];
}

/** A scenario whose module is also that of its programs. */
export interface DefinedScenario<Layout = unknown> extends Scenario {
  createWorkload(parameters: Parameters): Workload<Layout>;
}

/**
 * Makes a scenario of a definition; export it as the module's default.
 * @throws ScenarioError if a part that every scenario needs is missing
 */
export function defineScenario<Layout>(definition: ScenarioDefinition<Layout>): DefinedScenario<Layout> {
  const { name, title, source, module, variants, cpus, platform, small } = definition;
  // Nothing checks the types of a user's file when it is imported, and nobody sees these again.
  for (const part of ['setup', 'start'] as const) {
    if (typeof definition[part] !== 'function') {
      throw new ScenarioError(`scenario '${name}' has no ${part}: it must be a function`);
    }
  }
  return {
    name,
    title,
    source,
    module,
    variants,
    parameters: definition.parameters ?? {},
    ...(definition.reachable && { reachable: definition.reachable }),
    defaultCpus: cpus,
    minCpus: definition.minCpus ?? cpus,
    defaultPlatform: (variant, parameters = {}) =>
      typeof platform === 'string' ? platform : platform(variant, parameters),
    maxSteps: definition.maxSteps ?? 1_000_000,
    ...((definition.strict || definition.devices || definition.serialized) && {
      adapt: () => partsOf(definition),
    }),
    ...(small && { small }),
    ...(definition.machineFor && { machineFor: definition.machineFor }),
    createWorkload: (parameters) => workloadOf(definition, parameters as Settings),
  };
}

function partsOf<Layout>({ strict, devices, serialized }: ScenarioDefinition<Layout>): JobParts {
  return {
    ...(strict === true && { strict }),
    ...(devices !== undefined && { devices }),
    ...(serialized === true && { serialized }),
  };
}

function workloadOf<Layout>(definition: ScenarioDefinition<Layout>, settings: Settings): Workload<Layout> {
  const { speculation, finish, reachable } = definition;
  return {
    setup: (machine) => definition.setup(machine, settings),
    start: (context) => {
      const started = definition.start(context, settings);
      return typeof started === 'object' && 'program' in started
        ? started
        : { program: started, vectors: null };
    },
    ...(reachable && { reachable: Object.keys(reachable) }),
    ...(speculation && { speculation: (layout: Layout) => speculation(layout, settings) }),
    ...(finish && { finish }),
  };
}
