/**
 * The flush interfaces for instructions beyond those of the document: what has become of them in Linux where a
 * user writes code, where a signal does, and where instruction caches are tagged with address-space identifiers.
 */
import type { Cpu, Steps } from '../../machine/cpu.ts';
import type { AddressSpace } from '../address-space.ts';

/** Parts of flushIcacheRange and flushIcachePage that are left out: each is wrong on some machine. */
export interface CodeOmissions {
  /** What was stored is not written back to where instruction caches fill from. */
  readonly clean?: boolean;
  /** Instruction caches keep what they have. */
  readonly invalidate?: boolean;
  /** Where no call is needed to reach other instruction caches, none is made to interrupt the other CPUs. */
  readonly synchronize?: boolean;
  /** Where it takes a call to reach instruction caches of other CPUs, the call drops nothing there. */
  readonly others?: boolean;
}

export interface CodeInterfaces {
  /**
   * A user has stored instructions through its own mapping, `sizeBytes` from `va` in the space that runs (the
   * system call cacheflush; flush_icache_user_range): every CPU fetches what was stored last, as soon as this
   * returns.
   */
  flushIcacheUserRange(cpu: Cpu, space: AddressSpace, va: number, sizeBytes: number): Steps;
  /**
   * The kernel has stored the instructions that return from a signal handler on a user's stack, through the user's
   * mapping (flush_sig_insns on SPARC, flush_cache_sigtramp on MIPS). The thread that has the signal fetches them,
   * on whatever CPU: it gets there by an exception, so nobody else need be interrupted for it.
   */
  flushSignalTrampoline(cpu: Cpu, space: AddressSpace, va: number, sizeBytes: number): Steps;
  /**
   * ASIDs are about to be given out again: no instruction cache holds anything that is found by one
   * (__flush_icache_all in Linux arch/arm/mm/context.c, if icache_is_vivt_asid_tagged).
   */
  flushIcacheAsids(cpu: Cpu): Steps;
}
