/**
 * What follows from a platform's description for a guest, its emulator and the host's kernel that reach one page by
 * three addresses: the arguments of `shadow-pt-read`.
 */
import { colours, type Platform } from '../../machine/platform.ts';
import { dataAliases, isUntagged } from '../../machine/traits.ts';
import { clean, found, writesBack } from '../flush/alias-facts.ts';
import { dataCacheFact, fact } from '../flush/facts.ts';
import type { Expectation } from '../scenario.ts';

/** Colours of the guest's address and of the host's. */
export type Colour = 'same' | 'other';

/** What an argument starts from. */
export interface Where {
  readonly platform: Platform;
  readonly colour: Colour;
}

/**
 * How the copies of a word meet that two addresses of different contexts have in the L1D: they are one line; two
 * lines that know nothing of each other; two lines of which the set has room for one; two, but the second access
 * raises an exception; or the first has been flushed when the second access comes.
 */
type Meeting = 'one' | 'two' | 'evict' | 'traps' | 'flushed';

/** Between two addresses of the host, that is without a switch of context. */
export function meetingInHost({ platform, colour }: Where): Meeting {
  const { l1d, l2 } = platform;
  if (!dataAliases(platform)) return 'one';
  if (l1d.organisation === 'vipt' && colour === 'same') return 'one';
  if (l2?.primaryIndex === true) return 'traps';
  return colour === 'same' && l1d.ways === 1 ? 'evict' : 'two';
}

/** Between the guest's address and one of the host's: there is a world switch between them. */
function meeting(where: Where): Meeting {
  return isUntagged(where.platform.l1d) ? 'flushed' : meetingInHost(where);
}

/** Why the copies of the guest and of the host cannot differ, where they cannot. */
function together(where: Where): string | undefined {
  const { platform } = where;
  const cache = dataCacheFact(platform);
  switch (meeting(where)) {
    case 'one':
      return dataAliases(platform)
        ? `addresses of one colour share their line: ${cache}`
        : `a word is in one place, whatever address it is reached by: ${cache}`;
    case 'evict':
      return `addresses of one colour have one set, which has room for one of them, so reading by one writes the other back: ${cache}`;
    case 'traps':
      return trapping(platform);
    case 'flushed':
      return `lines have no tag that tells the guest’s from the emulator’s, so each world switch writes them back and drops them: ${cache}`;
    case 'two':
      return undefined;
  }
}

/** Why aliases are coherent where an access through another index traps. */
export const trapping = (platform: Platform): string =>
  `the access through the other index traps, and the handler brings the copies together: ${fact(platform, 'l2.primaryIndex')}`;

const apart = ({ platform }: Where): string =>
  `the guest’s line and the host’s are in different sets or have different tags: ${dataCacheFact(platform)}`;

/** The host loads the entry and does nothing before. */
export function unmaintained(where: Where): Expectation {
  const shared = together(where);
  if (shared !== undefined) return clean(shared);
  const why = writesBack(where.platform)
    ? 'what the guest has stored is dirty in a line that the host does not look at'
    : 'the host’s line of its last read does not follow what the guest stores';
  return found(['stale-data'], `${why}; ${apart(where)}`);
}

/** Invalidated through the address that the host reads by. */
export function invalidated(where: Where): Expectation {
  const { platform } = where;
  const how = meeting(where);
  if (!writesBack(platform)) return clean(`no line is newer than memory: ${fact(platform, 'l1d.write')}`);
  if (how === 'one') {
    return found(
      ['lost-write'],
      `the line is the guest’s own, dirty, and is thrown away: ${dataCacheFact(platform)}`,
    );
  }
  if (how === 'traps') {
    return found(
      ['lost-write'],
      `the operation reaches the secondary cache, which is physical, and by it the guest’s dirty line: ${fact(platform, 'l2.primaryIndex')}`,
    );
  }
  const shared = together(where);
  if (shared !== undefined) return clean(shared);
  return found(
    ['stale-data'],
    `only the host’s own line goes, and memory is older than the guest’s: nothing is lost, nothing is seen; ${apart(where)}`,
  );
}

/** Cleaned and invalidated through the address that the host reads by. */
export function flushedByReader(where: Where): Expectation {
  const shared = together(where);
  if (shared !== undefined) return clean(shared);
  if (!writesBack(where.platform)) {
    return clean(
      `memory has what the guest stored, and the host’s older line is gone: ${fact(where.platform, 'l1d.write')}`,
    );
  }
  return found(
    ['stale-data'],
    `the operation looks where the host’s address would be and misses the guest’s dirty line; ${apart(where)}`,
  );
}

