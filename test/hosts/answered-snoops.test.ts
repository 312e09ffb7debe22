import { afterAll, describe, expect, it } from 'vitest';
import { ThreadsHost } from '../../src/hosts/threads.ts';
import { type ThreadMutation, threadMutations } from '../../src/machine/mutations.ts';
import type { Platform } from '../../src/machine/platform.ts';
import { contendedJob } from '../support/contended.ts';
import { tiny } from '../support/machine.ts';

type Protocol = Platform['coherence'];

/** Caches large enough that a CPU hits between two misses, small enough that lines leave. */
function organised(protocol: Protocol, shape: 'l1' | 'l2' | 'shared' | 'through'): Platform {
  return tiny((p) => {
    p.lineBytes = 64;
    p.coherence = protocol;
    p.l1d = { ...p.l1d, sizeBytes: 2048, ways: 4, ...(shape === 'through' && { write: 'write-through' }) };
    p.l1i = { ...p.l1i, sizeBytes: 512, ways: 2 };
    if (shape === 'l2') p.l2 = { sizeBytes: 4096, ways: 4 };
    if (shape === 'shared') p.shared = { sizeBytes: 4096, ways: 4 };
    p.maxCpus = 4;
  });
}

const organisations: readonly [name: string, platform: Platform][] = [
  ['MSI', organised('msi', 'l1')],
  ['MESI', organised('mesi', 'l1')],
  ['MOESI', organised('moesi', 'l1')],
  ['MESI with private L2s', organised('mesi', 'l2')],
  ['MOESI with private L2s', organised('moesi', 'l2')],
  ['MESI with a shared L2', organised('mesi', 'shared')],
  ['MESI, written through', organised('mesi', 'through')],
];

const host = new ThreadsHost();
afterAll(() => host.close());

describe('CPUs in bulk runs that take lines away from each other, without a checker', () => {
  it.each(organisations)('lose nothing: %s', async (_, platform) => {
    for (const cpus of [2, 4]) {
      const { outcome, error } = await host.run(contendedJob(platform, cpus, 200));
      expect([cpus, outcome, error?.split('\n')[0]]).toEqual([cpus, 'finished', undefined]);
    }
  });
});

describe('a bug in how a snoop is answered', () => {
  const RUNS = 3;

  it.each(Object.keys(threadMutations) as ThreadMutation[])('is caught: %s', async (mutation) => {
    let error: string | undefined;
    for (let run = 0; run < RUNS && error === undefined; run++) {
      const result = await host.run(contendedJob(organised('mesi', 'l1'), 2, 5000, { mutation }));
      error = result.error;
    }
    expect(error).toMatch(/^Error: (line \d+|atomics done|last store)/);
  });
});
