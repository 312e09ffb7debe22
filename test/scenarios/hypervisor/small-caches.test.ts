import { describe, expect, it } from 'vitest';
import { parsePlatform } from '../../../src/machine/platform-checks.ts';
import { dataAliases } from '../../../src/machine/traits.ts';
import { platforms } from '../../../src/platforms/index.ts';
import { smallCaches, smallerCaches, tinyCaches } from '../../../src/scenarios/hypervisor/small-caches.ts';

describe.each([
  ['smallCaches', smallCaches],
  ['smallerCaches', smallerCaches],
  ['tinyCaches', tinyCaches],
])('%s', (_, make) => {
  it.each(Object.values(platforms))(
    'makes a machine that can be built of $name, and the same again of that',
    (one) => {
      const small = make(one);
      expect(parsePlatform(JSON.parse(JSON.stringify(small)), 'small')).toEqual({ platform: small });
      expect(make(small)).toEqual(small);
      expect(small.l1d.sizeBytes).toBeLessThanOrEqual(one.l1d.sizeBytes);
      expect(dataAliases(small)).toBe(dataAliases(one));
      for (const level of ['l2', 'shared', 'outer'] as const) {
        expect(small[level] === undefined).toBe(one[level] === undefined);
        expect(small[level]?.sizeBytes ?? 0).toBeLessThanOrEqual(one[level]?.sizeBytes ?? 0);
      }
    },
  );
});
