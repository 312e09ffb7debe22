/** What a plot of a sweep shows: which curves, on which axes, with which words. Nothing is drawn here. */
import type { Sample } from '../../lab/fit.ts';
import { groupsOf, numericAxes, samples } from '../../lab/sweep/analysis.ts';
import { PLATFORM } from '../../lab/sweep/points.ts';
import type { Scan } from '../../lab/sweep/scan.ts';
import { cellOf, type SweepHead, type SweepTable, type TableRow } from '../../lab/sweep/table.ts';
import { ScenarioError } from '../../scenarios/scenario.ts';
import { type Axis, makeAxis } from './axis.ts';
import { type PublishedPoints, toPlotUnit } from './published-points.ts';

export interface PlotRequest {
  /** Parameter along the horizontal axis; default: the last number that was scanned. */
  readonly x?: string;
  /** Measure; default: the first. */
  readonly y?: string;
  /** Parameter whose values have colours; default: the first of the others that has several. */
  readonly series?: string;
  /** Logarithmic axes; default: those whose values are far apart. */
  readonly log?: readonly ('x' | 'y')[];
  /** Only rows with these values. */
  readonly where: readonly Scan[];
  readonly published: readonly PublishedPoints[];
}

interface PlotPoint {
  readonly x: number;
  /** Mean of the repeats, and their range. */
  readonly y: number;
  readonly low: number;
  readonly high: number;
}

export interface Curve {
  /** Its colour and the shape of its points. */
  readonly series: string;
  /** Its dashes. */
  readonly other: string;
  readonly points: readonly PlotPoint[];
}

/** A legend: what its entries are values of, and the entries in order. */
interface Legend {
  readonly title: string;
  readonly entries: readonly string[];
}

export interface Plot {
  readonly title: string;
  /** Machine and settings, a line each. */
  readonly subtitle: readonly string[];
  /** Where the figures come from, a line each. */
  readonly notes: readonly string[];
  readonly x: Axis;
  readonly y: Axis;
  /** Whether the values of the series are numbers, which have an order that colours should show. */
  readonly isOrdered: boolean;
  readonly series: Legend;
  readonly other: Legend;
  readonly curves: readonly Curve[];
  readonly published: readonly { readonly label: string; readonly points: readonly Sample[] }[];
}

/** More cannot be told apart. */
const MOST_SERIES = 12;
const MOST_UNORDERED = 7;
const MOST_OTHERS = 6;

/** @throws ScenarioError if what was asked for is not in the sweep, cannot be drawn or could not be read */
export function plotOf({ head, rows: all }: SweepTable, request: PlotRequest): Plot {
  for (const { name, values } of request.where) checkWhere(head, name, values);
  const rows = all.filter((row) =>
    request.where.every(({ name, values }) => values.includes(String(cellOf(row, name)))),
  );
  const x = request.x ?? numericAxes(head).at(-1);
  if (x === undefined || !numericAxes(head).includes(x)) {
    const known = numericAxes(head).join(', ') || 'none: scan one';
    throw new ScenarioError(`--x ${x ?? ''}: use a number that was scanned (${known})`);
  }
  const y = measureOf(head, request.y);
  const names = head.scanned.map(({ name }) => name).filter((name) => name !== x);
  const severals = names.filter((name) => distinct(rows, name).length > 1);
  const series = request.series ?? severals[0];
  if (series !== undefined && !names.includes(series)) {
    const known = names.join(', ') || 'there is no other';
    throw new ScenarioError(`--series ${series}: use a parameter that was scanned besides --x (${known})`);
  }
  const others = severals.filter((name) => name !== series);
  const curves = groupsOf(head, rows, [x]).flatMap(({ own }) => {
    const points = pointsOf(own, x, y);
    const label = (used: readonly string[]) => used.map((name) => String(cellOf(own[0], name))).join(', ');
    const label1 = series === undefined ? '' : label([series]);
    return points.length === 0 ? [] : [{ series: label1, other: label(others), points }];
  });
  if (curves.length === 0) throw new ScenarioError(`nothing to draw: no point of ${y} was measured`);
  const isOrdered = series !== undefined && numericAxes(head).includes(series);
  const entries = [...new Set(curves.map((curve) => curve.series))];
  const otherEntries = [...new Set(curves.map((curve) => curve.other))];
  checkCount(series ?? '', entries.length, isOrdered ? MOST_SERIES : MOST_UNORDERED);
  checkCount(others.join(' and '), otherEntries.length, MOST_OTHERS);
  const published = request.published.map((curve) => ({
    label: `published: ${curve.id}`,
    points: toPlotUnit(curve, x, head.measures[y].unit, platformsOf(head, rows)),
  }));
  const simulated = curves.flatMap((curve) => curve.points);
  const points = [...simulated, ...published.flatMap((curve) => curve.points)];
  const log = (axis: 'x' | 'y') => request.log?.includes(axis);
  return {
    title: head.title,
    subtitle: subtitleOf(head, rows, names),
    notes: [
      `simulated: flushlab ${head.version}, ${head.experiment} after ${head.source}`,
      ...request.published.map(({ id, title, source }) => `published: ${id}: ${title}; ${source}`),
    ],
    x: makeAxis('x', titleOf(head, x), valuesOf(points, 'x'), log('x'), valuesOf(simulated, 'x')),
    y: makeAxis('y', measureTitle(head, y), valuesOf(points, 'y'), log('y')),
    isOrdered,
    series: { title: series ?? '', entries },
    other: { title: others.join(', '), entries: otherEntries },
    curves,
    published,
  };
}

