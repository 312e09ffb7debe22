/**
 * Ways to take translations out of the TLBs of other CPUs, side by side: as kernels do it, as patches have proposed,
 * and as hardware could. `TlbFlush` is what the kernel of a platform uses; this is what experiments compare.
 *
 * What `concurrent` and `early-ack` gain ends with the number of targets from which the initiator waits for nobody. It
 * has work of its own for each: the lines of flag and queue, an IPI, and after the acknowledgement the line of the flag
 * once more, which it fetches one after the other. Answers come side by side. As long as the first answer comes after
 * the last IPI, flushing here meanwhile hides that flush, whole. Once sending takes longer than an answer (on
 * x86-ivybridge-ex in one socket from some 26 CPUs on: 40 cycles an IPI, and 1,100 until the first answer), every
 * acknowledgement is there when it is looked for, and the same work in another order takes as long. `early-ack` stores
 * two words more for each target, 16 cycles here, and so falls behind `concurrent` a little earlier.
 *
 * Deviations that move that point: CPUs here have one miss under way at a time, where a real one fetches several
 * flags side by side; a store takes as long as a hit, once when it enters the write buffer and again when a barrier
 * waits for it; and Linux stores function and pointer of a plain call for each target too (kernel/smp.c,
 * smp_call_function_many_cond), which `CrossCalls` leaves out, as `EarlyCalls` leaves out two of its words.
 */
import type { Cpu, Steps } from '../../machine/cpu.ts';
import type { Machine } from '../../machine/machine.ts';
import { PAGE_BYTES, type Platform } from '../../machine/platform.ts';
import { TLBI_ASID, TLBI_VA } from '../../machine/tlb.ts';
import { type AddressSpace, ranElsewhere } from '../address-space.ts';
import { type CrossCalls, otherProcessors } from '../cross-call.ts';
import { pagesAnOperation } from '../tlb-flush.ts';
import type { EarlyCalls } from './early-call.ts';
import { flushHere } from './flush-here.ts';
import type { LazyBatch, Posted } from './lazy-batch.ts';

/** What each mechanism is, by name. */
export const shootdownMechanisms = {
  'cross-call': 'flush here, then call the CPUs that ran the space, and wait',
  'cross-call-all': 'the same, calling every CPU',
  'cross-call-mm': 'cross-call, flushing the whole space',
  concurrent: 'call the CPUs that ran the space, flush here meanwhile, then wait',
  'early-ack':
    'concurrent; targets acknowledge on entry, before they flush, with the arguments beside the flag',
  lazy: 'flush here, write it down for the others, which flush at their next tick (LATR)',
  broadcast: 'one hardware broadcast a page, or a range where the machine has such',
  'broadcast-page': 'one hardware broadcast a page',
  'broadcast-mm': 'one hardware broadcast for the whole space',
  'broadcast-targeted': 'what if: broadcasts of a page that only the CPUs that ran the space get',
} as const;
export type ShootdownName = keyof typeof shootdownMechanisms;

/** Why a platform cannot do it, or undefined. A mechanism that asks what if has its machine made by `machineFor`. */
export function cannotShootDown({ name, broadcast }: Platform, mechanism: string): string | undefined {
  if (!mechanism.startsWith('broadcast')) return undefined;
  return broadcast ? undefined : `${name} cannot invalidate the TLBs of other CPUs by broadcast`;
}

/** The machine that a mechanism runs on: the platform, or what it would be if it could send broadcasts to few. */
export function machineFor(platform: Platform, mechanism: string): Platform {
  if (mechanism !== 'broadcast-targeted' || !platform.broadcast) return platform;
  return { ...platform, broadcast: { ...platform.broadcast, targeted: true } };
}

/** What of a kernel the mechanisms use. */
export interface ShootdownParts {
  readonly machine: Machine;
  readonly calls: CrossCalls;
  /** Number of `flushCall` among the cross calls. */
  readonly flushNumber: number;
  readonly early: EarlyCalls;
  readonly lazy: LazyBatch;
  readonly uncached: boolean;
  /**
   * How often each page is flushed on a CPU: twice where kernel and user half have an ASID each (page-table
   * isolation, Linux Documentation/x86/pti).
   */
  readonly passes: number;
}

/**
 * Flushes `pages` pages of a space everywhere. The caller has changed the tables.
 * @returns undefined when no CPU uses an older translation any more; otherwise what must be done before that
 */
export function* shootDown(
  parts: ShootdownParts,
  name: ShootdownName,
  cpu: Cpu,
  space: AddressSpace,
  va: number,
  pages: number,
): Steps<Posted | undefined> {
  const asid = parts.machine.translation.hasAsids ? space.asid : 0;
  if (name.startsWith('broadcast')) {
    yield* broadcast(parts, name, cpu, space, va, pages, asid);
    return undefined;
  }
  yield* cpu.dmb();
  const targets =
    name === 'cross-call-all' ? otherProcessors(cpu) : yield* ranElsewhere(cpu, space, parts.uncached);
  if (name === 'lazy') {
    const posted = yield* parts.lazy.post(cpu, targets, va, pages, asid);
    if (posted) return targets.length === 0 ? undefined : posted;
  }
  const kind = name === 'cross-call-mm' ? TLBI_ASID : TLBI_VA;
  const third = ((asid << 16) | pages) >>> 0;
  if (name === 'early-ack') {
    yield* parts.early.start(cpu, targets, kind, va, third);
    yield* flushHere(parts.passes, cpu, kind, va, pages, asid);
    yield* parts.early.finish(cpu, targets);
    return undefined;
  }
  const { calls, flushNumber } = parts;
  if (name === 'concurrent') {
    yield* calls.start(cpu, targets, flushNumber, kind, va, third);
    yield* flushHere(parts.passes, cpu, kind, va, pages, asid);
  } else {
    if (name !== 'lazy') yield* flushHere(parts.passes, cpu, kind, va, pages, asid);
    yield* calls.start(cpu, targets, flushNumber, kind, va, third);
  }
  yield* calls.finish(cpu, targets);
  return undefined;
}

function* broadcast(
  parts: ShootdownParts,
  name: ShootdownName,
  cpu: Cpu,
  space: AddressSpace,
  va: number,
  pages: number,
  asid: number,
): Steps {
  const targets = name === 'broadcast-targeted' ? yield* ranElsewhere(cpu, space, parts.uncached) : undefined;
  yield* cpu.dsb();
  if (name === 'broadcast-mm') yield* cpu.tlbiBroadcast(TLBI_ASID, 0, 1, asid);
  else {
    const most = name === 'broadcast' ? pagesAnOperation(parts.machine) : 1;
    for (let page = 0; page < pages; page += most) {
      const so = Math.min(most, pages - page);
      yield* cpu.tlbiBroadcast(TLBI_VA, va + page * PAGE_BYTES, so, asid, targets);
    }
  }
  yield* cpu.dsb();
  yield* cpu.isb();
}
