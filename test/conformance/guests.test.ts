import { afterAll, describe, expect, it } from 'vitest';
import { platforms } from '../../src/platforms/index.ts';
import { guestJob } from '../support/guest-programs.ts';
import { type Host, lockstepHost, threadsHost } from './suite.ts';

const MOST_CPUS = 4;
const able = Object.values(platforms).filter(({ virtualization }) => virtualization !== undefined);

describe.each([lockstepHost(), threadsHost()])('guests on the $name host', (host: Host) => {
  afterAll(() => host.close());

  it('there are platforms that can run them', () => {
    expect(able.map(({ name }) => name)).toEqual(expect.arrayContaining(['cortex-a15', 'neoverse']));
  });

  it.each(able.map(({ name }) => name))('%s: one VM, a vCPU on each CPU', async (name) => {
    const platform = platforms[name as keyof typeof platforms];
    const cpus = Math.min(MOST_CPUS, platform.maxCpus);
    for (const seed of host.seeds) {
      const { outcome, error, findings } = await host.run(guestJob(platform, cpus, seed));
      expect({ outcome, error, findings }).toEqual({ outcome: 'finished', error: undefined, findings: [] });
    }
  });
});
