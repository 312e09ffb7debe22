/** A straight line through measured points, by least squares. */

export interface Sample {
  readonly x: number;
  readonly y: number;
}

/** `y = intercept + slope x`, or for the logarithms `y = factor x ^ exponent`. */
export interface Line {
  readonly intercept: number;
  readonly slope: number;
  /** Share of the variance of y that the line explains; null where y is constant, and there is none to explain. */
  readonly r2: number | null;
  readonly points: number;
}

/** A line, or why there is none. */
export type Fit = Line | { readonly none: string };

/** Relative to the size of y: below this what is left over is rounding. */
const ROUNDING = 1e-12;

/** The line with the least sum of squared distances in y. */
export function fitLine(samples: readonly Sample[]): Fit {
  const n = samples.length;
  const [first] = samples;
  if (!first) return { none: 'no point was measured' };
  if (n === 1) return { none: 'one point: a line needs two' };
  if (samples.some(({ x, y }) => !Number.isFinite(x) || !Number.isFinite(y))) {
    return { none: 'a point is not a finite number' };
  }
  if (samples.every(({ x }) => x === first.x)) {
    return { none: `all ${n} points are at ${first.x}: a line needs two places` };
  }
  if (samples.every(({ y }) => y === first.y)) return { intercept: first.y, slope: 0, r2: null, points: n };
  const mean = (of: (sample: Sample) => number) => samples.reduce((sum, one) => sum + of(one), 0) / n;
  // About the means: sums of squares of the numbers themselves lose digits.
  const [mx, my] = [mean(({ x }) => x), mean(({ y }) => y)];
  const sum = (of: (dx: number, dy: number) => number) =>
    samples.reduce((total, { x, y }) => total + of(x - mx, y - my), 0);
  const slope = sum((dx, dy) => dx * dy) / sum((dx) => dx * dx);
  const level = my - slope * mx;
  // A line through the origin: what is left of the difference is rounding of its terms.
  const intercept = Math.abs(level) <= ROUNDING * Math.max(Math.abs(my), Math.abs(slope * mx)) ? 0 : level;
  const total = sum((_, dy) => dy * dy);
  const left = sum((dx, dy) => (dy - slope * dx) ** 2);
  const scale = Math.max(...samples.map(({ y }) => Math.abs(y)));
  // Deviations that are no more than rounding of y itself are constant as well.
  if (total <= n * (scale * ROUNDING) ** 2) return { intercept: my, slope: 0, r2: null, points: n };
  return { intercept, slope, r2: Math.max(0, 1 - left / total), points: n };
}

/** The power law `y = e^intercept x^slope`: a line through the logarithms. */
export function fitPower(samples: readonly Sample[]): Fit {
  const bad = samples.find(({ x, y }) => x <= 0 || y <= 0);
  if (bad) return { none: `the point (${bad.x}, ${bad.y}) has no logarithm: leave out what is not above 0` };
  return fitLine(samples.map(({ x, y }) => ({ x: Math.log(x), y: Math.log(y) })));
}
