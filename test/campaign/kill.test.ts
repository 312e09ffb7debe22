import { expect, it } from 'vitest';

// What scripts/campaign-kill.mjs does at full size. It throws if a line is lost, twice, or not that of an undisturbed run.
const { killOnPool } = await import(new URL('../../scripts/campaign-kill.mjs', import.meta.url).href);

it.skipIf(process.platform === 'win32')(
  'killed at random moments, a campaign is done in the end as if nothing had been',
  async () => {
    const { killed, at } = await killOnPool({ runs: 160, kills: 2, seed: 3, workers: 1 });
    // A quick machine may be done before the last one.
    expect(killed).toBeGreaterThan(0);
    expect(at).toHaveLength(2);
  },
  300_000,
);
