/** Measurements that somebody has published, to be drawn beside simulated ones. */
import type { Sample } from '../../lab/fit.ts';
import { type PublishedRecord, publishedRecords } from '../../lab/published/records.ts';
import { ScenarioError } from '../../scenarios/scenario.ts';

export interface PublishedPoints {
  readonly id: string;
  /** What was measured, and how. */
  readonly title: string;
  /** Who, where, when. */
  readonly source: string;
  /** Parameter that `x` of the points is a value of. */
  readonly x: string;
  /** 'cycles', 'ns', 'us', ... */
  readonly unit: string;
  readonly points: readonly Sample[];
}

/** The parameter of an experiment that is what somebody has varied. */
const PARAMETERS: Readonly<Record<string, string>> = { pages: 'pages', threads: 'cpus', cores: 'cpus' };

/** @throws ScenarioError naming the curves there are */
export function findPublished(id: string): PublishedPoints {
  const records: readonly PublishedRecord[] = Object.values(publishedRecords);
  const drawable = records.filter(({ varied }) => Object.hasOwn(PARAMETERS, varied));
  const record = drawable.find((one) => one.id === id);
  if (!record) {
    const known = drawable.map((one) => one.id).join(', ');
    throw new ScenarioError(`--published ${id}: there is no such curve: use one of ${known}`);
  }
  return {
    id,
    title: `${record.quantity} (${record.conditions})`,
    source: record.source,
    x: PARAMETERS[record.varied],
    unit: record.unit,
    points: Object.entries(record.points).map(([x, y]) => ({ x: Number(x), y })),
  };
}

const NS_OF: Readonly<Record<string, number>> = { ns: 1, us: 1000, ms: 1e6 };

/**
 * The points in the unit of the axis; cycles and times are converted by the clock of the one platform that is shown.
 * @throws ScenarioError if they do not fit into the plot
 */
export function toPlotUnit(
  { id, x, unit, points }: PublishedPoints,
  axis: string,
  wanted: string,
  platforms: readonly { readonly name: string; readonly clockMHz: number }[],
): Sample[] {
  if (x !== axis) throw new ScenarioError(`--published ${id}: it goes along ${x}, not ${axis}: use --x ${x}`);
  const factor = factorOf(id, unit, wanted, platforms);
  return points.map((point) => ({ x: point.x, y: point.y * factor }));
}

function factorOf(
  id: string,
  unit: string,
  wanted: string,
  platforms: readonly { readonly clockMHz: number }[],
): number {
  if (unit === wanted) return 1;
  const from = NS_OF[unit];
  const to = NS_OF[wanted];
  if (from !== undefined && to !== undefined) return from / to;
  const [cyclesFrom, cyclesTo] = [unit === 'cycles', wanted === 'cycles'];
  if ((!cyclesFrom && from === undefined) || (!cyclesTo && to === undefined)) {
    throw new ScenarioError(
      `--published ${id}: its unit is ${unit}, that of the axis ${wanted}: choose another --y`,
    );
  }
  if (platforms.length !== 1) {
    throw new ScenarioError(
      `--published ${id}: ${unit} become ${wanted} by the clock of one platform: choose it with --where platform=...`,
    );
  }
  const nsPerCycle = 1000 / platforms[0].clockMHz;
  return cyclesFrom ? nsPerCycle / (to ?? 1) : (from ?? 1) / nsPerCycle;
}
