import { afterAll, describe, expect, it } from 'vitest';
import { ThreadsHost } from '../../src/hosts/threads.ts';
import {
  type Mode,
  NOTE,
  organisationNamed,
  randomCoherencyJob,
} from '../../src/scenarios/random-coherency/index.ts';

const host = new ThreadsHost();
afterAll(() => host.close());

const limits = { maxSteps: Number.MAX_SAFE_INTEGER, maxSeconds: 60 };
const job = (name: string, mode: Mode, accesses: number, seed: number) => ({
  ...randomCoherencyJob(organisationNamed(name), mode, accesses, seed),
  ...limits,
});

describe('CPUs in threads of their own', () => {
  it.each([
    'msi-pipt',
    'mesi-vipt',
    'mesi-vipt-alias',
    'mesi-vivt',
    'moesi-vivt-asid',
    'msi-write-through',
    'moesi-no-allocate',
    'moesi-vipt-alias-l2',
    'mesi-l2-write-through',
    'moesi-l2',
    'moesi-shared-system-cache',
    'mesi-shared-outer',
  ])('%s: no finding, truly in parallel', async (name) => {
    const result = await host.run(job(name, 'coherent', 30_000, 5));
    expect(result.findings).toEqual([]);
    expect(result.error).toBeUndefined();
    expect(result.outcome).toBe('finished');
  });

  it.each([
    'msi-l2',
    'mesi-vipt-alias',
    'moesi-vipt-alias-l2',
    'moesi-shared-outer',
    'none-vipt',
    'none-vivt-asid',
    'none-write-through',
    'none-shared-system-cache',
  ])('%s: the findings that the model predicts, one step at a time', async (name) => {
    const result = await host.run(job(name, 'software', 10_000, 5));
    expect(result.error).toBeUndefined();
    expect(result.outcome).toBe('finding');
    expect(result.cpus[0].notes[NOTE.PREDICTED]).toBe(result.findingCount);
  });

  it('catches a deliberate bug as well', async () => {
    const result = await host.run({
      ...job('mesi-pipt', 'coherent', 1_000_000, 5),
      mutation: 'lost-invalidate',
    });
    expect(result.outcome).toBe('finding');
  });
});
