import { afterAll, describe, expect, it } from 'vitest';
import { mutationRow } from '../../../src/lab/flush-mutations.ts';
import { LockstepPool } from '../../../src/lab/lockstep-pool.ts';
import { platforms } from '../../../src/platforms/index.ts';
import { flushScenarios } from '../../../src/scenarios/index.ts';
import tinyFlush from '../../support/tiny-flush.ts';

const pool = new LockstepPool(0);
afterAll(() => pool.close());
const all = Object.values(platforms);
const options = { platforms: all, runs: 3, seed: 1, pool, firstOnly: true };

describe.each(flushScenarios)('$name', (scenario) => {
  // The script scripts/flush-mutations.mjs says on which platforms; one is enough here.
  it.each(Object.keys(scenario.sites))(
    'needs its call at %s somewhere, or says why not',
    async (site) => {
      expect((await mutationRow(scenario, site, options)).flaw).toBeUndefined();
    },
    60_000,
  );
});

describe('the mutation run', () => {
  const unlisted = { ...tinyFlush, neverMatters: {} };

  it('says on which platforms a call is missed', async () => {
    const { seen, flaw } = await mutationRow(tinyFlush, 'after', { ...options, firstOnly: false });
    expect(flaw).toBeUndefined();
    expect(new Set(seen.values())).toEqual(new Set(['clean']));
    expect(seen.size).toBe(all.length);
  });

  it('fails for a call that nobody misses and nobody lists', async () => {
    expect((await mutationRow(unlisted, 'after', options)).flaw).toMatch(
      /^tiny-flush: nobody misses the call at 'after'/,
    );
  });

  it('fails for a call that is listed and missed', async () => {
    const alone = { ...tinyFlush, neverMatters: { cache: 'made up' } };
    expect((await mutationRow(alone, 'cache', options)).flaw).toMatch(
      /neverMatters says of 'cache' that no platform needs it \(made up\), but one does$/,
    );
  });
});
