/** Where two measured curves cross: linear between the places where both were measured. */
import type { Sample } from './fit.ts';

interface Crossing {
  readonly x: number;
  readonly y: number;
  /** Which of the two is lower after it. */
  readonly lowerAfter: 'first' | 'second';
}

/** What two curves do where both were measured. */
export type Relation =
  | { readonly kind: 'cross'; readonly crossings: readonly Crossing[] }
  /** One is lower everywhere; where they only touch, neither is. `from` and `to` bound the places. */
  | { readonly kind: 'apart'; readonly lower: 'first' | 'second'; readonly from: number; readonly to: number }
  | { readonly kind: 'equal'; readonly from: number; readonly to: number }
  | { readonly kind: 'unknown'; readonly why: string };

/**
 * Compares two curves.
 * A stretch in which they are equal, and on whose two sides different ones are lower, is one crossing, in its middle.
 * @param first, second samples in any order; several at one place count as their mean
 */
export function relate(first: readonly Sample[], second: readonly Sample[]): Relation {
  const [a, b] = [means(first), means(second)];
  if (a.size === 0 || b.size === 0) return { kind: 'unknown', why: 'one of the two was not measured' };
  const places = [...a.keys()].filter((x) => b.has(x)).sort((p, q) => p - q);
  if (places.length === 0) return { kind: 'unknown', why: 'there is no place where both were measured' };
  if (places.length === 1) {
    return { kind: 'unknown', why: `both were measured at ${places[0]} only: curves need two places` };
  }
  const at = (x: number) => a.get(x)! - b.get(x)!;
  const ends = { from: places[0], to: places[places.length - 1] };
  const apart = places.filter((x) => at(x) !== 0);
  if (apart.length === 0) return { kind: 'equal', ...ends };
  const crossings: Crossing[] = [];
  for (const [i, right] of apart.entries()) {
    const left = apart[i - 1];
    if (left === undefined || at(left) < 0 === at(right) < 0) continue;
    const lowerAfter = at(right) < 0 ? 'first' : 'second';
    const between = places.filter((x) => x > left && x < right);
    const x = between.length === 0 ? zero(left, at(left), right, at(right)) : middle(between);
    crossings.push({ x, y: interpolate(a, places, x), lowerAfter });
  }
  if (crossings.length > 0) return { kind: 'cross', crossings };
  return { kind: 'apart', lower: at(apart[0]) < 0 ? 'first' : 'second', ...ends };
}

function means(samples: readonly Sample[]): Map<number, number> {
  const all = new Map<number, number[]>();
  for (const { x, y } of samples) {
    const known = all.get(x);
    if (known) known.push(y);
    else all.set(x, [y]);
  }
  return new Map([...all].map(([x, ys]) => [x, ys.reduce((sum, y) => sum + y, 0) / ys.length]));
}

/** Where the line through two points of different sign is zero. */
function zero(x0: number, y0: number, x1: number, y1: number): number {
  return x0 + (x1 - x0) * (y0 / (y0 - y1));
}

function middle(sorted: readonly number[]): number {
  return (sorted[0] + sorted[sorted.length - 1]) / 2;
}

function interpolate(curve: ReadonlyMap<number, number>, places: readonly number[], x: number): number {
  const right = places.find((place) => place >= x)!;
  const left = places.findLast((place) => place <= x)!;
  const [y0, y1] = [curve.get(left)!, curve.get(right)!];
  return left === right ? y0 : y0 + ((y1 - y0) * (x - left)) / (right - left);
}
