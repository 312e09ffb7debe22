/**
 * What follows from a platform's description where the host clears a page for its guest, and where it neglects its
 * shadow tables: more arguments of `shadow-pt-read`.
 */
import type { Platform } from '../../machine/platform.ts';
import { dataAliases, isUntagged } from '../../machine/traits.ts';
import { clean, found, storesAllocate, writesBack } from '../flush/alias-facts.ts';
import { dataCacheFact, fact } from '../flush/facts.ts';
import { withoutClean } from '../flush/walker-not-coherent.ts';
import type { Expectation } from '../scenario.ts';
import { meetingInHost, trapping, type Where } from './shadow-pt-facts.ts';

/** The host clears a page through its linear mapping. */
export function cleared(
  where: Where,
  { before, after }: { readonly before: boolean; readonly after: boolean },
): Expectation {
  const { platform } = where;
  const cache = dataCacheFact(platform);
  const how = meetingInHost(where);
  const allocates = storesAllocate(platform);
  if (how === 'traps') return clean(trapping(platform));
  if (how === 'one') return clean(`zeros and old lines share their place: ${cache}`);
  if (how === 'evict' && allocates) {
    return clean(`a store brings its line in, and so evicts the other one of the set: ${cache}`);
  }
  if (!before) {
    return writesBack(platform)
      ? found(
          ['lost-write', 'stale-data'],
          `dirty lines of the page’s other addresses are written back over the zeros when they are evicted: ${cache}`,
        )
      : found(['stale-data'], `the guest goes on hitting the lines that it had of the page before: ${cache}`);
  }
  if (after) return clean(`no line is left on either side when the guest has the page again: ${cache}`);
  if (!allocates) {
    return clean(
      `the zeros miss, since no line of the linear mapping was there, and a store that misses goes to memory: ${fact(platform, 'l1d.allocate')}`,
    );
  }
  if (isUntagged(platform.l1d)) return clean(`the world switch writes the zeros back: ${cache}`);
  return found(
    ['stale-data'],
    `the zeros are dirty in lines of the linear mapping, and the guest’s address finds memory: ${cache}`,
  );
}

/** The host clears a page through a mapping that has the guest's colour. */
export function clearedByColour({ platform }: Where): Expectation {
  if (dataAliases(platform) && platform.l1d.organisation === 'vivt') {
    // A colour is no tag: the zeros have lines of their own, or none.
    return cleared({ platform, colour: 'same' }, { before: false, after: false });
  }
  return clean(
    `the zeros replace what is in the lines of the guest and of the emulator, whose colour the mapping has: ${dataCacheFact(platform)}`,
  );
}

/** Shadow entries are not cleaned. */
export function dirtyShadow(platform: Platform): Expectation {
  if (isUntagged(platform.l1d)) {
    return clean(
      `the world switch to the guest writes the whole cache back, the entry included: ${dataCacheFact(platform)}`,
    );
  }
  return withoutClean(platform);
}

/** Shadow entries change and no TLB is told. */
export function keptTlb(platform: Platform): Expectation {
  const { name, mmu, sources } = platform;
  const source = sources['mmu.tlb.asidBits'];
  const tags = `TLB entries of ${name} carry ${mmu.tlb.asidBits} bits of ASID${source === undefined ? '' : ` (${source})`}`;
  if (mmu.tlb.asidBits === 0) return clean(`each world switch empties the TLB: ${tags}`);
  if (mmu.walkCache?.asidTagged === false) {
    return clean(`a switch invalidates what carries the ASID: ${fact(platform, 'mmu.walkCache.asidTagged')}`);
  }
  return found(
    ['stale-translation'],
    `the old shadow entry stays in the TLB under the guest’s ASID, across the world switches: ${tags}`,
  );
}
