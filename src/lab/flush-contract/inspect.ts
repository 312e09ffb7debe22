/** Looks straight at the caches and TLBs of all CPUs, which no program can. */
import type { Machine } from '../../machine/machine.ts';
import { PAGE_BYTES, PAGE_SHIFT } from '../../machine/platform.ts';
import { ENTRY } from '../../machine/tlb.ts';
import { dataAliases } from '../../machine/traits.ts';

/** A CPU whose L1D holds a line of a frame, in words; undefined where there is none or it could hide nothing. */
export function cachedLine({ state, platform }: Machine, frame: number): string | undefined {
  // One line a word: whoever looks for it finds it, under whatever address.
  if (!dataAliases(platform)) return undefined;
  for (const { index, l1d } of state.processors) {
    for (let at = 0; at < PAGE_BYTES; at += platform.lineBytes) {
      const slot = l1d.findPhysical((frame + at) >>> state.lineShift, -1);
      if (slot >= 0) return `the L1D of CPU ${index} still holds a line of the page (offset ${at})`;
    }
  }
  return undefined;
}

/** A CPU whose L1I holds a line of a frame that is found by an ASID, in words; undefined where none does. */
export function taggedInstruction({ state, platform }: Machine, frame: number): string | undefined {
  if (!platform.l1i.asidTagged) return undefined;
  const holder = state.processors.find(({ l1i }) => l1i.findPhysical(frame >>> state.lineShift, -1) >= 0);
  return holder && `the L1I of CPU ${holder.index} still holds a line that is found by an ASID`;
}

/**
 * A CPU whose TLBs hold an entry of a page, in words.
 * @param asid -1: of any context
 */
export function translatedPage({ state }: Machine, va: number, asid: number): string | undefined {
  for (const { index, tlbs } of state.processors) {
    for (const { entries } of tlbs) {
      for (let at = 0; at < entries.length; at += ENTRY.WORDS) {
        const size = entries[at + ENTRY.SIZE];
        if (entries[at] < 0 || entries[at] >>> size !== (va >>> PAGE_SHIFT) >>> size) continue;
        const tag = entries[at + ENTRY.ASID];
        if (asid < 0 || tag < 0 || tag === asid) {
          return `a TLB of CPU ${index} still holds an entry of the page${tag > 0 ? ` in context ${tag}` : ''}`;
        }
      }
    }
  }
  return undefined;
}
