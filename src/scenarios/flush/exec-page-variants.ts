/** The variants of exec-page and what each must show, by argument from the platform's description. */
import type { CodeOmissions } from '../../kernel/flush/code-interfaces.ts';
import type { Platform } from '../../machine/platform.ts';
import { dataAliases, fetchNeedsMaintenance } from '../../machine/traits.ts';
import type { Expectation } from '../scenario.ts';
import { clean, found, writesBack } from './alias-facts.ts';
import type { FlushVariant } from './define-flush.ts';
import { dataCacheFact, fact } from './facts.ts';

/** What flushIcacheRange and flushIcachePage leave out, by variant. */
export const codeOmissions: Readonly<Record<string, CodeOmissions>> = {
  'no-clean': { clean: true },
  'no-icache-invalidate': { invalidate: true },
  'no-sync': { synchronize: true },
  'local-only': { others: true },
};

export const execPageVariants: readonly FlushVariant[] = [
  {
    name: 'right',
    title: 'flushes what is executable, when it is or becomes so',
    expectOn: (platform) =>
      clean(
        `what is stored is cleaned, dropped and fetched again as far as that is needed: ${fact(platform, 'l1i.snooped')}, ${fact(platform, 'l1i.fillsFrom')}`,
      ),
  },
  {
    name: 'no-clean',
    title: 'what the kernel stored is not written back to where instruction caches fill from',
    expectOn: withoutClean,
    unsupported: fillsFromAnyIndex,
  },
  {
    name: 'no-icache-invalidate',
    title: 'instruction caches keep what they had of the text that the kernel has changed',
    expectOn: (platform) => hears(platform) ?? trapsKernel(platform) ?? keepsOld(platform),
    unsupported: hearsAtAnyIndex,
  },
  {
    name: 'no-sync',
    title: 'nobody interrupts the CPU that has fetched the old instructions ahead',
    platform: 'x86-64',
    expectOn: withoutSync,
  },
  {
    name: 'local-only',
    title: 'the instruction caches of other CPUs are not reached',
    platform: 'arm11mpcore',
    expectOn: localOnly,
  },
  {
    name: 'jit-no-flush',
    title: 'a program runs what it has stored after barriers of its own, without asking for a flush',
    omit: ['code.cacheflush'],
    expectOn: (platform) => hears(platform) ?? keepsOld(platform),
  },
  {
    name: 'sigtramp-no-flush',
    title: 'the signal trampoline is not flushed',
    omit: ['code.trampoline'],
    expectOn: (platform) => hears(platform) ?? keepsOld(platform),
  },
  {
    name: 'becomes-executable-later',
    title: 'what is written to a page while it is data is not flushed when it becomes executable either',
    omit: ['code.becomes-executable'],
    expectOn: (platform) => hears(platform) ?? trapsKernel(platform) ?? keepsOld(platform),
    unsupported: hearsAtAnyIndex,
  },
  {
    name: 'rollover-no-icache-flush',
    title: 'an ASID is given to another address space, and instruction caches keep what they have under it',
    omit: ['rollover.icache'],
    platform: 'sun4c',
    expectOn: withoutRolloverFlush,
  },
];

/**
 * Why a clean that is left out shows nothing: the kernel's address and the user's differ in colour, and the machine
 * would look for the line under the user's alone.
 */
function fillsFromAnyIndex(platform: Platform): string | undefined {
  if (platform.l1i.fillsFrom !== 'data-caches' || !dataAliases(platform) || !writesBack(platform)) {
    return undefined;
  }
  return `instruction fills find the kernel’s dirty lines under any index here, on the machine only under their own: ${dataCacheFact(platform)}`;
}

/** The same of instruction caches that hear of stores. */
function hearsAtAnyIndex(platform: Platform): string | undefined {
  if (!platform.l1i.snooped || !dataAliases(platform)) return undefined;
  return `the kernel’s stores reach the user’s instructions by physical address here, on the machine only at the address that is stored to: ${fact(platform, 'l1i.snooped')}`;
}

/** The verdict where stores reach instruction fetches by themselves. */
function hears(platform: Platform): Expectation | undefined {
  if (fetchNeedsMaintenance(platform)) return undefined;
  return clean(
    `stores take their line from instruction caches, and fills see what data caches have: ${fact(platform, 'l1i.snooped')}`,
  );
}

/** The verdict where what the kernel does through an address of another colour traps. */
function trapsKernel(platform: Platform): Expectation | undefined {
  if (platform.l2?.primaryIndex !== true) return undefined;
  return clean(
    `the kernel’s access and the user’s fetch have different indexes, so the second traps, and its handler writes the line back and takes it from both primary caches: ${fact(platform, 'l2.primaryIndex')}`,
  );
}

function keepsOld(platform: Platform): Expectation {
  return found(
    ['stale-instruction'],
    `instruction caches hear of no store: ${fact(platform, 'l1i.snooped')}`,
  );
}

function withoutClean(platform: Platform): Expectation {
  if (!writesBack(platform))
    return clean(`memory is never older than a line: ${fact(platform, 'l1d.write')}`);
  if (platform.l1i.fillsFrom === 'data-caches') {
    return clean(`fills see what data caches have: ${fact(platform, 'l1i.fillsFrom')}`);
  }
  return (
    trapsKernel(platform) ??
    found(
      ['stale-instruction'],
      `what the kernel stored is dirty in its L1D, and fills take what is below: ${fact(platform, 'l1i.fillsFrom')}`,
    )
  );
}

const alone = (platform: Platform): Expectation | undefined =>
  platform.maxCpus === 1 ? clean(`there is no other CPU: ${fact(platform, 'maxCpus')}`) : undefined;

function withoutSync(platform: Platform): Expectation {
  const { l1i, maintenance } = platform;
  const single = alone(platform);
  if (single) return single;
  if (!l1i.fetchAhead)
    return clean(`nothing is fetched long before it runs: ${fact(platform, 'l1i.fetchAhead')}`);
  if (!l1i.snooped && maintenance.icache === 'local') {
    return clean(
      `the call that drops the lines of other CPUs interrupts them: ${fact(platform, 'maintenance.icache')}`,
    );
  }
  return found(
    ['stale-instruction'],
    `the other CPU runs what it fetched before, whatever the caches have: ${fact(platform, 'l1i.fetchAhead')}`,
  );
}

function localOnly(platform: Platform): Expectation {
  const { l1i, maintenance } = platform;
  const single = alone(platform);
  if (single) return single;
  if (l1i.snooped)
    return hears(platform) ?? clean(`stores reach instruction caches: ${fact(platform, 'l1i.snooped')}`);
  if (maintenance.icache === 'broadcast') {
    return clean(`the operation reaches the other CPUs by itself: ${fact(platform, 'maintenance.icache')}`);
  }
  return found(
    ['stale-instruction'],
    `the operation reaches the caches of one CPU: ${fact(platform, 'maintenance.icache')}`,
  );
}

function withoutRolloverFlush(platform: Platform): Expectation {
  const { l1i } = platform;
  if (l1i.organisation !== 'vivt') {
    return clean(`instructions are found by their physical address: ${fact(platform, 'l1i.organisation')}`);
  }
  if (!l1i.asidTagged) {
    return clean(
      `lines have no ASID, so every switch of address spaces drops them: ${fact(platform, 'l1i.organisation')}`,
    );
  }
  return found(
    ['stale-instruction'],
    `lines that the old space fetched are found by the ASID and the address of the new one: ${fact(platform, 'l1i.asidTagged')}`,
  );
}
