/**
 * What memory-management code passes around: an address space with the kernel that it belongs to, and
 * entries of its tables. The space's lock is the page-table lock here, as in Linux before the lock was
 * split (Documentation/mm/split_page_table_lock.rst).
 */
import type { Checker } from '../checker/checker.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import type { AddressSpace } from './address-space.ts';
import type { Kernel } from './kernel.ts';
import { spinLock, spinUnlock } from './spin-lock.ts';

export interface Mm {
  readonly kernel: Kernel;
  readonly space: AddressSpace;
  /** Is told what holds from which moment on. */
  readonly checker: Checker | null;
}

/** A last-level entry that has been looked up already, as pte_offset_map does it. */
export interface PageEntry {
  /** Virtual address of the page that it maps. */
  readonly va: number;
  /** Physical address of the entry. */
  readonly ptePa: number;
}

export function lockTables(cpu: Cpu, { kernel, space }: Mm): Steps {
  return spinLock(cpu, space.lock, kernel.uncached);
}

/** Entries written under the lock are visible before its release is. */
export function unlockTables(cpu: Cpu, { kernel, space }: Mm): Steps {
  return spinUnlock(cpu, space.lock, kernel.uncached);
}
