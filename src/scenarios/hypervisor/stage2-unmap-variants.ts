/** What can be left out when a page is taken away from a guest, and what comes of it: variants of `stage2-unmap`. */
import type { FenceFlaw } from '../../hypervisor/stage2-fence.ts';
import type { Platform } from '../../machine/platform.ts';
import { clean, found } from '../flush/alias-facts.ts';
import { fact } from '../flush/facts.ts';
import { type GuestVariant, hasBroadcastFences } from './guest-variants.ts';

interface UnmapVariant extends GuestVariant {
  readonly flaws: readonly FenceFlaw[];
  readonly freesEarly?: boolean;
}

const STALE = ['stale-translation', 'freed-frame'] as const;
const ofSequence = (platform: Platform) =>
  hasBroadcastFences(platform)
    ? undefined
    : `${platform.name} has one fence for both stages: a variant of the sequence of two invalidates`;

export const unmapVariants: readonly UnmapVariant[] = [
  {
    name: 'right',
    title: 'invalidates what is left of both stages, waits, and only then reuses the frame',
    flaws: [],
    expectOn: (platform) => clean(`every invalidate is made that is needed: ${fenceFact(platform)}`),
  },
  {
    name: 'no-stage1',
    title: 'invalidates by intermediate address alone: combined entries stay',
    flaws: ['no-stage1'],
    unsupported: ofSequence,
    expectOn: (platform) =>
      found(
        STALE,
        `the guest’s TLB has entries from virtual to physical: ${fact(platform, 'mmu.tlb.data.entries')}`,
      ),
  },
  {
    name: 'no-ipa',
    title: 'invalidates the VMID’s stage 1 alone: cached translations of stage 2 stay',
    flaws: ['no-ipa'],
    unsupported: ofSequence,
    expectOn: (platform) =>
      platform.virtualization?.ipaCache
        ? found(STALE, `a walk takes the old frame from what is remembered of stage 2: ${ipaFact(platform)}`)
        : clean(`nothing remembers stage 2 by itself: ${withoutIpaCache(platform)}`),
  },
  {
    name: 'stage1-first',
    title:
      'invalidates stage 1 before the intermediate address: a walk in between combines with the old stage 2',
    flaws: ['stage1-first'],
    unsupported: ofSequence,
    expectOn: (platform) =>
      platform.virtualization?.ipaCache
        ? found(
            STALE,
            `a walk in between takes the old frame from what is remembered of stage 2: ${ipaFact(platform)}`,
          )
        : clean(
            `a walk in between reads the table, which says already that the page is gone: ${withoutIpaCache(platform)}`,
          ),
  },
  {
    name: 'no-barrier-between',
    title: 'does not wait for the first invalidate before it issues the second',
    flaws: ['no-barrier-between'],
    unsupported: ofSequence,
    expectOn: (platform) =>
      clean(
        `the machine delivers broadcasts in order, which the architecture does not promise: ${fact(platform, 'broadcast.queueEntries')}`,
      ),
  },
  {
    name: 'no-barrier-before',
    title: 'does not wait for its own store to the entry before it invalidates',
    flaws: ['no-barrier-before'],
    unsupported: ofSequence,
    expectOn: (platform) =>
      platform.virtualization?.ipaCache
        ? found(
            STALE,
            `the entry is still in the write buffer when the invalidate by address acts, and a walk remembers it anew: ${fact(platform, 'writeBufferEntries')}`,
          )
        : clean(
            `the barrier before the second invalidate, which is the one that matters, drains the store: ${withoutIpaCache(platform)}`,
          ),
  },
  {
    name: 'no-barrier-after',
    title: 'does not wait for the last invalidate before the frame is reused',
    flaws: ['no-barrier-after'],
    unsupported: ofSequence,
    expectOn: (platform) =>
      platform.agents.includes('broadcast')
        ? found(
            STALE,
            `a broadcast may take its time to arrive: ${fact(platform, 'costs.broadcastLatencyCycles')}`,
          )
        : clean(`a broadcast acts at once: ${fact(platform, 'costs.broadcastLatencyCycles')}`),
  },
  {
    name: 'this-cpu-only',
    title: 'reaches no CPU but the one that takes the page away',
    flaws: ['local-only'],
    expectOn: (platform) =>
      found(
        STALE,
        `the guest runs on another CPU, with a TLB of its own: ${fact(platform, 'mmu.tlb.data.entries')}`,
      ),
  },
  {
    name: 'free-first',
    title: 'reuses the frame before the invalidates',
    flaws: [],
    freesEarly: true,
    expectOn: (platform) =>
      found(
        STALE,
        `the guest’s TLB leads to the frame until it is invalidated: ${fact(platform, 'mmu.tlb.data.entries')}`,
      ),
  },
];

function fenceFact(platform: Platform): string {
  return fact(platform, 'virtualization.stage2Fences');
}

const ipaFact = (platform: Platform) => fact(platform, 'virtualization.ipaCache.entries');
const withoutIpaCache = ({ name }: Platform) => `${name} has no virtualization.ipaCache`;
