/** What follows from a platform's description for guests that go past the caches: the arguments that scenarios share. */
import type { FindingKind } from '../../checker/finding.ts';
import type { Platform } from '../../machine/platform.ts';
import { clean, found } from '../flush/alias-facts.ts';
import { memoryIsCurrent, speculates } from '../flush/dma-facts.ts';
import { fact } from '../flush/facts.ts';
import type { Expectation } from '../scenario.ts';
import { withoutGuests } from './guest-variants.ts';

/** Why a host cannot look after its guests' memory by address, or has no guests; undefined if it can. */
export function withoutMaintenance(platform: Platform): string | undefined {
  const none = withoutGuests(platform);
  if (none !== undefined) return none;
  if (platform.maintenance.byAddress === 'local') {
    return `the host’s maintenance misses other CPUs’ caches: ${fact(platform, 'maintenance.byAddress')}`;
  }
  if (platform.outer?.maintainedBy !== 'controller') return undefined;
  return `the host’s maintenance misses the outer cache: ${fact(platform, 'outer.maintainedBy')}`;
}

/** Why there is no forced write-back, or undefined if there is. */
export function withoutForcedWriteBack(platform: Platform): string | undefined {
  if (platform.virtualization?.forcedWriteBack !== false) return undefined;
  return `stage 2 cannot overrule the guest: ${fact(platform, 'virtualization.forcedWriteBack')}`;
}

/** Why there is no register of memory types to trap, or undefined if there is. */
export function withoutTypes(platform: Platform): string | undefined {
  if (mayBypass(platform)) return undefined;
  return `a guest has no register of memory types: ${fact(platform, 'virtualization.guestCaching')}`;
}

/** May a guest's data accesses go past the caches? */
export const mayBypass = ({ virtualization }: Platform): boolean => virtualization?.guestCaching !== 'none';

/** The verdict where they may not; undefined where they may. */
export function neverBypasses(platform: Platform): Expectation | undefined {
  if (mayBypass(platform)) return undefined;
  return clean(
    `the guest’s data is in the caches as the host’s is, whatever its registers and tables say: ${fact(platform, 'virtualization.guestCaching')}`,
  );
}

/** The verdict where lines that the host’s mapping has brought in are old when the guest hits them. */
export function oldHostLines(platform: Platform, when: string): Expectation {
  const none = neverBypasses(platform);
  if (none) return none;
  if (!speculates(platform)) {
    return clean(`no line comes in that no program asked for: ${fact(platform, 'agents')}`);
  }
  return found(
    ['stale-data'],
    `${when}, and a line that was loaded through the host’s cacheable mapping before the guest wrote past it is hit: ${fact(platform, 'agents')}`,
  );
}

/** The verdict where lines that the host has stored to are dirty over what the guest writes past them. */
export function dirtyHostLines(platform: Platform, kinds: readonly FindingKind[], how: string): Expectation {
  const none = neverBypasses(platform);
  if (none) return none;
  if (memoryIsCurrent(platform)) {
    return clean(`no line is ever dirty: ${fact(platform, 'l1d.write')}`);
  }
  return found(kinds, `${how}: ${fact(platform, 'virtualization.guestCaching')}`);
}
