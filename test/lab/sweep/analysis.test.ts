import { describe, expect, it } from 'vitest';
import { crossTable, fitTable, groupsOf, numericAxes } from '../../../src/lab/sweep/analysis.ts';
import { sweepTable } from '../../support/sweep-table.ts';

/** Curves that are known: `first` costs 100 + 10 pages, `second` 20 pages; both more with each CPU. */
const table = sweepTable(
  { kind: ['first', 'second'], cpus: [1, 2], pages: [1, 4, 16] },
  ({ kind, cpus, pages }) => ({
    cycles: (kind === 'first' ? 100 + 10 * Number(pages) : 20 * Number(pages)) * Number(cpus),
    misses: 3,
  }),
);

describe('fits of a sweep', () => {
  it('are one for each curve and measure', () => {
    const fits = fitTable(table, 'pages', ['cycles', 'misses']);
    expect(fits.map(({ group, measure }) => `${group.kind} ${group.cpus} ${measure}`)).toEqual([
      'first 1 cycles',
      'first 1 misses',
      'first 2 cycles',
      'first 2 misses',
      'second 1 cycles',
      'second 1 misses',
      'second 2 cycles',
      'second 2 misses',
    ]);
    expect(fits[2].fit).toMatchObject({ intercept: 200, slope: 20, points: 3 });
    expect(fits[1].fit).toEqual({ intercept: 3, slope: 0, r2: null, points: 3 });
  });

  it('may be power laws', () => {
    const [, , one] = fitTable(table, 'pages', ['cycles'], 'log-log');
    expect(one.group).toEqual({ kind: 'second', cpus: 1 });
    expect(one.fit).toMatchObject({
      slope: expect.closeTo(1, 9),
      intercept: expect.closeTo(Math.log(20), 9),
    });
  });

  it('go along numbers that were scanned', () => {
    expect(() => fitTable(table, 'kind', ['cycles'])).toThrow(/--fit kind: .*use one of cpus, pages/);
    expect(() => fitTable(table, 'sockets', ['cycles'])).toThrow(
      /--fit sockets: no numbers of it were scanned/,
    );
  });
});

describe('crossovers of a sweep', () => {
  it('are where the curves of two values cross, for each combination of the others', () => {
    const crossovers = crossTable(table, 'kind', ['cycles'], 'pages');
    expect(crossovers.map(({ group, first, second }) => [group, first, second])).toEqual([
      [{ cpus: 1 }, 'first', 'second'],
      [{ cpus: 2 }, 'first', 'second'],
    ]);
    // 100 + 10 n = 20 n.
    for (const [i, y] of [200, 400].entries()) {
      expect(crossovers[i].relation).toEqual({
        kind: 'cross',
        crossings: [{ x: 10, y, lowerAfter: 'first' }],
      });
    }
  });

  it('of numbers are along the only other number', () => {
    const [one] = crossTable(table, 'cpus', ['cycles']);
    expect(one).toMatchObject({
      along: 'pages',
      group: { kind: 'first' },
      relation: { kind: 'apart', lower: 'first' },
    });
  });

  it('need two values and an axis', () => {
    expect(() => crossTable(table, 'platform', ['cycles'])).toThrow(/--cross platform: it has no two values/);
    expect(() => crossTable(table, 'kind', ['cycles'])).toThrow(/cpus and pages were scanned: .*--along/);
    expect(() => crossTable(table, 'kind', ['cycles'], 'kind')).toThrow(/--along kind: no numbers/);
    expect(() => crossTable(table, 'cpus', ['cycles'], 'cpus')).toThrow(/it is what is compared/);
  });
});

describe('groups', () => {
  it('are the curves along what is left out', () => {
    expect(numericAxes(table.head)).toEqual(['cpus', 'pages']);
    const groups = groupsOf(table.head, table.rows, ['pages']);
    expect(groups).toHaveLength(4);
    expect(groups.every(({ own }) => own.length === 3)).toBe(true);
  });
});
