import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { inProcess } from './in-process.ts';
import { type Finished, started } from './run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'flushlab-checkpoint-cli-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs of a shard. */
const SHARD = 256;

const exploration = (runs: number) => [
  ...['explore', 'reclaim-batch', '--variant', 'buggy', '--seed', '3'],
  ...['--runs', String(runs), '--workers', '1', '--no-shrink'],
];

/** Shards that a checkpoint holds whole. */
function shardsIn(path: string): number {
  if (!existsSync(path)) return 0;
  return readFileSync(path, 'utf8').split('\n').length - 2;
}

// Several explorations each, and processes that start while other tests run.
describe.skipIf(process.platform === 'win32')('--checkpoint', { timeout: 180_000 }, () => {
  let running: ReturnType<typeof started> | undefined;
  afterEach(() => running?.child.kill('SIGKILL'));

  /** Starts an exploration, waits until its checkpoint holds `shards`, and sends the signal. */
  async function cutOff(args: readonly string[], path: string, shards: number, signal: NodeJS.Signals) {
    running = started([...args, '--checkpoint', path]);
    const { child, finished } = running;
    while (shardsIn(path) < shards && child.exitCode === null) await sleep(20);
    child.kill(signal);
    return finished;
  }

  it('goes on after a kill, to the same report', async () => {
    const path = join(folder, 'killed');
    const args = [...exploration(5 * SHARD), '--json'];
    const killed = await cutOff(args, path, 2, 'SIGKILL');
    expect(killed).toMatchObject({ code: null, stdout: '' });
    const before = shardsIn(path);
    expect(before).toBeGreaterThanOrEqual(2);
    const resumed = await inProcess(...args, '--checkpoint', path);
    expect({ code: resumed.code, stderr: resumed.stderr }).toEqual({ code: 1, stderr: '' });
    expect(shardsIn(path)).toBe(5);
    const whole = await inProcess(...args);
    expect(resumed.stdout).toBe(whole.stdout);
    // There is nothing left to do: the same once more.
    expect((await inProcess(...args, '--checkpoint', path)).stdout).toBe(whole.stdout);
  });

  it('Ctrl-C says what is known, exits with 130 and leaves a checkpoint to go on from', async () => {
    const path = join(folder, 'interrupted');
    // More than anybody waits for.
    const args = exploration(1_000_000);
    for (const shards of [1, 2]) {
      const { code, stdout, stderr }: Finished = await cutOff(args, path, shards, 'SIGINT');
      expect({ code, stderr }).toEqual({ code: 130, stderr: '' });
      const known = shardsIn(path);
      expect(known).toBeGreaterThanOrEqual(shards);
      const runs = (known * SHARD).toLocaleString('en');
      expect(stdout).toMatch(new RegExp(`^ {2}explored ${runs} schedules; `, 'm'));
      expect(stdout).toMatch(/^ {2}reach +stopped before the end; a sample/m);
      expect(stdout).toMatch(/^ {2}found +finding stale-translation in \d+/m);
      expect(stdout).toMatch(/^ {2}replay {3}flushlab replay f1[\w-]+$/m);
      const [head, ...shardLines] = readFileSync(path, 'utf8').trimEnd().split('\n');
      expect(JSON.parse(head)).toHaveProperty('exploration');
      expect(shardLines.map((line) => JSON.parse(line).shard)).toEqual(shardLines.map((_, i) => i));
    }
  });

  it('Ctrl-C ends a search for all schedules in the middle of what it is at', async () => {
    // The first part of it takes minutes.
    running = started([
      'verify',
      'reclaim-batch',
      '--variant',
      'fixed',
      '--workers',
      '1',
      '--runs',
      '1000000',
    ]);
    const { child, finished } = running;
    await once(child.stdout, 'data');
    child.kill('SIGINT');
    const { code, stdout } = await finished;
    expect(code).toBe(130);
    expect(stdout).toMatch(/^ {2}reach +stopped before the end; not complete$/m);
    expect(stdout).not.toMatch(/verified/);
  });
});