/** The guest's line is in memory, whoever cleaned it, and nothing was done to the host's. */
export function guestOnly(where: Where): Expectation {
  const shared = together(where);
  if (shared !== undefined) return clean(shared);
  return found(
    ['stale-data'],
    `memory has what the guest stored, but from the second read on the host hits the line of its last one; ${apart(where)}`,
  );
}

/** The guest's line is cleaned, then the host's goes. */
export function guestThenOwn({ platform }: Where): Expectation {
  return clean(
    `the guest’s line is in memory before the host’s is dropped, wherever the two are: ${dataCacheFact(platform)}`,
  );
}

/** As `guestThenOwn`, but the guest's line is cleaned by set and way, which is for one level. */
export function guestSetThenOwn({ platform }: Where): Expectation {
  const { l2, shared, outer } = platform;
  const below = l2 ? 'l2' : shared ? 'shared' : outer?.maintainedBy === 'address' ? 'outer' : undefined;
  if (below !== undefined) {
    return found(
      ['lost-write'],
      `by set and way the line goes one level down and no further, and the invalidate by address drops it there: ${fact(platform, `${below}.sizeBytes`)}`,
    );
  }
  return clean(
    `all ways of the set that the guest’s address has are cleaned to memory, there being no level between that an operation by address reaches, and then the host’s line is dropped: ${dataCacheFact(platform)}`,
  );
}

/** The guest stores past the caches. @param drops does the host drop its own line before it reads? */
export function uncached({ platform }: Where, drops: boolean): Expectation {
  const cache = dataCacheFact(platform);
  if (isUntagged(platform.l1d)) return clean(`the host’s lines went at the world switch: ${cache}`);
  return drops
    ? clean(`the host’s line is clean, so dropping it, written back or not, leaves memory as it is: ${cache}`)
    : found(
        ['stale-data'],
        `the host hits the line of its last read, and the guest’s store went past it: ${cache}`,
      );
}

/** As `uncached`, but the host has dirty lines of the page when the guest stores. */
export function uncachedOverDirty({ platform }: Where, writes: 'lost' | 'over' | 'before'): Expectation {
  const cache = dataCacheFact(platform);
  if (isUntagged(platform.l1d)) {
    return clean(`the host’s lines were written back at the world switch, before the guest stored: ${cache}`);
  }
  if (!writesBack(platform)) return clean(`no line is ever dirty: ${fact(platform, 'l1d.write')}`);
  if (writes === 'before') {
    return clean(
      `nothing of the page is dirty when the guest stores, and what is read again since is dropped: ${cache}`,
    );
  }
  const why =
    writes === 'over'
      ? 'the host’s line is written back over what the guest has stored'
      : 'the line has what the host stored beside the guest’s word, and that is nowhere else';
  return found(['lost-write'], `${why}: ${cache}`);
}

/** Why a platform has no addresses of another colour, or undefined if it has. */
export function oneColour({ platform, colour }: Where): string | undefined {
  if (colour === 'same' || colours(platform.l1d) > 1) return undefined;
  return `all addresses have one colour: ${dataCacheFact(platform)}`;
}

/** Families of which it is not known what an Arm or MIPS core is told to do here, by the beginning of their names. */
const UNKNOWN: readonly (readonly [names: RegExp, reason: string])[] = [
  [
    /^x86-/,
    'CLFLUSH writes back what it drops, no instruction names a set and way, and accesses of a guest with CR0.CD set still look into the caches, which is not modelled (Intel SDM vol. 2A, CLFLUSH, and vol. 3A, 12.5.3; from memory)',
  ],
  [
    /^(sun4|hypersparc)/,
    'no source was found for an operation that drops a line by address and never writes it back, for one on a set and way, or for what an uncached access does to a line that is cached; Linux arch/sparc/mm has none of them (from memory)',
  ],
];

/** Why a platform has not the operations or the accesses that some variants are about, or undefined if it has. */
export function unknownOperation({ name }: Platform): string | undefined {
  return UNKNOWN.find(([names]) => names.test(name))?.[1];
}

/** Why a line cannot be cleaned by set and way and then dropped by address, or undefined if it can. */
export function noSetWay(platform: Platform): string | undefined {
  if (platform.maintenance.setWay === false) return fact(platform, 'maintenance.setWay');
  return unknownOperation(platform);
}
