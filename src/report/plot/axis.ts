/** An axis of a plot: its title, its scale, and where it has ticks. */
import { ScenarioError } from '../../scenarios/scenario.ts';

export interface Axis {
  readonly title: string;
  readonly isLog: boolean;
  /** Ticks with numbers; undefined: evenly spread. */
  readonly ticks?: readonly number[];
  /** Smallest and largest value that must fit. */
  readonly domain: readonly [number, number];
}

/** From this ratio of its largest to its smallest value on, an axis is logarithmic unless told otherwise. */
const FAR_APART = { x: 32, y: 100 } as const;
/** Up to so many values each one can have a tick. */
const EACH = 11;
/** Mantissas that have ticks, by how many decades there are. */
const MANTISSAS = [[1, 2, 5], [1, 3], [1]] as const;

/**
 * @param values all that it must show
 * @param isLog undefined: as the values suggest
 * @param chosen values that somebody has chosen: a logarithmic axis has its ticks there
 * @throws ScenarioError if a value has no place on a logarithmic axis
 */
export function makeAxis(
  name: 'x' | 'y',
  title: string,
  values: readonly number[],
  isLog: boolean | undefined,
  chosen: readonly number[] = [],
): Axis {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  if (isLog === true && least <= 0) {
    throw new ScenarioError(`--log ${name}: there is a ${title} of ${least}, which has no place on it`);
  }
  const domain = [least, most] as const;
  const places = [...new Set(chosen)].sort((a, b) => a - b);
  const suggested = least > 0 && (most / least >= FAR_APART[name] || isGeometric(places));
  if (!(isLog ?? suggested)) return { title, isLog: false, domain };
  const ticks = places.length > 1 && places.length <= EACH ? places : decades(least, most);
  return { title, isLog: true, ticks, domain };
}

/** Round numbers from the last one not above `least` to the first one not below `most`, both above 0. */
export function decades(least: number, most: number): number[] {
  const span = Math.log10(most / least);
  const mantissas = MANTISSAS[span <= 2 ? 0 : span <= 4 ? 1 : 2];
  const all: number[] = [];
  // Logarithms are rounded: one more at either end.
  for (let power = Math.floor(Math.log10(least)) - 1; power <= Math.ceil(Math.log10(most)) + 1; power++) {
    // Powers of ten with a negative exponent are exact only as text.
    for (const mantissa of mantissas) all.push(Number(`${mantissa}e${power}`));
  }
  const from = all.findLastIndex((tick) => tick <= least);
  const to = all.findIndex((tick) => tick >= most);
  return all.slice(Math.max(0, from), to < 0 ? all.length : to + 1);
}

/** Whether each of some ascending values is the same multiple of the one before, up to rounding. */
function isGeometric(values: readonly number[]): boolean {
  const [first] = values;
  const ratio = (values.at(-1) ?? 0) / first;
  const factor = ratio ** (1 / (values.length - 1));
  // Over a shorter stretch rounding makes powers of what is evenly spread.
  return (
    ratio >= 8 && factor >= 1.4 && values.every((value, i) => Math.abs(value - first * factor ** i) <= 0.5)
  );
}
