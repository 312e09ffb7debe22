import { afterAll, describe, expect, it } from 'vitest';
import { runLockstep } from '../../src/hosts/lockstep.ts';
import { RandomWalk } from '../../src/hosts/schedulers/random.ts';
import { ThreadsHost } from '../../src/hosts/threads.ts';
import type { Platform } from '../../src/machine/platform.ts';
import { platforms } from '../../src/platforms/index.ts';
import { createWorkload, deviceJob } from '../support/device-programs.ts';
import { changed } from '../support/machine.ts';

const withDma = (platform: Platform, iommu: boolean) =>
  changed(platform, (p) => {
    p.dma = { snooped: true, iommu };
  });

const machines: readonly (readonly [string, Platform])[] = [
  ['snooped', withDma(platforms['x86-64'], false)],
  ['snooped, behind an IOMMU', withDma(platforms['x86-64'], true)],
  ['behind an IOMMU of a Neoverse', withDma(platforms.neoverse, true)],
];

describe.each(machines)('processors and devices, %s', (_, platform) => {
  const host = new ThreadsHost();
  afterAll(() => host.close());

  it('share lines on lockstep, whatever the schedule', () => {
    for (let seed = 1; seed <= 4; seed++) {
      const job = deviceJob(platform, 4, 2, { seed, strict: true });
      const { outcome, error, findings } = runLockstep(job, createWorkload({}), new RandomWalk(seed));
      expect([outcome, error, findings]).toEqual(['finished', undefined, []]);
    }
  });

  it('share lines on threads, each in one of its own', async () => {
    for (let seed = 1; seed <= 4; seed++) {
      const result = await host.run(deviceJob(platform, 4, 2, { seed }));
      expect([result.outcome, result.error, result.processors]).toEqual(['finished', undefined, 2]);
      expect(result.cpus[3].counters.loads).toBeGreaterThanOrEqual(400);
    }
  });

  it('share lines on threads that take turns', async () => {
    const result = await host.run(deviceJob(platform, 3, 1, { serialized: true, strict: true }));
    expect([result.outcome, result.error]).toEqual(['finished', undefined]);
  });
});
