/**
 * Why a translation that should be gone was still there: which invalidate was under way, came too early, or never
 * came. From the ghost log of the invalidates that have acted on a CPU, and the queue of those that have not.
 */
import type { ObservedCpu } from '../machine/check-port.ts';
import { CTL, DVM, TLB_LOG } from '../machine/registers.ts';
import type { Shadow } from '../machine/shadow.ts';
import type { MachineState } from '../machine/state.ts';
import {
  isWhole,
  namesVmid,
  TLBI_ASID,
  TLBI_GUESTS,
  TLBI_IPA,
  TLBI_VA_ALL_ASIDS,
  TLBI_VMID,
} from '../machine/tlb.ts';
import { globalTag, vmidOfTag } from '../machine/tlb-tag.ts';

/** A TLB invalidate as it was issued. */
interface Invalidate {
  readonly kind: number;
  readonly from: number;
  readonly pages: number;
  readonly tag: number;
}

/** One that has been issued and has not acted. */
interface Queued extends Invalidate {
  readonly issued: number;
}

/** Index into `diagnoses`. @param filled when the entry was made @param pteWord index of the word that it was made from */
export function diagnoseStage1(
  m: MachineState,
  shadow: Shadow,
  cpu: ObservedCpu,
  va: number,
  tag: number,
  pteWord: number,
  filled: number,
): number {
  if (isUnderWay(m, cpu, (invalidate) => covers(invalidate, va, tag))) return 1;
  for (const { invalidate, acted, by } of acting(cpu)) {
    if (!covers(invalidate, va, tag)) continue;
    if (acted > filled) return 3;
    // A CPU that invalidates for itself repairs a fault; it does not carry out what another one changed.
    if (by === cpu.index && shadow.writer[pteWord] !== cpu.index) continue;
    return shadow.writerEpoch[pteWord] >= acted ? 2 : 0;
  }
  return 0;
}

/**
 * The same for a leaf of stage 2: what was made from both stages and what is remembered of stage 2 alone are removed by
 * two invalidates, and the one without the other is not enough.
 * @param filled when the TLB entry was made; undefined: a walk used the leaf for a table of the guest
 */
export function diagnoseStage2(
  m: MachineState,
  shadow: Shadow,
  cpu: ObservedCpu,
  ipa: number,
  vmid: number,
  pteWord: number,
  filled: number | undefined,
): number {
  const ofBoth = ({ kind, tag }: Invalidate) => isWhole(kind) && namesVmid(kind, vmidOfTag(tag), vmid);
  const ofStage2 = (invalidate: Invalidate) => coversIpa(invalidate, ipa, vmid);
  const wanted = filled === undefined ? ofStage2 : ofBoth;
  const promised = shadow.contractEpoch[pteWord];
  // What was issued after the promise is for a later change.
  if (isUnderWay(m, cpu, (invalidate) => wanted(invalidate) && invalidate.issued <= promised)) return 1;
  const changed = changedAt(shadow, pteWord);
  let [both, alone] = [-1, -1];
  let [bothEarly, aloneEarly] = [false, false];
  for (const { invalidate, acted, by } of acting(cpu)) {
    // What acted before the promise of an earlier change was for that one.
    if (acted <= shadow.contractBefore[pteWord]) break;
    const isEarly = acted <= changed;
    if (isEarly && by !== shadow.writer[pteWord]) continue;
    if (ofBoth(invalidate)) {
      if (isEarly) bothEarly = true;
      else both = Math.max(both, acted);
    }
    if (ofStage2(invalidate)) {
      if (isEarly) aloneEarly = true;
      else alone = Math.max(alone, acted);
    }
  }
  const wantedEarly = filled === undefined ? aloneEarly : bothEarly;
  if (both < 0 && alone < 0) return wantedEarly ? 2 : 0;
  if (both < 0) return 4;
  if (filled !== undefined && both > filled) return 3;
  if (alone < 0) return aloneEarly ? 6 : 5;
  return filled === undefined ? 3 : 5;
}

/** The epoch in which the change that a promise is about reached memory; Infinity: it has not. */
function changedAt({ version, contract, contractWritten, writerEpoch }: Shadow, word: number): number {
  if (version[word] < contract[word]) return Number.POSITIVE_INFINITY;
  return version[word] === contract[word] ? writerEpoch[word] : contractWritten[word];
}

/** True if such an invalidate has reached the CPU and not acted yet. */
function isUnderWay(m: MachineState, cpu: ObservedCpu, wanted: (invalidate: Queued) => boolean): boolean {
  const target = m.cpus[cpu.index];
  const { ctl, queue: q } = target;
  const entries = m.platform.broadcast?.queueEntries ?? 0;
  for (let n = ctl[CTL.QUEUE_HEAD]; n !== ctl[CTL.QUEUE_TAIL]; n++) {
    const at = ((n >>> 0) % entries) * DVM.WORDS;
    const words = [DVM.KIND, DVM.VA, DVM.PAGES, DVM.ASID, DVM.EPOCH];
    const [kind, from, pages, tag, issued] = words.map((word) => q[at + word]);
    if (wanted({ kind, from: from >>> 0, pages, tag, issued })) return true;
  }
  return false;
}

/** The last invalidates that have acted on a CPU, newest first. */
function* acting({ tlbLog: log }: ObservedCpu) {
  const count = log[0];
  for (let n = count - 1; n >= 0 && n >= count - TLB_LOG.ENTRIES; n--) {
    const at = 1 + (n % TLB_LOG.ENTRIES) * TLB_LOG.WORDS;
    const invalidate: Invalidate = {
      kind: log[at + TLB_LOG.KIND],
      from: log[at + TLB_LOG.VA] >>> 0,
      pages: log[at + TLB_LOG.PAGES],
      tag: log[at + TLB_LOG.ASID],
    };
    yield { invalidate, acted: log[at + TLB_LOG.EPOCH], by: log[at + TLB_LOG.FROM] };
  }
}

/** Does an invalidate remove an entry for a page with this tag? */
function covers({ kind, from, pages, tag }: Invalidate, va: number, entryTag: number): boolean {
  if (isWhole(kind)) return namesVmid(kind, vmidOfTag(tag), vmidOfTag(entryTag));
  if (kind === TLBI_ASID) return entryTag === tag;
  if (entryTag < 0) {
    if (entryTag !== globalTag(tag)) return false;
  } else if (kind !== TLBI_VA_ALL_ASIDS ? entryTag !== tag : vmidOfTag(entryTag) !== vmidOfTag(tag))
    return false;
  return isInside(va, from, pages);
}

/** Does an invalidate remove what is remembered of stage 2 alone for an intermediate address? */
function coversIpa({ kind, from, pages, tag }: Invalidate, ipa: number, vmid: number): boolean {
  if (kind === TLBI_GUESTS) return true;
  if (vmidOfTag(tag) !== vmid) return false;
  return kind === TLBI_VMID || (kind === TLBI_IPA && isInside(ipa, from, pages));
}

function isInside(address: number, from: number, pages: number): boolean {
  const page = address >>> 12;
  return page >= from >>> 12 && page < (from >>> 12) + pages;
}
