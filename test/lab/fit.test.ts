import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Fit, fitLine, fitPower, type Line, type Sample } from '../../src/lab/fit.ts';

function lineOf(fit: Fit): Line {
  if ('none' in fit) throw new Error(fit.none);
  return fit;
}

const coefficient = fc.integer({ min: -10_000, max: 10_000 });
const places = fc.uniqueArray(fc.integer({ min: -512, max: 512 }), { minLength: 2, maxLength: 20 });

describe('a line by least squares', () => {
  it('is the exact one where there is one', () => {
    fc.assert(
      fc.property(coefficient, coefficient, places, (intercept, slope, xs) => {
        const line = lineOf(fitLine(xs.map((x) => ({ x, y: intercept + slope * x }))));
        expect(line.slope).toBeCloseTo(slope, 6);
        expect(line.intercept).toBeCloseTo(intercept, 5);
        expect(line.points).toBe(xs.length);
        if (slope === 0) expect(line.r2).toBeNull();
        else expect(line.r2).toBeCloseTo(1, 9);
      }),
    );
  });

  it('begins at 0 where it goes through the origin, and not at the rounding of a difference', () => {
    // The mean of x is 127/7, which binary numbers do not have.
    const samples = [1, 2, 4, 8, 16, 32, 64].map((x) => ({ x, y: 40 * x }));
    const { intercept, slope } = lineOf(fitLine(samples));
    expect(intercept).toBe(0);
    expect(slope).toBeCloseTo(40, 9);
  });

  it('has no better neighbour', () => {
    const left = (samples: readonly Sample[], intercept: number, slope: number) =>
      samples.reduce((sum, { x, y }) => sum + (y - intercept - slope * x) ** 2, 0);
    fc.assert(
      fc.property(places, fc.array(coefficient, { minLength: 20, maxLength: 20 }), (xs, ys) => {
        const samples = xs.map((x, i) => ({ x, y: ys[i] }));
        const { intercept, slope } = lineOf(fitLine(samples));
        const best = left(samples, intercept, slope);
        for (const [a, b] of [
          [1, 0],
          [-1, 0],
          [0, 0.01],
          [0, -0.01],
        ]) {
          expect(left(samples, intercept + a, slope + b)).toBeGreaterThanOrEqual(best - 1e-6 * best);
        }
      }),
    );
  });

  // Anscombe's first quartet (The American Statistician 27, 1973): y = 3.00 + 0.500 x, r2 = 0.67.
  it('agrees with a published example', () => {
    const xs = [10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5];
    const ys = [8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68];
    const line = lineOf(fitLine(xs.map((x, i) => ({ x, y: ys[i] }))));
    expect(line.intercept).toBeCloseTo(3.0, 2);
    expect(line.slope).toBeCloseTo(0.5, 3);
    expect(line.r2).toBeCloseTo(0.67, 2);
  });

  it('keeps its digits far from the origin', () => {
    const { slope, intercept } = lineOf(
      fitLine([1e9, 1e9 + 1, 1e9 + 2].map((x) => ({ x, y: 3 * (x - 1e9) + 7 }))),
    );
    expect(slope).toBeCloseTo(3, 9);
    expect(intercept).toBeCloseTo(7 - 3e9, 0);
  });

  it.each<[Sample[], RegExp]>([
    [[], /no point was measured/],
    [[{ x: 1, y: 2 }], /one point: a line needs two/],
    [
      [
        { x: 8, y: 2 },
        { x: 8, y: 3 },
      ],
      /all 2 points are at 8: a line needs two places/,
    ],
    [
      [
        { x: 1, y: Number.NaN },
        { x: 2, y: 1 },
      ],
      /not a finite number/,
    ],
  ])('says why there is none through %j', (samples, why) => {
    expect(fitLine(samples)).toEqual({ none: expect.stringMatching(why) });
  });

  it('has no share of a variance that is not there', () => {
    expect(fitLine([1, 2, 3].map((x) => ({ x, y: 5 })))).toEqual({
      intercept: 5,
      slope: 0,
      r2: null,
      points: 3,
    });
    // The sum of tenths is not quite the same each time: that is no variance either.
    const rounded = fitLine([
      { x: 1, y: 0.1 + 0.2 },
      { x: 2, y: 0.3 },
    ]);
    expect(rounded).toMatchObject({ slope: 0, r2: null });
  });
});

describe('a power law', () => {
  it('is the exact one where there is one', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.integer({ min: -3, max: 3 }),
        fc.uniqueArray(fc.integer({ min: 1, max: 512 }), { minLength: 2, maxLength: 12 }),
        (factor, exponent, xs) => {
          const line = lineOf(fitPower(xs.map((x) => ({ x, y: factor * x ** exponent }))));
          expect(line.slope).toBeCloseTo(exponent, 6);
          expect(Math.exp(line.intercept) / factor).toBeCloseTo(1, 6);
        },
      ),
    );
  });

  it('needs positive numbers', () => {
    expect(
      fitPower([
        { x: 1, y: 1 },
        { x: 0, y: 4 },
      ]),
    ).toEqual({
      none: 'the point (0, 4) has no logarithm: leave out what is not above 0',
    });
  });
});
