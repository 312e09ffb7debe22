/**
 * An experiment: what can be varied, what is measured, and how one point of it is measured. Tables, sweeps, fits and
 * plots know no more of an experiment than this.
 */
import type { Platform } from '../../machine/platform.ts';
import type { Parameters } from '../../program/workload.ts';
import type { ParameterSpec } from '../../scenarios/scenario.ts';

/** One figure that an experiment measures. */
export interface Measure {
  readonly title: string;
  /** 'cycles', 'ns', 'misses', ... */
  readonly unit: string;
}

/** Where on an experiment's axes one measurement is taken. */
export interface Place {
  readonly platform: Platform;
  /** All parameters of the experiment. */
  readonly parameters: Parameters;
  readonly seed: number;
}

export interface Experiment {
  readonly name: string;
  readonly title: string;
  /** Where the mechanism, or the measurement that it repeats, is described. */
  readonly source: string;
  /** What can be varied besides the platform. `cpus`, if there is one, is held against the platform's maximum. */
  readonly parameters: Readonly<Record<string, ParameterSpec>>;
  readonly measures: Readonly<Record<string, Measure>>;
  /** Name of the built-in platform that it runs on unless told otherwise. */
  readonly defaultPlatform: string;
  /** What `flushlab cost` walks unless told otherwise, as `--scan` takes it: `{ pages: '1,8,64', cpus: '1..16:*2' }`. */
  readonly usual: Readonly<Record<string, string>>;
  /** Why this point means nothing on this platform, or undefined. */
  unsupported?(platform: Platform, parameters: Parameters): string | undefined;
  /**
   * Measures one point, on lockstep with the smallest clock first: exact, a function of its argument alone. A measure
   * that means nothing at this point, such as the cost to the targets where there are none, is left out.
   * @throws Error if a run did not finish
   */
  measure(place: Place): Promise<Record<string, number>>;
}

/** Why a point cannot be measured, or undefined. */
export function whyNot(
  experiment: Experiment,
  platform: Platform,
  parameters: Parameters,
): string | undefined {
  const reason = experiment.unsupported?.(platform, parameters);
  if (reason !== undefined) return reason;
  const { cpus } = parameters;
  const { name, maxCpus } = platform;
  if (typeof cpus !== 'number' || cpus <= maxCpus) return undefined;
  return `${name} has at most ${maxCpus} ${maxCpus === 1 ? 'CPU' : 'CPUs'}`;
}
