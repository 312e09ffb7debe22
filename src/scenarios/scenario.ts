/** What a scenario says of itself, so that commands can list it, check its parameters and run it. */
import type { FindingKind } from '../checker/finding.ts';
import type { Platform } from '../machine/platform.ts';
import type { Parameters } from '../program/workload.ts';

/** What a run must show: nothing, or findings of one of these kinds. */
export type Expect = 'clean' | readonly FindingKind[];

/** What a variant must show on one platform, and the fact of the platform that makes it so. */
export interface Expectation {
  readonly expect: Expect;
  /** One sentence, with its source. */
  readonly reason: string;
}

export interface Variant {
  readonly name: string;
  readonly title: string;
  /** What goes wrong in it, step by step, in the words of those who have described it: told with what is found. */
  readonly why?: string;
  /** Parameters that the variant is about, and so sets itself, whatever was asked for. */
  parameters?(cpus: number): Readonly<Record<string, string | number>>;
  /** What a run must show, on the scenario's own platform at least. */
  readonly expect: Expect;
  /** What it must show on any platform that can run it; absent: `expect`, on all of them. */
  expectOn?(platform: Platform): Expectation;
  /** CPUs that it takes to show what the variant is about, where the scenario's own number is too few. */
  readonly minCpus?: number;
  /**
   * Where fewer than usual show it: schedules that a sample of them takes unless told otherwise, and runs that making
   * what is found smaller may take.
   */
  readonly search?: { readonly runs: number; readonly shrinkRuns: number };
  /**
   * Why this platform cannot run the variant, or undefined if it can.
   * @param run what is known of the run: absent where only platforms are looked at
   */
  unsupported?(platform: Platform, run?: VariantRun): string | undefined;
}

/** What a variant may not support besides a platform. */
export interface VariantRun {
  readonly cpus: number;
  /** Resolved, the variant's own included. */
  readonly parameters: Parameters;
}

export interface ParameterSpec {
  readonly title: string;
  readonly default: number | string;
  /** Numbers: the allowed range. */
  readonly min?: number;
  readonly max?: number;
  /** Strings: the allowed values. */
  readonly values?: readonly string[];
}

/** A state that some run must come to: a check on whether a scenario exercises what it is about. */
export interface ReachableState {
  readonly title: string;
  /** Variants that must come to it; default: all. */
  readonly variants?: readonly string[];
}

/** A size at which every schedule can be explored. */
export interface SmallSize {
  readonly cpus?: number;
  readonly parameters?: Readonly<Record<string, string | number>>;
  /** How often agents that only disturb may act in a run, where that is not what is usual on the platform. */
  readonly budgets?: Readonly<Partial<Record<'walk' | 'prefetch' | 'evict', number>>>;
  /** In addition to the rest, where it depends on parameters; given those of a run at the normal size. */
  forParameters?(parameters: Parameters): Omit<SmallSize, 'forParameters'>;
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  /** Where the race or the mechanism is described. */
  readonly source: string;
  readonly variants: readonly Variant[];
  readonly parameters: Readonly<Record<string, ParameterSpec>>;
  /** States that must be reachable, by the name that programs give to `Checker.reached`. */
  readonly reachable?: Readonly<Record<string, ReachableState>>;
  readonly defaultCpus: number;
  readonly minCpus: number;
  /** Name of the platform that a variant runs on unless told otherwise, with these parameters if there are any. */
  defaultPlatform(variant: string, parameters?: Parameters): string;
  /** URL of the module that exports `createWorkload`. */
  readonly module: string;
  /** Default limit on the steps of a run. */
  readonly maxSteps: number;
  /** Size at which `verify` explores every schedule; default: the normal size. */
  readonly small?: SmallSize;
  /** What a run needs beyond the defaults: its own platform, its way of judging. */
  adapt?(variant: string, parameters: Parameters): JobParts;
  /**
   * The machine that runs in place of the platform that was asked for, made of its description; of its own result it
   * makes the same again.
   */
  machineFor?(platform: Platform): Platform;
  /** Parameter settings that `stress` goes through unless the user sets one of these parameters. */
  readonly stressOver?: readonly Readonly<Record<string, string>>[];
  /** Whether a result is what the variant must show, where `expect` alone cannot tell; undefined: it is. */
  fault?(variant: string, result: Observed): string | undefined;
}

