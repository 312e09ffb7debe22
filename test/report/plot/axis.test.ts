import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decades, makeAxis } from '../../../src/report/plot/axis.ts';

describe('an axis', () => {
  it('is logarithmic where values are far apart or multiples, unless told otherwise', () => {
    const isLog = (values: number[], asked?: boolean) => makeAxis('x', 'n', values, asked, values).isLog;
    expect(isLog([1, 2, 3, 4])).toBe(false);
    expect(isLog([1, 2, 4, 8])).toBe(true);
    expect(isLog([1, 2, 3, 5, 8])).toBe(true);
    expect(isLog([1, 2])).toBe(false);
    expect(isLog([1, 2, 3, 4, 5, 6, 7, 8])).toBe(false);
    expect(isLog([1, 5, 512])).toBe(true);
    expect(isLog([0, 5, 512])).toBe(false);
    expect(isLog([1, 5, 512], false)).toBe(false);
    expect(isLog([1, 2, 3], true)).toBe(true);
    expect(makeAxis('y', 'n', [1, 2, 4, 8], undefined).isLog).toBe(false);
    expect(makeAxis('y', 'n', [1, 99], undefined).isLog).toBe(false);
    expect(makeAxis('y', 'n', [1, 100], undefined).isLog).toBe(true);
  });

  it('has its ticks at the values if they are few', () => {
    expect(makeAxis('x', 'n', [8, 1, 64, 8, 500], undefined, [8, 1, 64, 8]).ticks).toEqual([1, 8, 64]);
    const many = Array.from({ length: 64 }, (_, i) => i + 1);
    expect(makeAxis('x', 'n', many, undefined, many).ticks).toEqual([1, 2, 5, 10, 20, 50, 100]);
  });

  it.each([
    [
      [3, 80],
      [2, 5, 10, 20, 50, 100],
    ],
    [
      [1, 100],
      [1, 2, 5, 10, 20, 50, 100],
    ],
    [
      [90, 80_000],
      [30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000],
    ],
    [
      [0.02, 0.3],
      [0.02, 0.05, 0.1, 0.2, 0.5],
    ],
    [
      [1, 1e6],
      [1, 10, 100, 1000, 10_000, 100_000, 1e6],
    ],
  ])('of %j has ticks %j', ([least, most], ticks) => {
    expect(decades(least, most)).toEqual(ticks);
  });

  it('has ticks around all that it shows', () => {
    const positive = fc.double({ min: 1e-9, max: 1e12, noNaN: true });
    fc.assert(
      fc.property(positive, positive, (a, b) => {
        const [least, most] = [Math.min(a, b), Math.max(a, b)];
        const ticks = decades(least, most);
        expect(ticks[0]).toBeLessThanOrEqual(least);
        expect(ticks.at(-1)).toBeGreaterThanOrEqual(most);
        expect(ticks).toEqual([...ticks].sort((p, q) => p - q));
        expect(ticks.length).toBeLessThan(30);
      }),
    );
  });
});
