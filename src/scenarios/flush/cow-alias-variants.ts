/** The variants of cow-alias and what each must show, by argument from the platform's description. */
import type { Platform } from '../../machine/platform.ts';
import { flushNeedsMapping, tagsRepeat } from '../../machine/traits.ts';
import type { Expectation } from '../scenario.ts';
import { clean, flushed, found, withoutAliases, writesBack } from './alias-facts.ts';
import type { FlushVariant } from './define-flush.ts';
import { dataCacheFact, fact } from './facts.ts';

/** CPUs that the race of `free-before-flush` needs. */
const RACING = 3;

export const cowAliasVariants: readonly FlushVariant[] = [
  {
    name: 'right',
    title: 'with all flushes, the old page let go after the TLB flush',
    expectOn: (platform) => flushed(platform, 'every flush is made that the document asks for'),
  },
  {
    name: 'no-fork-flush',
    title: 'fork leaves the parent’s dirty lines in the cache',
    omit: ['fork.cache'],
    expectOn: (platform) => withoutAliases(platform) ?? withoutForkFlush(platform),
  },
  {
    name: 'no-flush-to-ram',
    title: 'what the kernel copied is not flushed to memory',
    omit: ['cow.old-to-ram', 'cow.new-to-ram'],
    expectOn: (platform) => withoutAliases(platform) ?? withoutFlushToRam(platform),
  },
  {
    name: 'no-cache-flush',
    title: 'lines of the old page stay under the address that has the new one now',
    omit: ['cow.cache'],
    expectOn: withoutCacheFlush,
  },
  {
    name: 'no-tlb-flush',
    title: 'the translation to the old page stays',
    omit: ['cow.tlb'],
    expectOn: (platform) =>
      found(
        ['flush-order', 'stale-translation'],
        `the TLB of every machine keeps what it has been filled with until it is told: ${fact(platform, 'mmu.tlb.data.entries')}`,
      ),
  },
  {
    name: 'no-fork-tlb-flush',
    title: 'the parent goes on storing through its writable translation',
    omit: ['fork.tlb'],
    expectOn: (platform) =>
      found(
        ['flush-order', 'stale-translation'],
        `the translation that the parent stored through before fork is still there: ${fact(platform, 'mmu.tlb.data.entries')}`,
      ),
  },
  {
    name: 'free-before-flush',
    title: 'the order of the document: the old page is let go before the TLB flush',
    expectOn: (platform) =>
      platform.maxCpus < RACING
        ? clean(
            `nothing runs between letting go of the page and the flush, for there is nobody else: ${fact(platform, 'maxCpus')}`,
          )
        : found(
            ['freed-frame'],
            `another CPU drops the last reference while a third still has the old translation: ${fact(platform, 'maxCpus')}`,
          ),
  },
];

/** Task 1’s lines are dirty when the kernel copies its second page for it. */
function withoutForkFlush(platform: Platform): Expectation {
  if (!writesBack(platform)) {
    return clean(`memory is never older than a line: ${dataCacheFact(platform)}`);
  }
  return found(
    ['stale-data'],
    `the parent’s stores are in lines that the kernel’s own address does not find, and the kernel copies what memory has: ${dataCacheFact(platform)}`,
  );
}

/** The new frame has lines of the kernel’s mapping already, so the copy goes into them. */
function withoutFlushToRam(platform: Platform): Expectation {
  if (!writesBack(platform)) {
    return clean(`what the kernel copies is in memory at once: ${dataCacheFact(platform)}`);
  }
  return found(
    ['stale-data'],
    `the copy is dirty in lines of the kernel’s mapping, and the user’s address finds memory instead: ${dataCacheFact(platform)}`,
  );
}

function withoutCacheFlush(platform: Platform): Expectation {
  const aliasFree = withoutAliases(platform);
  if (aliasFree) return aliasFree;
  if (flushNeedsMapping(platform)) {
    return found(
      ['flush-order'],
      `once the entry has changed no flush finds the old page’s lines under that address any more: ${fact(platform, 'maintenance.unmapped')}`,
    );
  }
  if (platform.l1d.organisation !== 'vivt') {
    return clean(
      `the new translation does not find the old page’s lines, whose tags are physical: ${dataCacheFact(platform)}`,
    );
  }
  if (!writesBack(platform)) {
    return clean(
      `task 2 still hits lines of the old page, but they have what was copied, and its stores update them and the new page alike: ${dataCacheFact(platform)}`,
    );
  }
  return found(
    ['stale-data', 'lost-write'],
    `task 2 hits and stores into lines of the old page, which are written back there${tagsRepeat(platform) ? ' when it is switched away from' : ''}: ${dataCacheFact(platform)}`,
  );
}
