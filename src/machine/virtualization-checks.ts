/** What of a platform's virtualization contradicts the rest of it. */
import { checkLevels } from './level-checks.ts';
import type { Platform } from './platform.ts';
import type { Add } from './platform-issues.ts';

const COSTS = ['guestExitCycles', 'guestEntryCycles'] as const;

export function checkVirtualization(platform: Platform, add: Add): void {
  const { virtualization, mmu, l1d, l1i, l2, maintenance, broadcast, costs } = platform;
  if (!virtualization) {
    for (const name of COSTS) {
      if (costs[name] > 0) add(`costs.${name}`, 'there are no guests; set it to 0 or add virtualization');
    }
    return;
  }
  checkLevels(virtualization.stage2Levels, 'virtualization.stage2Levels', mmu.entryBytes, add);
  const unless = (isRight: boolean, path: string, why: string) => {
    if (!isRight) add(path, `${why}, or leave out virtualization`);
  };
  unless(mmu.refill === 'hardware', 'mmu.refill', "only a hardware walker knows two stages; use 'hardware'");
  unless(mmu.tlb.asidBits > 0, 'mmu.tlb.asidBits', 'entries that carry a VMID carry an ASID as well; set it');
  for (const [name, cache] of [['l1d', l1d] as const, ['l1i', l1i] as const]) {
    const path = `${name}.organisation`;
    unless(cache.organisation !== 'vivt', path, 'virtual tags would have to carry a VMID; use pipt or vipt');
  }
  unless(
    l2?.primaryIndex !== true,
    'l2.primaryIndex',
    'a guest has no handler for its exceptions; use false',
  );
  const isFault = maintenance.unmapped === 'fault';
  unless(isFault, 'maintenance.unmapped', "in a guest it is a fault of one of two stages; use 'fault'");
  if (virtualization.stage2Fences === 'broadcast' && !broadcast) {
    add('virtualization.stage2Fences', "'broadcast' needs a broadcast section; add one or use 'local'");
  }
}
