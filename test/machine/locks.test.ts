import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { acquireLock, releaseLock } from '../../src/machine/locks.ts';

const worker = new URL('../support/lock-worker.ts', import.meta.url);
const execArgv = ['--import', new URL('../../scripts/register-ts.mjs', import.meta.url).href];

async function add(words: Int32Array, times: number, lock: number, counter: number): Promise<void> {
  const thread = new Worker(worker, { execArgv, workerData: { words, times, lock, counter } });
  await once(thread, 'message');
  await thread.terminate();
}

describe('locks', () => {
  it('let one thread in at a time', async () => {
    const words = new Int32Array(new SharedArrayBuffer(256));
    const times = 200_000;
    await Promise.all([add(words, times, 0, 32), add(words, times, 0, 32)]);
    expect(words[32]).toBe(2 * times);
    // Free, and nobody is believed to sleep on it.
    expect(words[0]).toBe(0);
  });

  it('wake a thread that has gone to sleep', async () => {
    const words = new Int32Array(new SharedArrayBuffer(256));
    words[2] = 1;
    acquireLock(words, 0);
    const waiting = add(words, 1, 0, 32);
    // 2 is "held, and somebody sleeps": the thread has given up spinning.
    while (Atomics.load(words, 0) !== 2) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(words[32]).toBe(0);
    releaseLock(words, 0);
    await waiting;
    expect(words[32]).toBe(1);
  });

  it('guard words of their own', () => {
    const words = new Int32Array(4);
    acquireLock(words, 1);
    acquireLock(words, 3);
    expect([...words]).toEqual([0, 1, 0, 1]);
    releaseLock(words, 1);
    expect([...words]).toEqual([0, 0, 0, 1]);
  });
});
