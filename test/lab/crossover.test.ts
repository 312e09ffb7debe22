import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { relate } from '../../src/lab/crossover.ts';

const curve = (ys: readonly number[]) => ys.map((y, x) => ({ x, y }));
const line = (intercept: number, slope: number, xs: readonly number[]) =>
  xs.map((x) => ({ x, y: intercept + slope * x }));

describe('two curves', () => {
  it('that are lines cross where algebra says', () => {
    const coefficient = fc.integer({ min: -1000, max: 1000 });
    const places = fc.uniqueArray(fc.integer({ min: -100, max: 100 }), { minLength: 2, maxLength: 10 });
    fc.assert(
      fc.property(coefficient, coefficient, coefficient, coefficient, places, (a, b, c, d, xs) => {
        const relation = relate(line(a, b, xs), line(c, d, xs));
        const [least, most] = [Math.min(...xs), Math.max(...xs)];
        if (b === d) {
          expect(relation.kind).toBe(a === c ? 'equal' : 'apart');
          return;
        }
        const x = (c - a) / (b - d);
        if (x <= least || x >= most) {
          expect(relation).toMatchObject({ kind: 'apart' });
          return;
        }
        if (relation.kind !== 'cross') throw new Error(relation.kind);
        expect(relation.crossings).toHaveLength(1);
        const [crossing] = relation.crossings;
        expect(crossing.x).toBeCloseTo(x, 6);
        expect(crossing.y).toBeCloseTo(a + b * x, 4);
        expect(crossing.lowerAfter).toBe(b < d ? 'first' : 'second');
      }),
    );
  });

  it('cross as often as they change places', () => {
    const relation = relate(curve([0, 2, 0, 2]), curve([1, 1, 1, 1]));
    expect(relation).toEqual({
      kind: 'cross',
      crossings: [
        { x: 0.5, y: 1, lowerAfter: 'second' },
        { x: 1.5, y: 1, lowerAfter: 'first' },
        { x: 2.5, y: 1, lowerAfter: 'second' },
      ],
    });
  });

  it('do not cross where they only touch', () => {
    expect(relate(curve([0, 1, 0]), curve([1, 1, 1]))).toEqual({
      kind: 'apart',
      lower: 'first',
      from: 0,
      to: 2,
    });
  });

  it('cross in the middle of where they are equal', () => {
    const relation = relate(curve([0, 1, 1, 1, 2]), curve([1, 1, 1, 1, 1]));
    expect(relation).toEqual({ kind: 'cross', crossings: [{ x: 2, y: 1, lowerAfter: 'second' }] });
    expect(relate(curve([0, 1, 2]), curve([2, 1, 0]))).toMatchObject({ crossings: [{ x: 1, y: 1 }] });
  });

  it('are compared where both were measured, repeats by their mean', () => {
    const first = [
      { x: 9, y: 99 },
      { x: 2, y: 4 },
      { x: 0, y: -1 },
      { x: 0, y: 1 },
    ];
    const second = [
      { x: 0, y: 1 },
      { x: 1, y: -50 },
      { x: 2, y: 3 },
    ];
    expect(relate(first, second)).toEqual({
      kind: 'cross',
      crossings: [{ x: 1, y: 2, lowerAfter: 'second' }],
    });
  });

  it.each([
    [[], curve([1, 2]), /one of the two was not measured/],
    [[{ x: 5, y: 1 }], curve([1, 2]), /no place where both were measured/],
    [
      [
        { x: 1, y: 1 },
        { x: 7, y: 1 },
      ],
      curve([1, 2]),
      /measured at 1 only: curves need two places/,
    ],
  ])('cannot be compared if %j is one', (first, second, why) => {
    expect(relate(first, second)).toEqual({ kind: 'unknown', why: expect.stringMatching(why) });
  });
});
