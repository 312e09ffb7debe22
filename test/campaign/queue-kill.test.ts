import { expect, it } from 'vitest';
import { lacksRedis } from '../support/redis.ts';

// What scripts/campaign-kill.mjs --queue does at full size: it throws if a line is lost, twice, or not as it should be.
const { killOnQueue } = await import(new URL('../../scripts/campaign-kill.mjs', import.meta.url).href);

it.skipIf(lacksRedis)(
  'a worker, the server and the runner killed, a campaign is done in the end as if nothing had been',
  async () => {
    const { killed } = await killOnQueue({ runs: 150, kills: 3, seed: 5, workers: 1, jobRuns: 25 });
    expect(killed).toMatchObject({ worker: 1, server: 1 });
  },
  300_000,
);
