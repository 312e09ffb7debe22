/** What each host and each guest does when a guest starts past the caches, and what it must show on each platform. */
import type { FindingKind } from '../../checker/finding.ts';
import type { GuestMemoryPolicy } from '../../hypervisor/guest-memory/guest-memory.ts';
import {
  COHERENT_PAGE,
  FORCED_PAGE,
  UNTOUCHED_PAGE,
} from '../../hypervisor/guest-memory/page-maintenance.ts';
import { CLEAN, FLUSH } from '../../machine/cache-maintenance.ts';
import type { Platform } from '../../machine/platform.ts';
import { clean, found } from '../flush/alias-facts.ts';
import { fact } from '../flush/facts.ts';
import type { Expectation } from '../scenario.ts';
import type { HypervisorVariant } from './define-hypervisor.ts';
import {
  dirtyHostLines,
  mayBypass,
  neverBypasses,
  oldHostLines,
  withoutForcedWriteBack,
  withoutMaintenance,
} from './uncached-facts.ts';

export interface BootVariant extends HypervisorVariant {
  readonly policy: GuestMemoryPolicy;
  /** The guest invalidates what it has written before it turns its caches on. */
  readonly invalidates: boolean;
  /** What the host has of the memory that the guest writes first: lines that it has stored to, or only loaded. */
  readonly hostLines: 'clean' | 'dirty';
  /** The emulator loads an image over the one that ran before. */
  readonly image: boolean;
  /** Stage 2 stays as it was when the VM is started again. */
  readonly staysMapped?: boolean;
  readonly forcedWriteBack?: boolean;
}

const COHERENT: GuestMemoryPolicy = { atFault: COHERENT_PAGE };
const UNTOUCHED: GuestMemoryPolicy = { atFault: UNTOUCHED_PAGE };
/** A guest whose own memory is the subject, not the image that it was started from. */
const RAM = { image: false, invalidates: false, hostLines: 'clean' } as const;
/** A guest that does all that it should, and an image that is the host's to look after. */
const IMAGE = { image: true, invalidates: true, hostLines: 'clean' } as const;

const bypassFact = (platform: Platform) => fact(platform, 'virtualization.guestCaching');

function rightly(how: string): (platform: Platform) => Expectation {
  return (platform) => neverBypasses(platform) ?? clean(`${how}, although ${bypassFact(platform)}`);
}

