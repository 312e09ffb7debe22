/** The points of a sweep: every combination of what it goes through, in a fixed order. */
import type { Platform } from '../../machine/platform.ts';
import type { Parameters } from '../../program/workload.ts';
import { resolveParameters, ScenarioError } from '../../scenarios/scenario.ts';
import type { Experiment } from '../experiments/experiment.ts';
import { MAX_POINTS, type Scan, scanValues } from './scan.ts';

/** What of an experiment is varied besides its own parameters. */
export const PLATFORM = 'platform';

export interface SweepRequest {
  readonly experiment: Experiment;
  /** From the slowest to the fastest; none: what is usual for the experiment. */
  readonly scans: readonly Scan[];
  /** Fixed parameters, as typed; `platform` is one. */
  readonly set: Readonly<Record<string, string>>;
  /** How often each point is measured, each time with the next seed. */
  readonly repeat: number;
  readonly seed: number;
  /** Finds a platform by what was typed for it. */
  readonly findPlatform: (reference: string) => Platform;
}

/** One point, `index` its place in the order of the sweep. */
export interface SweepPoint {
  readonly index: number;
  readonly platform: Platform;
  /** All parameters of the experiment. */
  readonly parameters: Parameters;
  readonly seed: number;
}

/** A sweep with all that it will measure. */
export interface Sweep {
  readonly experiment: Experiment;
  readonly platforms: readonly Platform[];
  /** What has more than one value, or was asked to be gone through, from the slowest to the fastest. */
  readonly scanned: readonly string[];
  /** The values of what is scanned, in order. */
  readonly values: Readonly<Record<string, readonly (string | number)[]>>;
  readonly repeat: number;
  readonly seed: number;
  readonly points: readonly SweepPoint[];
}

/**
 * Lays a sweep out. Nothing runs yet.
 * @throws ScenarioError for an unknown parameter, a value out of range, something both scanned and set, too many points
 */
export function layOutSweep(request: SweepRequest): Sweep {
  const { experiment, set, repeat, seed, findPlatform } = request;
  const scans = request.scans.length > 0 ? request.scans : usualScans(experiment, set);
  checkNames(experiment, scans, set);
  const total = scans.reduce((product, { values }) => product * values.length, repeat);
  if (total > MAX_POINTS) {
    const sizes = scans.map(({ name, values }) => `${values.length} of ${name}`);
    if (repeat > 1) sizes.push(`${repeat} repeats`);
    throw new ScenarioError(
      `sweep ${experiment.name}: ${sizes.join(' x ')} are ${total} points: use at most ${MAX_POINTS}`,
    );
  }
  const known = new Map<string, Platform>();
  const platformOf = (reference: string) => {
    const platform = known.get(reference) ?? findPlatform(reference);
    known.set(reference, platform);
    return platform;
  };
  const points: SweepPoint[] = [];
  for (const chosen of combinations(scans)) {
    const { [PLATFORM]: reference = experiment.defaultPlatform, ...given } = { ...set, ...chosen };
    const platform = platformOf(reference);
    const parameters = resolveParameters(experiment, given);
    for (let i = 0; i < repeat; i++) {
      points.push({ index: points.length, platform, parameters, seed: seed + i });
    }
  }
  checkDistinct(known);
  const scanned = scans.map(({ name }) => name);
  const values = Object.fromEntries(
    scanned.map((name) => [name, [...new Set(points.map((point) => valueAt(point, name)))]]),
  );
  return { experiment, platforms: [...known.values()], scanned, values, repeat, seed, points };
}

/** The value of a parameter at a point, or the name of the platform. */
export function valueAt(point: Pick<SweepPoint, 'platform' | 'parameters'>, name: string): string | number {
  return name === PLATFORM ? point.platform.name : (point.parameters[name] as string | number);
}

/** `cpus=4 pages=8 platform=neoverse`: what of a point the sweep varies. */
export function pointName({ scanned }: Pick<Sweep, 'scanned'>, point: SweepPoint): string {
  const names = scanned.includes(PLATFORM) ? scanned : [...scanned, PLATFORM];
  return [...names.map((name) => `${name}=${valueAt(point, name)}`), `seed=${point.seed}`].join(' ');
}

function usualScans({ name, usual }: Experiment, set: SweepRequest['set']): Scan[] {
  return Object.entries(usual)
    .filter(([parameter]) => set[parameter] === undefined)
    .map(([parameter, list]) => ({
      name: parameter,
      values: scanValues(`usual ${parameter} of ${name}`, list),
    }));
}

function checkNames(experiment: Experiment, scans: readonly Scan[], set: SweepRequest['set']): void {
  const seen = new Set<string>();
  for (const { name } of scans) {
    if (name !== PLATFORM && !Object.hasOwn(experiment.parameters, name)) {
      const known = [PLATFORM, ...Object.keys(experiment.parameters)].join(', ');
      throw new ScenarioError(
        `--scan ${name}: ${experiment.name} has no parameter '${name}': use one of ${known}`,
      );
    }
    if (seen.has(name)) throw new ScenarioError(`--scan ${name}: it is given twice: put all values into one`);
    if (set[name] !== undefined) {
      throw new ScenarioError(`${name} is both scanned and set to ${set[name]}: leave one of them out`);
    }
    seen.add(name);
  }
}

/** Rows name platforms by their names, so two files with the same name in them cannot be told apart. */
function checkDistinct(known: ReadonlyMap<string, Platform>): void {
  const byName = new Map<string, string>();
  for (const [reference, { name }] of known) {
    const other = byName.get(name);
    if (other !== undefined) {
      throw new ScenarioError(`platforms ${other} and ${reference} are both called '${name}': rename one`);
    }
    byName.set(name, reference);
  }
}

function* combinations(scans: readonly Scan[]): Generator<Record<string, string>> {
  const [first, ...rest] = scans;
  if (!first) {
    yield {};
    return;
  }
  for (const value of first.values) {
    for (const others of combinations(rest)) yield { [first.name]: value, ...others };
  }
}
