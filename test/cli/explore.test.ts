import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { inProcess } from './in-process.ts';
import { flushlab } from './run-cli.ts';

const TINY = './test/support/tiny-race.ts';
const folder = mkdtempSync(join(tmpdir(), 'flushlab-explore-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const explore = (variant: string, ...more: string[]) =>
  inProcess('explore', TINY, '--variant', variant, '--runs', '100', '--workers', '1', ...more);

describe('explore', () => {
  it('finds what is wrong: the seeds, the finding, a table, and one line to paste', async () => {
    const saved = join(folder, "it's saved");
    const { code, stdout, stderr } = await explore('buggy', '--seed', '7', '--save', saved);
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    expect(stdout).toMatch(/^ {2}search +pct of depth 3, seeds 7 to 106$/m);
    expect(stdout).toMatch(/^ {2}found +finding stale-translation in \d+ \(\d+ %\), first with seed \d+$/m);
    expect(stdout).toMatch(/^stale-translation: CPU 1 used a translation/m);
    expect(stdout).toMatch(/^steps +CPU 0 +CPU 1/m);
    expect(stdout).toMatch(/^9 +used +stores 1 to 0x40000000/m);
    const token = readFileSync(saved, 'utf8').trim();
    expect(stdout).toContain(`\n  replay   flushlab replay ${token}\n`);
    const quoted = `'${saved.replace("'", "'\\''")}'`;
    expect(stdout.endsWith(`\n  replay   flushlab replay ${quoted}\n`)).toBe(true);
    for (const line of stdout.split('\n')) {
      if (!line.startsWith('  replay ')) expect(line.length).toBeLessThanOrEqual(120);
    }
  });

  it('says the same as JSON, whatever the number of workers', async () => {
    const [one, two] = [
      await explore('buggy', '--seed', '7', '--json'),
      await explore('buggy', '--seed', '7', '--json', '--workers', '2'),
    ];
    expect({ code: one.code, stderr: one.stderr }).toEqual({ code: 1, stderr: '' });
    expect(two.stdout).toBe(one.stdout);
    const report = JSON.parse(one.stdout);
    expect(report).toMatchObject({ command: 'explore', scenario: 'tiny-race', variant: 'buggy', seed: 7 });
    expect(report).toMatchObject({ strategy: 'pct', runs: 100, complete: false, stopped: false });
    expect(report.failures).toEqual([expect.objectContaining({ signature: 'finding stale-translation' })]);
    const { counterexample } = report;
    expect(counterexample).toMatchObject({ signature: 'finding stale-translation', minimal: true });
    expect(counterexample.choices).toHaveLength(counterexample.steps);
    expect(counterexample.token).toMatch(/^f1[\w-]+$/);
    expect(counterexample.findings).toHaveLength(1);
    expect(counterexample.timeline.columns).toEqual(['CPU 0', 'CPU 1', 'hardware']);
  });

  it('of what is right exits with 0, and promises no more than a sample can', async () => {
    const { code, stdout, stderr } = await explore('fixed');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/seeds \d+ to \d+$/m);
    expect(stdout).toMatch(/^ {2}reach +a sample; /m);
    expect(stdout).toMatch(/^ {2}found +nothing$/m);
    expect(stdout).not.toMatch(/replay|verified/);
  });

  it.each([
    ['fixed', 0, /^ {2}reach +every schedule with up to 1 preemption and 0 delays$/m],
    ['buggy', 1, /^ {2}reach +every schedule with up to 0 preemptions and 0 delays$/m],
  ])('by cost says how far it came: %s', async (variant, exit, reach) => {
    const { code, stdout } = await explore(
      variant,
      ...['--strategy', 'bounded', '--preemptions', '1', '--delays', '0'],
    );
    expect(code).toBe(exit);
    expect(stdout).toMatch(reach);
  });

  it('by cost without an answer exits with 3', async () => {
    const { code, stdout } = await explore('fixed', '--strategy', 'bounded', '--runs', '3');
    expect(code).toBe(3);
    expect(stdout).toMatch(/: the limit of 3 runs came first$/m);
  });

  it('in a process of its own too', () => {
    const { code, stdout } = flushlab(['explore', TINY, '--variant', 'buggy', '--runs', '20', '--seed', '1']);
    expect(code).toBe(1);
    expect(stdout).toMatch(/\n {2}replay {3}flushlab replay f1[\w-]+\n$/);
  });
});

describe('what makes no sense is one line with the remedy, and exit code 2', () => {
  const other = join(folder, 'other');
  writeFileSync(other, '{"exploration":"another"}\n');
  const missing = join(folder, 'none', 'file');
  const mistakes: readonly [options: string, line: RegExp][] = [
    ['--depth 0', /^--depth 0: use an integer from 1 to 16$/],
    ['--runs -1', /^--runs -1: use an integer from 1/],
    ['--runs 1.5', /^--runs 1\.5: use an integer from 1/],
    ['--strategy foo', /--strategy.*'foo' is invalid.*pct, random, bounded, dpor/],
    ['--workers 0', /^--workers 0: use an integer from 1 to 256$/],
    ['--preemptions -1', /^--preemptions -1: use an integer from 0 to 16$/],
    ['--delays many', /^--delays many: use an integer from 0 to 16$/],
    ['--max-steps 0', /^--max-steps 0: use an integer from 1/],
    ['--walks 65', /^--walks 65: use an integer from 0 to 64$/],
    ['--prefetches 1 --platform sun4d', /^--prefetches 1: sun4d has no agent 'prefetch': leave it out$/],
    ['--seed x', /^--seed x: use an integer from 0/],
    ['--cpus 1', /^tiny-race needs at least 2 CPUs: use --cpus 2 or more$/],
    ['--variant none', /no variant 'none': use one of fixed, buggy/],
    ['--set store=1', /no parameter 'store': use one of stores/],
    ['--shrink-runs 1', /unknown option '--shrink-runs'/],
    [
      `--checkpoint ${missing}`,
      /^--checkpoint .*: cannot be written \(ENOENT\): name a file in a folder that/,
    ],
    [`--checkpoint ${folder}`, /^--checkpoint .*: cannot be written \(EISDIR\)/],
    [
      `--checkpoint ${other}`,
      /other: the checkpoint of another exploration, or none: give another file, or the/,
    ],
    [`--save ${missing}`, /^--save .*: cannot be written \(ENOENT\): name a file in a folder that exists$/],
    [`--save ${folder}`, /^--save .*: cannot be written \(EISDIR\)/],
  ];
  it.each(mistakes)('%s', async (options, line) => {
    const { code, stdout, stderr } = await inProcess('explore', TINY, ...options.split(' '));
    expect(stderr).toMatch(/^flushlab: .*\n$/);
    expect(stderr.slice('flushlab: '.length).trimEnd()).toMatch(line);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  it('before anything is written', () => {
    expect(existsSync(join(folder, 'none'))).toBe(false);
    expect(readFileSync(other, 'utf8')).toBe('{"exploration":"another"}\n');
  });

  it('another seed is another exploration', async () => {
    const path = join(folder, 'seeded');
    const args = ['--checkpoint', path, '--runs', '10'];
    expect((await explore('fixed', ...args, '--seed', '4')).code).toBe(0);
    const { code, stderr } = await explore('fixed', ...args, '--seed', '5');
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/another exploration/) });
    expect((await explore('fixed', ...args, '--seed', '4', '--workers', '2', '--no-shrink')).code).toBe(0);
  });
});
