import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { platforms } from '../../src/platforms/index.ts';
import { sun4c } from '../../src/platforms/sun4c.ts';
import { inProcess } from './in-process.ts';

const TINY = './test/support/tiny-flush.ts';
const CELLS = 2 * Object.keys(platforms).length;
const few = ['--runs', '2', '--seed', '5', '--workers', '1'];
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'flushlab-matrix-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('flushlab matrix', () => {
  it('prints every cell, what its letters mean and how many there are', async () => {
    const { code, stdout } = await inProcess('matrix', TINY, ...few);
    expect(code).toBe(0);
    expect(stdout).toContain(`${CELLS} cells on lockstep, up to 2 runs each, seeds 5 to 6\n\n`);
    expect(stdout).toContain('tiny-flush  right     clean    clean ');
    expect(stdout).toContain('            no-flush  found D  clean ');
    expect(stdout).toContain('\n  D stale-data: a load returned a value');
    expect(stdout).toContain(
      `\n${CELLS} cells: 4 found, ${CELLS - 5} clean, 1 not applicable; every one as expected.\n`,
    );
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(120);
  });

  it('takes platforms, also from files, and gives reasons', async () => {
    const file = join(folder, 'mine.json');
    writeFileSync(file, JSON.stringify({ ...sun4c, name: 'mine' }));
    const { code, stdout } = await inProcess(
      ...['matrix', '--platform', 'arm926', '--platform', file, '--why', TINY, ...few],
    );
    expect(code).toBe(0);
    expect(stdout).toContain(
      '\n  no-flush: just reads\n    arm926: found stale-data: the line is dirty under',
    );
    expect(stdout).toContain('\n    mine: clean: memory or the same line has it\n');
  });

  it('can be one cell', async () => {
    const { code, stdout } = await inProcess('matrix', TINY, '--why', 'tiny-flush/right/sun4m', ...few);
    expect(code).toBe(0);
    expect(stdout).toContain('sun4m: clean: the page is in memory on <sun4m>');
    expect(stdout).toMatch(/\n1 cell: /);
  });

  it('writes JSON and a page that are the same bytes for the same seed', async () => {
    const pages: string[] = [];
    const reports: string[] = [];
    for (const workers of ['1', '2']) {
      const file = join(folder, `page-${workers}.html`);
      const flags = ['--runs', '2', '--seed', '5', '--workers', workers, '--html', file, '--json'];
      reports.push((await inProcess('matrix', TINY, ...flags)).stdout);
      pages.push(readFileSync(file, 'utf8'));
    }
    expect(pages[1]).toBe(pages[0]);
    expect(reports[1]).toBe(reports[0]);
    const { cells, asExpected } = JSON.parse(reports[0]);
    expect(asExpected).toBe(true);
    expect(cells).toHaveLength(CELLS);
    const isOne = (cell: Record<string, string>) => cell.platform === 'arm926' && cell.result === 'found';
    expect(cells.find(isOne)).toEqual({
      ...{ scenario: 'tiny-flush', variant: 'no-flush', platform: 'arm926', result: 'found' },
      ...{ kinds: ['stale-data'], asExpected: true, expect: ['stale-data'] },
      ...{ reason: 'the line is dirty under another index', cpus: 1, runs: 1, found: 1, firstSeed: 5 },
    });
    expect(pages[0]).toContain(
      '<td class="found" title="found stale-data: the line is dirty under another index">',
    );
    expect(pages[0]).toContain('on &lt;sun4m&gt;');
    expect(pages[0]).not.toMatch(/<script|<link|src=|https?:/);
  });

  it('ends with 3 where a run reached its limit, and says so in the cell', async () => {
    const { code, stdout } = await inProcess(
      'matrix',
      TINY,
      '--platform',
      'sun4m',
      '--max-steps',
      '2',
      ...few,
    );
    expect(code).toBe(3);
    expect(stdout).toContain('!bound');
    expect(stdout).toContain('2 without answer; 2 NOT as expected.\n');
  });

  it('shows hit rates on threads', async () => {
    const { code, stdout } = await inProcess(
      'matrix',
      TINY,
      '--host',
      'threads',
      '--platform',
      'r4000pc',
      ...few,
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/no-flush {2}2\/2 D\n/);
  });

  it.each([
    [['nosuch'], /there is no scenario 'nosuch'/],
    [['mremap-stale'], /mremap-stale does not say what variant/],
    [[TINY, '--platform', 'nosuch'], /there is no platform 'nosuch'/],
    [[TINY, '--why', 'tiny-flush/right/nosuch'], /there is no such cell/],
    [[TINY, '--runs', '0'], /--runs 0: use an integer/],
    [[TINY, '--html', '/nowhere/at/all.html'], /--html \/nowhere\/at\/all.html: cannot be written/],
    [[TINY, '--html', ''], /--html: it has no name/],
  ])('matrix %j is one line and exit code 2', async (args, message) => {
    const { code, stdout, stderr } = await inProcess('matrix', ...args);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });
});
