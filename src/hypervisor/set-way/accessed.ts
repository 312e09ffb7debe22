/**
 * Which pages a guest has used, by entries that are not valid though they say where they lead: an access to one faults,
 * and the fault is how the hypervisor knows. After Xen (xen/arch/arm/p2m.c, p2m_invalidate_root, p2m_invalidate_table
 * and p2m_resolve_translation_fault; commit "xen/arm: Track page accessed between batch of Set/Way operations"): only
 * the root's entries are made invalid; a fault makes the entries on the way to its page valid, and of each table that
 * comes into use that way all entries invalid first. So the cost follows what is used, not what there is. Xen makes one
 * entry valid a fault, so that a first access faults once a level; here one fault is enough.
 *
 * It is not populate on demand, which the thread considers as well: there memory is given to the guest when it uses a
 * page first (as KVM does it), and what was used once counts for ever.
 *
 * A device that shares the table has no such fault that could be resolved: see `XenOptions.sharesTable` in xen.ts.
 * An entry that is not valid is still the guest's: whoever takes a page away must clear it all the same, as
 * `Stage2Table.find` sees to (Xen once did not: XSA-393, CVE-2022-23033).
 */
import { frameAddress, PTE } from '../../machine/attributes.ts';
import { CLEAN } from '../../machine/cache-maintenance.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { isHidden, stage2EntryAddress, stage2Levels } from '../stage2-table.ts';
import type { Held } from './emulation.ts';

export interface TrackOptions {
  /** The IOMMU walks the table in memory, past the caches: entries are cleaned as far as that (clean_pte in Xen). */
  readonly inMemory?: boolean;
}

/** Begins to note what the guest uses: no CPU has a translation of it any more. */
export function* forgetAccessed(cpu: Cpu, held: Held, options: TrackOptions = {}): Steps {
  const { vm, host } = held;
  const { entryBytes } = cpu.machine.platform.mmu;
  const [{ mask }] = stage2Levels(cpu.machine.platform);
  yield* vm.locked(cpu, function* () {
    yield* hideTable(cpu, held, vm.layout.root, (mask + 1) * entryBytes, options);
    yield* host.fence.all(cpu, vm.layout);
  });
}

/**
 * The guest has used a page: its entry becomes valid, and those above it.
 * @returns false if there is no such page; true as well if another CPU was faster
 */
export function* noteAccessed(cpu: Cpu, held: Held, ipa: number, options: TrackOptions = {}): Steps<boolean> {
  const { vm } = held;
  const isThere = yield* vm.locked(cpu, () => revealOn(cpu, held, ipa, options));
  yield* cpu.dsb();
  return isThere;
}

function* revealOn(cpu: Cpu, held: Held, ipa: number, options: TrackOptions): Steps<boolean> {
  const { platform } = cpu.machine;
  const { table, layout } = held.vm;
  const levels = stage2Levels(platform);
  let at = layout.root;
  for (const [i, level] of levels.entries()) {
    const ptePa = stage2EntryAddress(platform, level, at, ipa);
    const entry = yield* table.entry(cpu, ptePa);
    at = frameAddress(entry);
    const isTable = i < levels.length - 1 && (entry & PTE.TABLE) !== 0;
    if (isHidden(entry)) {
      // Before a walk can come this way, or it would find all that is below.
      if (isTable)
        yield* hideTable(cpu, held, at, (levels[i + 1].mask + 1) * platform.mmu.entryBytes, options);
      yield* cpu.dsb();
      yield* table.reveal(cpu, ptePa);
      if (options.inMemory === true) yield* toMemory(cpu, ptePa);
    } else if ((entry & PTE.VALID) === 0) return false;
    if (!isTable) break;
  }
  return true;
}

function* hideTable(
  cpu: Cpu,
  { vm }: Held,
  tablePa: number,
  bytes: number,
  { inMemory }: TrackOptions,
): Steps {
  const { entryBytes } = cpu.machine.platform.mmu;
  for (let ptePa = tablePa; ptePa < tablePa + bytes; ptePa += entryBytes) {
    if (((yield* vm.table.entry(cpu, ptePa)) & PTE.VALID) === 0) continue;
    yield* vm.table.hide(cpu, ptePa);
    if (inMemory === true) yield* toMemory(cpu, ptePa);
  }
}

function* toMemory(cpu: Cpu, ptePa: number): Steps {
  yield* cpu.maintainPhysical(ptePa, CLEAN, 'memory');
  yield* cpu.dsb();
}
