/**
 * Lazy shootdown, after LATR (Kumar et al., ASPLOS 2018): whoever takes pages away writes down which CPUs have yet to
 * flush them and goes on; each CPU looks at its next timer tick or context switch through what the others have
 * written, flushes what names it, and takes itself off. Pages may be used again only when nobody is named any more:
 * until then old translations are in use, and allowed to be.
 *
 * Deviations: the paper has 64 states a CPU and frees after two ticks, by which every CPU must have looked; here the
 * one who owns a state looks whether it is done. A CPU counts its open states in a word, so that the others need not
 * look at each of them.
 */
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { TLBI_VA } from '../../machine/tlb.ts';
import type { BootMemory } from '../boot-memory.ts';
import { flushHere } from './flush-here.ts';

const STATES = 8;
/** Words of a state: in use, address, pages, ASID, how many CPUs have yet to flush, then their mask. */
const VA = 4;
const PAGES = 8;
const ASID = 12;
const LEFT = 16;
const MASK = 20;
const MASK_WORDS = 4;
const STATE_BYTES = MASK + MASK_WORDS * 4;

export interface LazyBatchLayout {
  /** Per CPU: the line that counts its open states. */
  readonly openPa: readonly number[];
  /** Per CPU and number: the state. */
  readonly statePa: readonly (readonly number[])[];
}

export function layLazyBatch(boot: BootMemory, cpus: number): LazyBatchLayout {
  const { lineBytes } = boot.machine.platform;
  const state = () => boot.bytes(STATE_BYTES, Math.max(lineBytes, 4));
  return {
    openPa: Array.from({ length: cpus }, () => boot.line()),
    statePa: Array.from({ length: cpus }, () => Array.from({ length: STATES }, state)),
  };
}

/** What a CPU has taken away and others have yet to flush. */
export interface Posted {
  /** Physical address of its state. */
  readonly statePa: number;
}

export class LazyBatch {
  private readonly layout: LazyBatchLayout;
  private readonly uncached: boolean;
  private readonly passes: number;

  /** @param passes how often each page is flushed on a CPU: see `ShootdownParts` */
  constructor(layout: LazyBatchLayout, uncached: boolean, passes: number) {
    this.layout = layout;
    this.uncached = uncached;
    this.passes = passes;
  }

  /**
   * Flushes pages on this CPU and writes them down for the others.
   * @returns undefined if this CPU has no state left: the caller must then call the others instead
   */
  *post(
    cpu: Cpu,
    targets: readonly number[],
    va: number,
    pages: number,
    asid: number,
  ): Steps<Posted | undefined> {
    const { uncached, layout } = this;
    yield* flushHere(this.passes, cpu, TLBI_VA, va, pages, asid);
    const statePa = yield* this.freeState(cpu);
    if (statePa === undefined) return undefined;
    yield* cpu.storePhysical(statePa + VA, va, 4, uncached);
    yield* cpu.storePhysical(statePa + PAGES, pages, 4, uncached);
    yield* cpu.storePhysical(statePa + ASID, asid, 4, uncached);
    yield* cpu.storePhysical(statePa + LEFT, targets.length, 4, uncached);
    const masks = new Uint32Array(MASK_WORDS);
    for (const target of targets) masks[target >> 5] |= 1 << (target & 31);
    for (const [word, mask] of masks.entries()) {
      yield* cpu.storePhysical(statePa + MASK + word * 4, mask, 4, uncached);
    }
    if (targets.length === 0) return { statePa };
    // Whoever sees that it is in use sees what it says.
    yield* cpu.dmb();
    yield* cpu.storePhysical(statePa, 1, 4, uncached);
    yield* cpu.modifyPhysical(layout.openPa[cpu.index], (n) => n + 1, uncached);
    return { statePa };
  }

  private *freeState(cpu: Cpu): Steps<number | undefined> {
    for (const statePa of this.layout.statePa[cpu.index]) {
      if ((yield* cpu.loadPhysical(statePa, 4, this.uncached)) === 0) return statePa;
    }
    return undefined;
  }

  /** Have all CPUs flushed what was posted? If so its pages may be used again. */
  *isDone(cpu: Cpu, { statePa }: Posted): Steps<boolean> {
    return (yield* cpu.loadPhysical(statePa, 4, this.uncached)) === 0;
  }

  /** What a CPU does at a tick or a context switch. @returns the states that named it */
  *sweep(cpu: Cpu): Steps<number> {
    const { layout, uncached } = this;
    let named = 0;
    for (const [owner, openPa] of layout.openPa.entries()) {
      if (owner === cpu.index) continue;
      if ((yield* cpu.loadPhysical(openPa, 4, uncached)) === 0) continue;
      for (const statePa of layout.statePa[owner]) {
        if (yield* this.flushState(cpu, statePa, openPa)) named++;
      }
    }
    return named;
  }

  private *flushState(cpu: Cpu, statePa: number, openPa: number): Steps<boolean> {
    const { uncached } = this;
    const bit = 1 << (cpu.index & 31);
    const maskPa = statePa + MASK + (cpu.index >> 5) * 4;
    // The mask first: a bit that is there while the state is in use belongs to what it says.
    if (((yield* cpu.loadPhysical(maskPa, 4, uncached)) & bit) === 0) return false;
    if ((yield* cpu.loadPhysical(statePa, 4, uncached)) === 0) return false;
    const va = yield* cpu.loadPhysical(statePa + VA, 4, uncached);
    const pages = yield* cpu.loadPhysical(statePa + PAGES, 4, uncached);
    const asid = yield* cpu.loadPhysical(statePa + ASID, 4, uncached);
    yield* flushHere(this.passes, cpu, TLBI_VA, va, pages, asid);
    yield* cpu.modifyPhysical(maskPa, (mask) => (mask & ~bit) >>> 0, uncached);
    const left = yield* cpu.modifyPhysical(statePa + LEFT, (n) => n - 1, uncached);
    if (left !== 1) return true;
    yield* cpu.modifyPhysical(openPa, (n) => n - 1, uncached);
    yield* cpu.storePhysical(statePa, 0, 4, uncached);
    return true;
  }
}
