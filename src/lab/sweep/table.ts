/** The results of a sweep as plain data: what is written, read again, fitted and drawn. */
import { createHash } from 'node:crypto';
import type { Platform } from '../../machine/platform.ts';
import type { Parameters } from '../../program/workload.ts';
import type { Measure } from '../experiments/experiment.ts';
import { version } from '../version.ts';
import type { PointOutcome } from './measure-point.ts';
import { PLATFORM, type Sweep, valueAt } from './points.ts';
import type { SweepRow } from './run-sweep.ts';

type Value = string | number;

/** What all points of a sweep have in common: two sweeps with equal heads have equal rows. */
export interface SweepHead {
  readonly experiment: string;
  readonly title: string;
  readonly source: string;
  /** Of flushlab. */
  readonly version: string;
  readonly seed: number;
  readonly repeat: number;
  /** How many points there are in all. */
  readonly points: number;
  readonly platforms: readonly PlatformNote[];
  /** Parameters that were gone through, from the slowest to the fastest, with their values in order. */
  readonly scanned: readonly ScannedParameter[];
  /** The other parameters. */
  readonly fixed: Readonly<Record<string, Value>>;
  readonly measures: Readonly<Record<string, Measure>>;
}

interface ScannedParameter {
  readonly name: string;
  readonly title: string;
  readonly values: readonly Value[];
}

interface PlatformNote {
  readonly name: string;
  readonly title: string;
  readonly clockMHz: number;
  /** SHA-256 of the whole description: a file may change between two runs. */
  readonly digest: string;
}

export interface TableRow {
  readonly index: number;
  readonly platform: string;
  readonly parameters: Parameters;
  readonly seed: number;
  readonly outcome: PointOutcome;
}

export interface SweepTable {
  readonly head: SweepHead;
  /** In the order of the sweep; all of them only if it went to its end. */
  readonly rows: readonly TableRow[];
}

export function headOf(sweep: Sweep): SweepHead {
  const { experiment, scanned, values, seed, repeat, points, platforms } = sweep;
  const names = [PLATFORM, ...Object.keys(experiment.parameters)].filter((name) => !scanned.includes(name));
  return {
    experiment: experiment.name,
    title: experiment.title,
    source: experiment.source,
    version,
    seed,
    repeat,
    points: points.length,
    platforms: platforms.map((platform) => ({
      name: platform.name,
      title: platform.title,
      clockMHz: platform.clockMHz,
      digest: digestOf(platform),
    })),
    scanned: scanned.map((name) => ({
      name,
      title: experiment.parameters[name]?.title ?? name,
      values: values[name],
    })),
    fixed: Object.fromEntries(names.map((name) => [name, valueAt(points[0], name)])),
    measures: experiment.measures,
  };
}

export function rowOf({ point, outcome }: SweepRow): TableRow {
  const { index, platform, parameters, seed } = point;
  return { index, platform: platform.name, parameters, seed, outcome };
}

/** The value of a parameter of a row, or the name of its platform. */
export function cellOf(row: Pick<TableRow, 'platform' | 'parameters'>, name: string): Value {
  return name === PLATFORM ? row.platform : (row.parameters[name] as Value);
}

function digestOf(platform: Platform): string {
  return createHash('sha256').update(JSON.stringify(platform)).digest('hex');
}
