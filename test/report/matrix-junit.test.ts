import { describe, expect, it } from 'vitest';
import { type CellOutcome, matrixCells } from '../../src/lab/matrix.ts';
import { platforms } from '../../src/platforms/index.ts';
import { matrixJunit, matrixMarkdown } from '../../src/report/matrix-junit.ts';
import tinyFlush from '../support/tiny-flush.ts';
import { parseXml } from '../support/xml.ts';

const columns = [platforms.arm926, platforms.neoverse].map((platform) => ({
  reference: platform.name,
  platform,
}));
const [right, rightToo, wrong, wrongToo] = matrixCells(
  [{ reference: 'tiny-flush', scenario: tinyFlush }],
  columns,
);
const clean = { result: 'clean', runs: 20, found: 0, kinds: [], asExpected: true } as const;
const outcomes: CellOutcome[] = [
  { ...clean, cell: right },
  { ...clean, cell: rightToo, result: 'n/a', runs: 0 },
  { ...clean, cell: wrong, asExpected: false },
  { ...clean, cell: wrongToo, result: 'error', error: 'it <threw>', asExpected: false },
];
const head = { host: 'lockstep', seed: 7, runs: 20 };

describe('a matrix as a report', () => {
  it('is JUnit XML: a test a cell, passed if it is as the scenario says', () => {
    const [suite] = parseXml(matrixJunit(outcomes, head)).children;
    expect(suite.attributes).toEqual({
      name: 'tiny-flush',
      tests: '4',
      failures: '1',
      errors: '1',
      skipped: '1',
    });
    const cases = suite.children.slice(1);
    expect(cases.map(({ attributes }) => attributes)).toEqual([
      { name: 'right on arm926', classname: 'flushlab.matrix.tiny-flush.right' },
      { name: 'right on neoverse', classname: 'flushlab.matrix.tiny-flush.right' },
      { name: 'no-flush on arm926', classname: 'flushlab.matrix.tiny-flush.no-flush' },
      { name: 'no-flush on neoverse', classname: 'flushlab.matrix.tiny-flush.no-flush' },
    ]);
    const [passed, skipped, failure, error] = cases.map(({ children }) => children[0]);
    expect(passed.name).toBe('system-out');
    expect(passed.text).toContain(right.reason);
    expect(skipped).toMatchObject({ name: 'skipped', attributes: { message: rightToo.reason } });
    expect(failure).toMatchObject({
      name: 'failure',
      attributes: { type: 'not-found', message: 'must show stale-data, but: clean in 20 runs' },
    });
    expect(error).toMatchObject({ name: 'error', attributes: { type: 'error' } });
    expect(error.attributes.message).toContain('a run failed: it <threw>');
  });

  it('is Markdown: variants down, platforms across', () => {
    const lines = matrixMarkdown(outcomes, head).split('\n');
    expect(lines[2]).toContain('4 cells: 0 found, 2 clean, 1 not applicable, 1 failed; 2 NOT as expected.');
    expect(lines[2]).toContain('20 runs a cell on lockstep, from seed 7.');
    expect(lines.slice(4, 8)).toEqual([
      '| scenario   | variant  | arm926  | neoverse |',
      '| ---------- | -------- | ------- | -------- |',
      '| tiny-flush | right    | clean   | n/a      |',
      '| tiny-flush | no-flush | ! clean | ! error  |',
    ]);
    expect(lines.at(-2)).toBe('- tiny-flush/no-flush/arm926: must show stale-data, but: clean in 20 runs');
  });
});