const variants: readonly BootVariant[] = [
  {
    name: 'right',
    title:
      'the host flushes each page when the guest first wants it, the guest invalidates what it has written',
    ...IMAGE,
    hostLines: 'dirty',
    policy: COHERENT,
    expectOn: rightly(
      'what the host stored is in memory and nothing of it dirty when the guest gets a page, and what it loaded since goes before the guest could hit it',
    ),
  },
  {
    name: 'flush-at-toggle',
    title: 'the host flushes each page at first, and all of them when the guest turns its caches on',
    ...IMAGE,
    hostLines: 'dirty',
    invalidates: false,
    policy: { ...COHERENT, flushesAtToggle: true },
    expectOn: rightly('the guest’s write to its control register traps, and no line of the VM is left'),
  },
  {
    name: 'clean-only',
    title:
      'the host cleans each page at first and leaves its lines, the guest invalidates what it has written',
    ...IMAGE,
    hostLines: 'dirty',
    policy: { atFault: { ...COHERENT_PAGE, data: CLEAN } },
    expectOn: rightly('the host’s lines are clean, and the guest’s own invalidate takes them away'),
  },
  {
    name: 'no-maintenance',
    title: 'nobody maintains anything, the host has only loaded the lines',
    ...RAM,
    policy: UNTOUCHED,
    expectOn: (platform) => oldHostLines(platform, 'the guest turns its caches on'),
  },
  {
    name: 'at-fault-only',
    title: 'the host flushes each page at first, and nobody maintains anything when caches go on',
    ...RAM,
    hostLines: 'dirty',
    policy: COHERENT,
    expectOn: (platform) =>
      oldHostLines(platform, 'lines come in again after the page was flushed, the guest turns its caches on'),
  },
  {
    name: 'guest-invalidates',
    title: 'the guest invalidates, the host has only loaded the lines',
    ...RAM,
    invalidates: true,
    policy: UNTOUCHED,
    expectOn: rightly(
      'the guest’s invalidate acts as clean and invalidate, and there is nothing to clean in the host’s lines',
    ),
  },
  {
    name: 'guest-invalidates-dirty',
    title: 'the guest invalidates, the host has zeroed the memory through its caches',
    ...RAM,
    invalidates: true,
    hostLines: 'dirty',
    policy: UNTOUCHED,
    expectOn: (platform) =>
      dirtyHostLines(
        platform,
        ['lost-write'],
        'the guest’s invalidate acts as clean and invalidate (Arm ARM, DC IVAC and HCR_EL2.VM), so that the host’s zeros are written over what the guest wrote',
      ),
  },
  {
    name: 'no-image-clean',
    title: 'the image that the host has loaded stays in its caches',
    ...IMAGE,
    policy: { atFault: { instructions: true } },
    expectOn: inCaches,
  },
  {
    name: 'unification-only',
    title: 'the host cleans no further than a guest with its caches on needs',
    ...IMAGE,
    policy: { atFault: { data: FLUSH, reach: 'unification', instructions: true } },
    expectOn: (platform) =>
      dirtyHostLines(
        platform,
        ['stale-data'],
        'instructions are fetched from the point of unification, but data is loaded from memory behind it',
      ),
  },
  {
    name: 'no-icache',
    title: 'the host flushes data and leaves the instruction caches',
    ...IMAGE,
    policy: { atFault: { data: FLUSH, instructions: false } },
    expectOn: (platform) =>
      oldInstructions(platform).length === 0
        ? clean(`the instruction caches hear of what is stored: ${fact(platform, 'l1i.snooped')}`)
        : found(
            oldInstructions(platform),
            `a guest fetches through the caches although its MMU is off, and the line is that of what ran there before: ${fact(platform, 'l1i.snooped')}`,
          ),
  },
  {
    name: 'still-mapped',
    title: 'the VM is started again with its memory mapped as it was, so that no page is flushed',
    ...IMAGE,
    policy: COHERENT,
    staysMapped: true,
    expectOn: (platform) => {
      const kinds: FindingKind[] = [
        ...oldInstructions(platform),
        ...(mayBypass(platform) ? (['stale-data'] as const) : []),
      ];
      const facts = `${fact(platform, 'l1i.snooped')}; ${bypassFact(platform)}`;
      return kinds.length === 0
        ? clean(`neither data nor instructions need a flush: ${facts}`)
        : found(kinds, `only a fault of stage 2 has the host look after a page: ${facts}`);
    },
  },
  {
    name: 'forced-write-back',
    title: 'stage 2 makes all of the guest’s data cacheable, and nobody maintains data',
    ...IMAGE,
    platform: 'neoverse-v1',
    hostLines: 'dirty',
    invalidates: false,
    policy: { atFault: FORCED_PAGE },
    forcedWriteBack: true,
    unsupported: withoutForcedWriteBack,
    expectOn: (platform) =>
      clean(
        `the guest’s data is in the caches from its first access on: ${fact(platform, 'virtualization.forcedWriteBack')}`,
      ),
  },
];

/** What an instruction cache shows that has not been told of new instructions: nothing if it hears of them. */
function oldInstructions({ l1i }: Platform): FindingKind[] {
  return l1i.snooped ? [] : ['stale-instruction'];
}

function inCaches(platform: Platform): Expectation {
  const missesCode = platform.l1i.fillsFrom === 'unification';
  if (!missesCode) {
    return dirtyHostLines(
      platform,
      ['stale-data'],
      'the guest loads data from memory, past what the host stored',
    );
  }
  const kinds: FindingKind[] = [
    'stale-instruction',
    ...(mayBypass(platform) ? (['stale-data'] as const) : []),
  ];
  return found(
    kinds,
    `what the host stored is in a data cache in front of where instructions are fetched from: ${fact(platform, 'l1i.fillsFrom')}`,
  );
}

/** All of them, on platforms whose host can maintain guest memory. */
export const bootVariants: readonly BootVariant[] = variants.map((variant) => ({
  ...variant,
  unsupported: (platform) => withoutMaintenance(platform) ?? variant.unsupported?.(platform),
}));