/** Parts of a job that a scenario may fix. */
export interface JobParts {
  readonly platform?: Platform;
  readonly cpus?: number;
  /** So many of the CPUs, the last ones, are devices. */
  readonly devices?: number;
  readonly strict?: boolean;
  readonly serialized?: boolean;
  readonly keepGoing?: boolean;
  readonly quantumCycles?: number;
}

/** What of a run's result a scenario may look at. */
interface Observed {
  readonly outcome: string;
  readonly findingCount: number;
  readonly cpus: readonly { readonly notes: readonly number[] }[];
}

/** A mistake in what the user asked for; its message is one line that names the remedy. */
export class ScenarioError extends Error {}

/**
 * Parameters of a run: the scenario's defaults, overridden.
 * @param scenario or an experiment, which has parameters of the same kind
 * @param given values, or what somebody has typed for them
 * @throws ScenarioError for an unknown name or a value out of range
 */
export function resolveParameters(
  scenario: Pick<Scenario, 'name' | 'parameters'>,
  given: Parameters,
): Parameters {
  const result: Record<string, string | number> = {};
  for (const [name, spec] of Object.entries(scenario.parameters)) result[name] = spec.default;
  for (const [name, value] of Object.entries(given)) {
    const spec = scenario.parameters[name];
    if (!spec) {
      const known = Object.keys(scenario.parameters).join(', ');
      throw new ScenarioError(`${scenario.name} has no parameter '${name}': use one of ${known}`);
    }
    result[name] = resolveValue(scenario.name, name, spec, String(value));
  }
  return result;
}

function resolveValue(scenario: string, name: string, spec: ParameterSpec, text: string): string | number {
  if (typeof spec.default === 'string') {
    if (spec.values?.includes(text) === false) {
      throw new ScenarioError(`${scenario}: ${name}=${text}: use one of ${spec.values.join(', ')}`);
    }
    return text;
  }
  const value = Number(text);
  const min = spec.min ?? Number.MIN_SAFE_INTEGER;
  const max = spec.max ?? Number.MAX_SAFE_INTEGER;
  if (text.trim() === '' || !Number.isInteger(value) || value < min || value > max) {
    throw new ScenarioError(`${scenario}: ${name}=${text}: use an integer from ${min} to ${max}`);
  }
  return value;
}

/**
 * The size at which every schedule of a variant can be explored; undefined if the scenario has none.
 * @param given parameters that are not to have their defaults
 * @throws ScenarioError for an unknown name or a value out of range
 */
export function smallSizeOf(
  scenario: Scenario,
  variant: Variant,
  given: Parameters,
): Omit<SmallSize, 'forParameters'> | undefined {
  const { small } = scenario;
  if (!small?.forParameters) return small;
  const { forParameters, ...rest } = small;
  const own = variant.parameters?.(small.cpus ?? scenario.defaultCpus);
  const more = forParameters({ ...resolveParameters(scenario, given), ...own });
  return { ...rest, ...more, parameters: { ...rest.parameters, ...more.parameters } };
}

/** @throws ScenarioError naming the states there are */
export function findState({ name: scenario, reachable = {} }: Scenario, name: string): ReachableState {
  if (Object.hasOwn(reachable, name)) return reachable[name];
  const known = Object.keys(reachable).join(', ');
  const remedy = known === '' ? "it declares none: add 'reachable' to it" : `use one of ${known}`;
  throw new ScenarioError(`${scenario} declares no state '${name}': ${remedy}`);
}

/** Names of the states that a variant must come to. */
export function statesOf({ reachable = {} }: Scenario, variant: string): string[] {
  return Object.keys(reachable).filter((name) => reachable[name].variants?.includes(variant) ?? true);
}

/** @throws ScenarioError naming the variants there are */
export function findVariant(scenario: Scenario, name: string): Variant {
  const variant = scenario.variants.find((v) => v.name === name);
  if (variant) return variant;
  const known = scenario.variants.map((v) => v.name).join(', ');
  throw new ScenarioError(`${scenario.name} has no variant '${name}': use one of ${known}`);
}
