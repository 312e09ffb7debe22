import { describe, expect, it } from 'vitest';
import { crossTable, fitTable } from '../../src/lab/sweep/analysis.ts';
import { figure } from '../../src/report/sweep-tables.ts';
import { conclusionsText, sweepCsv, sweepMarkdown, sweepText } from '../../src/report/sweep-text.ts';
import { sweepTable } from '../support/sweep-table.ts';

const plain = { colour: false };
const none = { fits: [], crossovers: [] };
const table = sweepTable({ kind: ['a', 'b', 'c'], pages: [1, 11] }, ({ kind, pages }) => {
  if (kind === 'c') return { na: 'c means nothing here' };
  return kind === 'a' ? { cycles: 1000 + Number(pages) } : { cycles: 996 + 2 * Number(pages), misses: 2 };
});
const measures = ['cycles', 'misses'];
const conclusions = {
  fits: fitTable(table, 'pages', measures),
  crossovers: crossTable(table, 'kind', ['cycles']),
};

describe('a sweep as text', () => {
  it('has a row a point, and says what is not there and why', () => {
    expect(sweepText(table, measures, none, plain)).toBe(`known: Known curves
on neoverse (the neoverse, 2000 MHz)
seed 1, flushlab 1.2.3
cycles: time, cycles
misses: refills, misses
source: arithmetic

kind  pages  cycles  misses
a         1   1,001       -
a        11   1,011       -
b         1     998       2
b        11   1,018       2
c         1     n/a     n/a
c        11     n/a     n/a
2 points n/a: c means nothing here`);
  });

  it('has lines and crossovers', () => {
    expect(conclusionsText(conclusions, plain)).toBe(`least squares: measure = intercept + slope * pages
kind  measure  intercept  slope  R2  points  note
a     cycles       1,000      1   1       2
a     misses           -      -   -       -  no point was measured
b     cycles         996      2   1       2
b     misses           2      0   -       2  constant: nothing for R2 to explain
c     cycles           -      -   -       -  no point was measured
c     misses           -      -   -       -  no point was measured

crossovers along pages, by straight lines between the points
measure  between  crossover
cycles   a / b    pages 4 (at 1,004), then a is lower
cycles   a / c    unknown: one of the two was not measured
cycles   b / c    unknown: one of the two was not measured`);
  });

  it('shows repeats as their mean and range', () => {
    const repeated = sweepTable({ pages: [1] }, (_, seed) => ({ cycles: 10 * seed }), { repeat: 3 });
    const text = sweepText(repeated, ['cycles'], none, plain);
    expect(text).toContain('seeds 1 to 3');
    expect(text).toContain('\n    1  20 (10 to 30)');
  });

  it('counts what failed', () => {
    const failed = sweepTable({ pages: [1, 2] }, () => ({ error: 'it ended with step-limit' }));
    expect(sweepText(failed, ['cycles'], none, plain)).toContain('2 points failed: it ended with step-limit');
  });

  it('does not round up to a perfect fit', () => {
    const near = sweepTable({ pages: [1, 2, 3] }, ({ pages }) => ({
      cycles: 1000 * Number(pages) + (pages === 2 ? 1 : 0),
    }));
    expect(conclusionsText({ fits: fitTable(near, 'pages', ['cycles']), crossovers: [] }, plain)).toContain(
      '0.9999',
    );
  });
});

describe('a wide sweep as text', () => {
  const names = Array.from({ length: 9 }, (_, i) => `measureNumber${i}`);
  const wide = sweepTable(
    { kind: ['a', 'b'], pages: [1] },
    () => Object.fromEntries(names.slice(1).map((name) => [name, 12])),
    { measures: Object.fromEntries(names.map((name) => [name, { title: name, unit: 'x' }])) },
  );

  it('is cut into parts, each with what was gone through', () => {
    const lines = sweepText(wide, names, none, plain).split('\n');
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(100);
    expect(lines.filter((line) => line.startsWith('kind  pages  measureNumber'))).toHaveLength(2);
    expect(lines.filter((line) => /^a +1( +12)+$/.test(line))).toHaveLength(2);
  });

  it('leaves out what means nothing anywhere, and says so', () => {
    const text = sweepText(wide, names, none, plain);
    expect(text.match(/measureNumber0/g)).toHaveLength(1);
    expect(text).toContain('\nmeans nothing at any of these points: measureNumber0');
    expect(sweepMarkdown(wide, names, none)).toContain(
      '- means nothing at any of these points: measureNumber0',
    );
  });

  it('keeps all columns where nothing was measured', () => {
    const nothing = { ...wide, rows: wide.rows.map((row) => ({ ...row, outcome: { na: 'not here' } })) };
    expect(sweepText(nothing, ['measureNumber0'], none, plain)).toMatch(/\na +1 +n\/a\n/);
  });
});

describe('a sweep as Markdown', () => {
  it('has the same tables', () => {
    const lines = sweepMarkdown(table, ['cycles'], {
      ...conclusions,
      fits: fitTable(table, 'pages', ['cycles']),
    }).split('\n');
    expect(lines[0]).toBe('# known: Known curves');
    expect(lines).toContain('| kind | pages | cycles |');
    expect(lines).toContain('| a    |    11 |  1,011 |');
    expect(lines).toContain('- 2 points n/a: c means nothing here');
    expect(lines).toContain('least squares: measure = intercept + slope \\* pages:');
    expect(lines).toContain('| a    | cycles  |     1,000 |     1 |   1 |      2 |                       |');
    expect(lines).toContain('| cycles  | a / b   | pages 4 (at 1,004), then a is lower      |');
  });
});

describe('a sweep as CSV', () => {
  it('has a line a point with all that is known of it', () => {
    expect(sweepCsv({ ...table, head: { ...table.head, fixed: { platform: 'neoverse' } } }, measures)).toBe(
      [
        'experiment,kind,pages,platform,seed,cycles,misses,note',
        'known,a,1,neoverse,1,1001,,',
        'known,a,11,neoverse,1,1011,,',
        'known,b,1,neoverse,1,998,2,',
        'known,b,11,neoverse,1,1018,2,',
        'known,c,1,neoverse,1,,,n/a: c means nothing here',
        'known,c,11,neoverse,1,,,n/a: c means nothing here',
        '',
      ].join('\r\n'),
    );
  });
});

describe('a figure', () => {
  it.each([
    [0, '0'],
    [1234567, '1,234,567'],
    [1234.56, '1,235'],
    [666.24, '666.2'],
    [0.000123456, '0.0001235'],
    [-12.3456, '-12.35'],
  ])('%d is %s', (value, text) => {
    expect(figure(value)).toBe(text);
  });
});