function valuesOf(points: readonly Sample[], axis: 'x' | 'y'): number[] {
  return points.map((point) => point[axis]);
}

function measureOf({ experiment, measures }: SweepHead, asked: string | undefined): string {
  const known = Object.keys(measures);
  if (asked === undefined) return known[0];
  if (Object.hasOwn(measures, asked)) return asked;
  throw new ScenarioError(`--y ${asked}: ${experiment} does not measure it: use one of ${known.join(', ')}`);
}

function checkWhere({ scanned }: SweepHead, name: string, values: readonly string[]): void {
  const found = scanned.find((one) => one.name === name);
  if (!found) {
    const known = scanned.map((one) => one.name).join(', ');
    throw new ScenarioError(`--where ${name}: it was not scanned: use one of ${known}`);
  }
  const missing = values.find((value) => !found.values.map(String).includes(value));
  if (missing === undefined) return;
  throw new ScenarioError(`--where ${name}=${missing}: it has ${found.values.join(', ')}`);
}

function checkCount(what: string, count: number, most: number): void {
  if (count <= most) return;
  throw new ScenarioError(
    `${what} has ${count} values, and no more than ${most} can be told apart: choose some with --where`,
  );
}

/** One point a place, in ascending order. */
function pointsOf(rows: readonly TableRow[], x: string, y: string): PlotPoint[] {
  const byPlace = new Map<number, number[]>();
  for (const sample of samples(rows, x, y)) {
    const known = byPlace.get(sample.x);
    if (known) known.push(sample.y);
    else byPlace.set(sample.x, [sample.y]);
  }
  return [...byPlace]
    .sort(([a], [b]) => a - b)
    .map(([place, found]) => ({
      x: place,
      y: found.reduce((sum, one) => sum + one, 0) / found.length,
      low: Math.min(...found),
      high: Math.max(...found),
    }));
}

function platformsOf(head: SweepHead, rows: readonly TableRow[]): SweepHead['platforms'] {
  const used = new Set(rows.map(({ platform }) => platform));
  return head.platforms.filter(({ name }) => used.has(name));
}

function subtitleOf(head: SweepHead, rows: readonly TableRow[], names: readonly string[]): string[] {
  const machines = platformsOf(head, rows).map(
    ({ name, title, clockMHz }) => `${name}: ${title}, ${clockMHz} MHz`,
  );
  const one = names.filter((name) => name !== PLATFORM && distinct(rows, name).length === 1);
  const fixed = [
    ...Object.entries(head.fixed).filter(([name]) => name !== PLATFORM),
    ...one.map((name) => [name, distinct(rows, name)[0]]),
  ].map(([name, value]) => `${name} ${value}`);
  const { seed, repeat } = head;
  const seeds = repeat === 1 ? `seed ${seed}` : `seeds ${seed} to ${seed + repeat - 1}, mean and range`;
  return [...machines, [...fixed, seeds].join(', ')];
}

function titleOf({ scanned }: SweepHead, name: string): string {
  return scanned.find((one) => one.name === name)?.title ?? name;
}

/** `initiator (cycles)` */
function measureTitle({ measures }: SweepHead, name: string): string {
  const { title, unit } = measures[name];
  return `${title} (${unit})`;
}

function distinct(rows: readonly TableRow[], name: string): (string | number)[] {
  return [...new Set(rows.map((row) => cellOf(row, name)))];
}
