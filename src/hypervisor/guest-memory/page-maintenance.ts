/**
 * Cache maintenance of pages of guest memory, by their address in the host's linear mapping: what a hypervisor does so
 * that a guest that goes past the caches and a host that does not see the same.
 */
import { maintainLines } from '../../kernel/maintain-lines.ts';
import { FLUSH, type LineOperation } from '../../machine/cache-maintenance.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { colours, PAGE_BYTES } from '../../machine/platform.ts';

/** How far lines of data are maintained. */
type DataReach = 'coherency' | 'unification';

/** What is done to a page before a guest may use it. */
export interface PageMaintenance {
  /** Absent: data lines are left as they are. */
  readonly data?: LineOperation;
  /** Default: to the point of coherency, where accesses past the caches go. */
  readonly reach?: DataReach;
  /** Instruction caches forget what they have of it. */
  readonly instructions: boolean;
  /** Data lines are maintained only if the vCPU that wants the page runs with its MMU or its caches off. */
  readonly onlyWhileOff?: boolean;
}

/**
 * What Linux does whatever the guest's registers say: clean and invalidate to the point of coherency, and the
 * instruction caches (arch/arm64/include/asm/kvm_mmu.h, __clean_dcache_guest_page, which is dcache_clean_inval_poc, and
 * __invalidate_icache_guest_page).
 */
export const COHERENT_PAGE: PageMaintenance = { data: FLUSH, instructions: true };

/** With forced write-back: the guest's data is in the caches as the host's is (same file, ARM64_HAS_STAGE2_FWB). */
export const FORCED_PAGE: PageMaintenance = { instructions: true };

/** A hypervisor that knows of no caches. */
export const UNTOUCHED_PAGE: PageMaintenance = { instructions: false };

/**
 * Maintains the lines of a range of memory.
 * @param pa of the first line, a multiple of the line's size
 * @throws Error where maintenance by address does not reach other CPUs' caches, or not all of the way to memory
 */
export function* maintainRange(
  cpu: Cpu,
  pa: number,
  sizeBytes: number,
  operation: LineOperation,
  reach: DataReach = 'coherency',
): Steps {
  const { name, maintenance, outer } = cpu.machine.platform;
  if (maintenance.byAddress === 'local' || outer?.maintainedBy === 'controller') {
    throw new Error(
      `${name}: cleaning guest memory by address would miss other caches: use a platform whose maintenance.byAddress is 'broadcast', without an outer cache of its own controller`,
    );
  }
  yield* maintainLines(cpu, pa, sizeBytes, operation, reach);
  yield* cpu.dsb();
}

/** Maintains a page before a guest may use it. @param isOff the vCPU that wants it has its MMU or its caches off */
export function* maintainPage(
  cpu: Cpu,
  frame: number,
  { data, reach, instructions, onlyWhileOff = false }: PageMaintenance,
  isOff: boolean,
): Steps {
  if (data && (isOff || !onlyWhileOff)) yield* maintainRange(cpu, frame, PAGE_BYTES, data, reach);
  if (instructions) yield* forgetInstructions(cpu, frame);
}

/**
 * Instruction caches forget a page: all that they have where a line may be in sets of several colours. Where they can
 * be invalidated on one CPU only that is this one, and other CPUs on which the VM runs are the caller's business.
 */
export function* forgetInstructions(cpu: Cpu, frame: number): Steps {
  const { l1i, lineBytes } = cpu.machine.platform;
  if (colours(l1i) > 1) yield* cpu.invalidateFetchAll();
  else {
    for (let line = frame; line < frame + PAGE_BYTES; line += lineBytes) {
      yield* cpu.invalidateFetchPhysical(line);
    }
  }
  yield* cpu.dsb();
}
