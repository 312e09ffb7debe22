/** What distinguishes one guest that maps its memory uncached, and its host, from another. */
import type { GuestMemoryPolicy } from '../../hypervisor/guest-memory/guest-memory.ts';
import { COHERENT_PAGE } from '../../hypervisor/guest-memory/page-maintenance.ts';
import { ATTRIBUTE_UNCACHED } from '../../machine/attributes.ts';
import type { Platform } from '../../machine/platform.ts';
import { clean } from '../flush/alias-facts.ts';
import { isSnooped } from '../flush/dma-facts.ts';
import { fact } from '../flush/facts.ts';
import type { Expectation } from '../scenario.ts';
import type { HypervisorVariant } from './define-hypervisor.ts';
import { neverBypasses } from './uncached-facts.ts';

/** Who shares the page with the guest: nobody, the emulator of a device, or a device that is passed through. */
export type Subject = 'alone' | 'swapped-out' | 'streaming' | 'frame-buffer' | 'assigned-device';

export interface MappingVariant extends HypervisorVariant {
  readonly subject: Subject;
  readonly policy: GuestMemoryPolicy;
  /** How the guest maps the page: as it likes, or cacheable because it is told that the device is coherent. */
  readonly isToldCoherent?: boolean;
  /** streaming: the guest cleans before it uses the page uncached, invalidates before it uses it cached again. */
  readonly cleansBefore?: boolean;
  readonly invalidatesAfter?: boolean;
  /** frame-buffer: what the emulator does around its accesses. */
  readonly emulator?: 'nothing' | 'clean-after-write' | 'flush-before-read' | 'both';
  /** The guest draws before it turns its MMU on. */
  readonly beforeMmu?: boolean;
  /** Writes of MAIR trap, and say that everything is cacheable. */
  readonly trapsTypes?: boolean;
  /** Memory that a device uses which does not look into caches is uncached in stage 2. */
  readonly stage2Uncached?: boolean;
  readonly forcedWriteBack?: boolean;
}

/** A host that flushes each page when the guest first wants it. */
export const COHERENT: GuestMemoryPolicy = { atFault: COHERENT_PAGE };

export const typesFact = (platform: Platform) => fact(platform, 'virtualization.guestCaching');

/** The expectation of a variant that comes out right. @param how it does */
export function rightly(how: string): (platform: Platform) => Expectation {
  return (platform) => neverBypasses(platform) ?? clean(`${how}: ${typesFact(platform)}`);
}

/** The policy of a variant's host on a platform. @param buffer IPA of the page in question */
export function policyOf(
  { policy, stage2Uncached }: MappingVariant,
  platform: Platform,
  buffer: number,
): GuestMemoryPolicy {
  if (stage2Uncached !== true || isSnooped(platform)) return policy;
  return { ...policy, attributeOf: (ipa) => (ipa === buffer ? ATTRIBUTE_UNCACHED : 0) };
}
