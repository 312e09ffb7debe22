import { afterAll, describe, expect, it } from 'vitest';
import { ThreadsHost } from '../../src/hosts/threads.ts';
import { platforms } from '../../src/platforms/index.ts';
import { collectGarbage, jobOf } from '../support/programs.ts';

const { neoverse } = platforms;
const x86 = platforms['x86-64'];

/** Worker threads of this process. */
const workers = () => process.getActiveResourcesInfo().filter((name) => name === 'MessagePort').length;

/** Platform of little memory: a machine of 64 CPUs is built for each run. */
const small = {
  ...neoverse,
  memoryBytes: 1 << 20,
  l2: { sizeBytes: 1 << 17, ways: 8, replacement: 'lru' as const },
  outer: undefined,
};
const { outer: _, ...smallPlatform } = small;

describe('a run', () => {
  const host = new ThreadsHost();
  afterAll(() => host.close());

  it('really shares memory: without a lock increments get lost some time', async () => {
    let lost = 0;
    for (let seed = 1; seed <= 20 && lost === 0; seed++) {
      const { outcome, error } = await host.run(jobOf('unlocked', x86, 4, { seed }));
      if (outcome === 'finished') continue;
      expect(error).toMatch(/the counter: got \d+, expected 80/);
      lost++;
    }
    expect(lost).toBe(1);
  });

  it('keeps its threads for the next one, whatever the number of CPUs', async () => {
    await host.run(jobOf('counter', x86, 4));
    const before = workers();
    for (const cpus of [1, 3, 4, 2]) {
      expect((await host.run(jobOf('counter', x86, cpus))).outcome).toBe('finished');
    }
    expect(workers()).toBeLessThanOrEqual(before);
  });

  it('is refused while another one is under way', async () => {
    const first = host.run(jobOf('counter', x86, 2));
    await expect(host.run(jobOf('counter', x86, 2))).rejects.toThrow('running a job already');
    expect((await first).outcome).toBe('finished');
  });

  it('can be serialized', async () => {
    const result = await host.run(jobOf('locked', x86, 4, { serialized: true }));
    expect([result.outcome, result.error]).toEqual(['finished', undefined]);
  });

  it('of one CPU needs no other thread', async () => {
    expect((await host.run(jobOf('mapping', x86, 1))).outcome).toBe('finished');
  });
});

describe('what goes wrong in a run', () => {
  const host = new ThreadsHost();
  afterAll(() => host.close());
  const works = async () => expect((await host.run(jobOf('counter', x86, 2))).outcome).toBe('finished');

  it('a deadlock of two CPUs names them', async () => {
    const { outcome, findings, unfinished } = await host.run(jobOf('cycle', x86, 3));
    expect(outcome).toBe('deadlock');
    expect(findings[0]).toMatchObject({ kind: 'deadlock', detail: 2 });
    // The third one may not have had its first step yet.
    const waiting = unfinished.filter(({ waitingFor }) => waitingFor !== '');
    expect(waiting.map(({ cpu, waitingFor }) => [cpu, waitingFor])).toEqual([
      [0, 'CPU 1'],
      [1, 'CPU 0'],
    ]);
    await works();
  });

  it('a wait for nobody is a deadlock of all', async () => {
    const { outcome, unfinished } = await host.run(jobOf('nobody', x86, 3));
    expect([outcome, unfinished.length]).toEqual(['deadlock', 3]);
    await works();
  });

  it('too many steps', async () => {
    const { outcome, steps } = await host.run(jobOf('forever', x86, 2, { maxSteps: 10_000 }));
    expect(outcome).toBe('step-limit');
    expect(steps).toBeGreaterThanOrEqual(5_000);
    await works();
  });

  it('too much time', async () => {
    const job = jobOf('forever', x86, 3, { maxSteps: Number.MAX_SAFE_INTEGER, maxSeconds: 0.3 });
    expect((await host.run(job)).outcome).toBe('time-limit');
    await works();
  });

  it('a program that throws is an error of the run, and stops the others', async () => {
    const { outcome, error } = await host.run(jobOf('throws', x86, 3));
    expect(outcome).toBe('error');
    expect(error).toMatch(/^Error: a mistake of the program/);
    await works();
  });

  it('a thread that dies is one too', async () => {
    const { outcome, error } = await host.run(jobOf('exits', x86, 3));
    expect(outcome).toBe('error');
    expect(error).toContain('exit code 3');
    await works();
  });

  it('a program that is not there', async () => {
    await expect(host.run(jobOf('no such program', x86, 2))).rejects.toThrow("no program 'no such program'");
    await works();
  });

  it('a program that never comes back is ended with its thread', { timeout: 30_000 }, async () => {
    const { outcome, unfinished } = await host.run(jobOf('stuck', x86, 2, { maxSeconds: 0.2 }));
    expect(outcome).toBe('time-limit');
    expect(unfinished.map(({ cpu }) => cpu)).toContain(1);
    await works();
  });

  it('broadcasts that wait for each other’s stores go on', { timeout: 40_000 }, async () => {
    const { broadcast } = neoverse;
    const platform = { ...neoverse, broadcast: broadcast && { ...broadcast, queueEntries: 1 } };
    for (let seed = 1; seed <= 5; seed++) {
      const { outcome, error, cpus } = await host.run(jobOf('storm', platform, 4, { seed, maxSeconds: 20 }));
      expect([outcome, error]).toEqual(['finished', undefined]);
      expect(cpus.every(({ counters }) => counters.broadcastsReceived === 240)).toBe(true);
    }
  });
});

describe('what a host leaves behind', () => {
  it('is nothing when it is closed, in the middle of a run too', async () => {
    const before = workers();
    const host = new ThreadsHost();
    await host.run(jobOf('counter', x86, 3));
    expect(workers()).toBeGreaterThanOrEqual(before);
    const running = host.run(jobOf('forever', x86, 3, { maxSteps: Number.MAX_SAFE_INTEGER }));
    await new Promise((resolve) => setTimeout(resolve, 300));
    await host.close();
    expect((await running).outcome).toBe('error');
    await new Promise((resolve) => setImmediate(resolve));
    expect(workers()).toBe(before);
  });

  it('is neither handles nor memory after a hundred runs', { timeout: 60_000 }, async () => {
    const host = new ThreadsHost();
    const round = async (n: number) => {
      for (let seed = 1; seed <= n; seed++) await host.run(jobOf('nothing', smallPlatform, 2, { seed }));
      // A buffer goes when the last thread that knew it has collected, and frees it one collection later.
      for (let i = 0; i < 3; i++) {
        await host.run(jobOf('collect', smallPlatform, 2));
        collectGarbage();
      }
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      return { handles: process.getActiveResourcesInfo().length, heapUsed, arrayBuffers };
    };
    const warm = await round(20);
    const after = await round(100);
    await host.close();
    expect(after.handles).toBeLessThanOrEqual(warm.handles);
    // None of the hundred machines is held, give or take what a thread has just let go of.
    expect(after.arrayBuffers - warm.arrayBuffers).toBeLessThan(5 * 16e6);
    expect(after.heapUsed - warm.heapUsed).toBeLessThan(20e6);
  });
});
