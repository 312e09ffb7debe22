import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { encodeHeader, headerOf } from '../../src/campaign/header.ts';
import { encodeLine } from '../../src/campaign/line.ts';
import { lineOf, planOf } from '../campaign/small-campaign.ts';
import { inProcess } from './in-process.ts';
import { started } from './run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'flushlab-campaign-cli-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

// Threads and processes that start from source, while other tests run.
vi.setConfig({ testTimeout: 180_000 });

const tiny = './test/support/tiny-race.ts';
let count = 0;

/** Writes a campaign. @returns its file, and its journal */
function campaign(variants: string[], to = 4): { file: string; journal: string } {
  const path = join(folder, `campaign-${++count}`);
  const entries = [{ kind: 'stress', scenarios: [tiny], variants, seeds: [{ from: 1, to }], maxSteps: 300 }];
  writeFileSync(`${path}.json`, JSON.stringify({ name: 'tiny', entries }));
  return { file: `${path}.json`, journal: `${path}.ndjson` };
}

/** Without threads: each would load everything once more. */
const run = (file: string, ...args: string[]) =>
  inProcess('campaign', 'run', file, '--workers', '0', ...args);
const linesIn = (path: string) => readFileSync(path, 'utf8').split('\n').slice(1, -1);

describe('flushlab campaign', () => {
  it.each([
    [['throws', 'endless'], 4, 'a program failed'],
    [['endless'], 3, 'a limit came before an answer'],
  ] as const)('run: variants %j exit with %i', async (variants, expected, says) => {
    const { file, journal } = campaign([...variants], 12);
    const { code, stdout, stderr } = await run(file);
    expect({ code, stderr }).toEqual({ code: expected, stderr: '' });
    expect(stdout.trimEnd().split('\n').at(-1)).toContain(says);
    expect(linesIn(journal)).toHaveLength(12 * variants.length);
    const report = await inProcess('campaign', 'report', journal);
    expect(report.code).toBe(expected);
  });

  it('run: exits with 1 if a wrong variant shows nothing, and with 0 if only its share does not', async () => {
    const { file, journal } = campaign(['fixed', 'buggy'], 1);
    // The only run of the wrong variant is in the second share.
    const first = await run(file, '--shard', '1/2');
    expect(first).toMatchObject({ code: 0, stderr: '' });
    expect(first.stdout).toContain('nothing that must not be, so far');
    expect((await inProcess('campaign', 'report', journal)).code).toBe(3);
    const { stdout } = await inProcess('campaign', 'status', journal, '--json');
    expect(JSON.parse(stdout)).toMatchObject({ units: 2, done: 1, complete: false, state: 'unfinished' });
    const whole = await run(file, '--json');
    const report = JSON.parse(whole.stdout);
    const buggy = report.cells.find(({ variant }: { variant: string }) => variant === 'buggy');
    expect(whole.code).toBe(buggy.found > 0 ? 0 : 1);
    expect(report).toMatchObject({ done: 2, complete: true });
    // It says the same however it came about.
    expect((await inProcess('campaign', 'status', journal, '--json')).stdout).toBe(whole.stdout);
  });

  it('report: exits with 1 if a wrong variant showed nothing in any run', async () => {
    const { journal } = campaign(['buggy']);
    const plan = await planOf([
      { kind: 'stress', scenarios: [tiny], variants: ['buggy'], seeds: [{ from: 1, to: 2 }] },
    ]);
    const lines = [0, 1].map((unit) => encodeLine(lineOf(plan, unit)));
    writeFileSync(journal, [encodeHeader(headerOf(plan)), ...lines, ''].join('\n'));
    const { code, stdout } = await inProcess('campaign', 'report', journal);
    expect(code).toBe(1);
    expect(stdout).toContain('stale-translation must show, and nothing did');
  });

  it('merge and report: shares on their own come to the whole, for CI systems as well', async () => {
    const { file, journal } = campaign(['fixed', 'buggy', 'stuck'], 6);
    const parts = ['1/2', '2/2'].map((share, i) => ({
      share,
      path: join(folder, `part-${count}-${i}.ndjson`),
    }));
    for (const { share, path } of parts) await run(file, '--shard', share, '--journal', path);
    await run(file, '--workers', '1');
    const output = join(folder, 'merged.ndjson');
    const merged = await inProcess('campaign', 'merge', ...parts.map(({ path }) => path), '-o', output);
    expect(merged).toEqual({ code: 0, stderr: '', stdout: `${output}: 18 of 18 parts from 2 journals\n` });
    expect(linesIn(output).sort()).toEqual(linesIn(journal).sort());
    const to = (name: string) => join(folder, name);
    const options = ['--junit', to('j.xml'), '--json', to('r.json'), '--markdown', to('r.md')];
    const { code } = await inProcess('campaign', 'report', output, ...options);
    expect(code).toBe(0);
    expect(readFileSync(to('j.xml'), 'utf8')).toContain('tests="3" failures="0" errors="0" skipped="0"');
    expect(JSON.parse(readFileSync(to('r.json'), 'utf8')).asExpected).toBe(true);
    expect(readFileSync(to('r.md'), 'utf8')).toMatch(/^# tiny\n/);
    const refused = await inProcess('campaign', 'merge', journal, '-o', output);
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    const before = readFileSync(output, 'utf8');
    const over = await inProcess('campaign', 'report', output, '--json', output);
    expect(over).toMatchObject({ code: 2, stderr: expect.stringMatching(/is the file that is read/) });
    expect(readFileSync(output, 'utf8')).toBe(before);
  });

  it.skipIf(process.platform === 'win32').each(['0', '1'])(
    'run: Ctrl-C keeps what is done, and the same command goes on; %s threads',
    async (workers) => {
      const { file, journal } = campaign(['fixed'], 100_000);
      const { child, finished } = started(['campaign', 'run', file, '--workers', workers]);
      const lines = () => {
        try {
          return linesIn(journal).length;
        } catch {
          return 0;
        }
      };
      while (lines() === 0 && child.exitCode === null) await sleep(20);
      child.kill('SIGINT');
      const { code, stdout, stderr } = await finished;
      expect(code).toBe(130);
      expect(stderr).toBe(
        `flushlab: interrupted: ${journal} keeps what is done, and the same command goes on\n`,
      );
      expect(stdout).toContain(
        `tiny: ${lines().toLocaleString('en')} of 100,000 parts done, 0 runs with a finding`,
      );
    },
  );

  it('--schema: describes the file', async () => {
    const { code, stdout } = await inProcess('campaign', '--schema');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ type: 'object', required: ['name', 'entries'] });
  });

  const { file } = campaign(['fixed']);
  it.each<[string, string[], RegExp]>([
    ['no command', [], /^flushlab: campaign: use campaign run/],
    ['no file', ['run', join(folder, 'nowhere.json')], /nowhere\.json: cannot be read \(ENOENT\)/],
    ['no share', ['run', file, '--shard', '3/2'], /--shard 3\/2: use i\/n/],
    [
      'a share of a queue',
      ['run', file, '--shard', '1/2', '--queue', 'redis://x'],
      /--shard: a queue shares/,
    ],
    [
      'a scenario that workers lack',
      ['run', file, '--queue', 'redis://x'],
      /tiny-race\.ts' is no part of flushlab/,
    ],
    ['no queue to work for', ['work'], /work: add --queue redis:/],
    ['no address', ['work', '--queue', 'nonsense'], /--queue nonsense: is no address of a Redis server/],
    [
      'no server',
      ['work', '--queue', 'redis://127.0.0.1:1'],
      /--queue redis:\/\/127\.0\.0\.1:1: no Redis server can be used there/,
    ],
    ['no journal', ['status', file], /is no journal of a campaign/],
    [
      'nowhere to write',
      ['report', file, '--junit', join(folder, 'nowhere', 'x')],
      /--junit .*cannot be written \(ENOENT\)/,
    ],
  ])('%s: one line, exit 2, nothing written', async (_, args, message) => {
    const { code, stdout, stderr } = await inProcess('campaign', ...args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd()).not.toContain('\n');
  });
});
