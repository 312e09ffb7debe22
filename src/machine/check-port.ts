/**
 * What the machine tells a checker, if there is one. The machine calls these at the moment at which an
 * access is performed, under the locks that order it; it never asks for a verdict.
 */

import type { Stage2Leaf } from './ipa-cache.ts';

/** The part of a CPU that a checker looks at. */
export interface ObservedCpu {
  readonly index: number;
  readonly clock: number;
  readonly ctl: Int32Array;
  readonly tlbLog: Int32Array;
}

/** Where a value came from, for explanations. */
export const PLACE_L1D = 0;
export const PLACE_L2 = 1;
export const PLACE_MEMORY = 2;
export const PLACE_L1I = 3;
export const PLACE_WALKER = 4;
export const PLACE_UNCACHED = 5;
export const PLACE_UNCACHED_FETCH = 6;
/** What a device read, wherever that was. */
export const PLACE_DEVICE = 7;
/** An instruction that the CPU had fetched ahead. */
export const PLACE_FETCHED_AHEAD = 8;

export interface CheckPort {
  /** A store of `sizeBytes` at `pa` is performed. Returns the version of the word that it makes newest. */
  stored(cpu: ObservedCpu, pa: number, sizeBytes: number, value: number): number;
  /** A load of one word or less is satisfied with `value` from a copy of the given version. */
  loaded(
    cpu: ObservedCpu,
    va: number,
    pa: number,
    sizeBytes: number,
    value: number,
    version: number,
    place: number,
  ): void;
  /** A write-back carries version `from` of the word at `pa` over version `over` of the level below. */
  overtaken(cpu: ObservedCpu, pa: number, from: number, over: number): void;
  /** A dirty line is dropped without write-back; `versions[at..]` are the versions of its words. */
  discarded(cpu: ObservedCpu, line: number, versions: Int32Array, at: number): void;
  /** An access through the TLB entry at `entries[at..]` (see ENTRY in tlb.ts) is performed. */
  translated(
    cpu: ObservedCpu,
    va: number,
    write: boolean,
    fetch: boolean,
    entries: Int32Array,
    at: number,
  ): void;
  /** The walker read the table word at `pa` and got this version. */
  walked(cpu: ObservedCpu, va: number, pa: number, version: number): void;
  /** The walker read a guest's table at an intermediate address by way of a leaf of stage 2. */
  walkedThrough(cpu: ObservedCpu, va: number, ipa: number, leaf: Stage2Leaf): void;
  /** A lookup matched two entries. */
  multipleMatch(cpu: ObservedCpu, va: number): void;
  /** A TLB invalidate takes effect on `target`. */
  invalidatedTlb(
    target: ObservedCpu,
    kind: number,
    va: number,
    pages: number,
    asid: number,
    from: number,
  ): void;
  /** CPUs wait for each other: `cycle` lists them. */
  deadlocked(cycle: readonly number[]): void;
}
