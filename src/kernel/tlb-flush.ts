/**
 * flushTlbPage/Range/Mm/All: afterwards no CPU uses an older translation. By hardware broadcast with a
 * barrier on each side, or by a local invalidate and a cross call to every CPU that has run the space.
 * The wrong policies leave out what their names say.
 */
import type { Cpu, Steps } from '../machine/cpu.ts';
import type { Machine } from '../machine/machine.ts';
import { PAGE_BYTES } from '../machine/platform.ts';
import { TLBI_ALL, TLBI_ASID, TLBI_VA, TLBI_VA_ALL_ASIDS } from '../machine/tlb.ts';
import { type AddressSpace, ranElsewhere, ranOn } from './address-space.ts';
import { type CrossCalls, otherProcessors } from './cross-call.ts';
import { type SpinLock, spinLock, spinUnlock } from './spin-lock.ts';

export type Mechanism = 'cross-call' | 'broadcast' | 'local-only' | 'none';

export interface FlushPolicy {
  readonly mechanism: Mechanism;
  /** Wait until the table change is visible before invalidating. */
  readonly barrierBefore: boolean;
  /** Wait until the invalidates are complete before returning. */
  readonly barrierAfter: boolean;
  /** Which of the other CPUs that ran a space are called; all of them unless given. */
  readonly targets?: (cpu: Cpu, ran: readonly number[]) => Steps<number[]>;
}

/** A flush with a barrier on either side, as the architectures ask for it. */
export function properFlush(mechanism: Mechanism): FlushPolicy {
  return { mechanism, barrierBefore: true, barrierAfter: true };
}

/** What of a kernel's layout flushes depend on. */
interface FlushLayout {
  readonly spaces: readonly AddressSpace[];
  /** Taken around each broadcast flush where the port of the machine does so. */
  readonly broadcastLock: SpinLock | null;
}

/** Number of the local flush among the functions of cross calls: arguments kind, address, ASID << 16 | pages. */
const CALL_FLUSH = 0;

/** What a target of a cross call does. */
export function* flushCall(cpu: Cpu, kind: number, va: number, asidAndPages: number): Steps {
  yield* flushLocal(cpu, kind, va, asidAndPages & 0xffff, asidAndPages >>> 16);
}

/** Invalidates on this CPU, a page an operation, and synchronizes it. */
export function* flushLocal(cpu: Cpu, kind: number, va: number, pages: number, asid: number): Steps {
  if (kind === TLBI_VA || kind === TLBI_VA_ALL_ASIDS) {
    for (let page = 0; page < pages; page++) {
      yield* cpu.tlbiLocal(kind, va + page * PAGE_BYTES, 1, asid);
    }
  } else yield* cpu.tlbiLocal(kind, va, pages, asid);
  yield* cpu.isb();
}

/** Pages that one broadcast invalidate can name. */
export function pagesAnOperation({ platform }: Machine): number {
  const { broadcast } = platform;
  return broadcast?.rangeOperations ? (broadcast.rangePages ?? Number.POSITIVE_INFINITY) : 1;
}

export class TlbFlush {
  private readonly machine: Machine;
  private readonly policy: FlushPolicy;
  private readonly calls: CrossCalls;
  private readonly uncached: boolean;
  private readonly layout: FlushLayout;

  constructor(
    machine: Machine,
    policy: FlushPolicy,
    calls: CrossCalls,
    uncached: boolean,
    layout: FlushLayout = { spaces: [], broadcastLock: null },
  ) {
    this.machine = machine;
    this.policy = policy;
    this.calls = calls;
    this.uncached = uncached;
    this.layout = layout;
  }

  /** One page of a space. */
  page(cpu: Cpu, space: AddressSpace, va: number): Steps {
    return this.range(cpu, space, va, 1);
  }

  /** `pages` pages from `va`; the whole space where that is cheaper by the platform's threshold. */
  *range(cpu: Cpu, space: AddressSpace, va: number, pages: number): Steps {
    if (pages > this.machine.platform.flushAllAbovePages) {
      yield* this.mm(cpu, space);
      return;
    }
    yield* this.pages(cpu, space, va, pages);
  }

  /** `pages` pages from `va`, page by page however many they are. */
  pages(cpu: Cpu, space: AddressSpace, va: number, pages: number): Steps {
    return this.flush(cpu, space, TLBI_VA, va, pages);
  }

  /** Every translation of a space. */
  mm(cpu: Cpu, space: AddressSpace): Steps {
    return this.flush(cpu, space, TLBI_ASID, 0, 1);
  }

  /** Everything, on every CPU. */
  all(cpu: Cpu): Steps {
    return this.flush(cpu, null, TLBI_ALL, 0, 1);
  }

  /**
   * Pages of the kernel's own mappings, on every CPU. Where these are global, one operation a page removes
   * them; where each context has its own, all contexts that have run are walked.
   */
  *kernelRange(cpu: Cpu, va: number, pages: number): Steps {
    const { mmu } = this.machine.platform;
    if (mmu.kernelMappings === 'global' || mmu.tlb.asidBits === 0) {
      yield* this.flush(cpu, null, TLBI_VA_ALL_ASIDS, va, pages);
      return;
    }
    for (const space of this.layout.spaces) {
      if ((yield* ranOn(cpu, space, this.uncached)).length > 0) yield* this.range(cpu, space, va, pages);
    }
  }

  private *flush(cpu: Cpu, space: AddressSpace | null, kind: number, va: number, pages: number): Steps {
    const { policy, machine } = this;
    const asid = space?.asid ?? 0;
    // Without tags a context flush is a flush of everything that is not global: there is only ASID 0.
    const tag = machine.translation.hasAsids ? asid : 0;
    switch (policy.mechanism) {
      case 'none':
        return;
      case 'broadcast':
        yield* this.broadcast(cpu, kind, va, pages, tag);
        return;
      default:
        if (policy.barrierBefore) yield* cpu.dmb();
        yield* flushLocal(cpu, kind, va, pages, tag);
        if (policy.mechanism === 'local-only') return;
        yield* this.callOthers(cpu, space, kind, va, pages, tag);
    }
  }

  private *broadcast(cpu: Cpu, kind: number, va: number, pages: number, asid: number): Steps {
    const { policy, machine, layout, uncached } = this;
    if (layout.broadcastLock) yield* spinLock(cpu, layout.broadcastLock, uncached);
    if (policy.barrierBefore) yield* cpu.dsb();
    if (kind !== TLBI_VA && kind !== TLBI_VA_ALL_ASIDS) yield* cpu.tlbiBroadcast(kind, va, pages, asid);
    else {
      const most = pagesAnOperation(machine);
      for (let page = 0; page < pages; page += most) {
        yield* cpu.tlbiBroadcast(kind, va + page * PAGE_BYTES, Math.min(most, pages - page), asid);
      }
    }
    if (policy.barrierAfter) yield* cpu.dsb();
    yield* cpu.isb();
    if (layout.broadcastLock) yield* spinUnlock(cpu, layout.broadcastLock, uncached);
  }

  private *callOthers(
    cpu: Cpu,
    space: AddressSpace | null,
    kind: number,
    va: number,
    pages: number,
    asid: number,
  ): Steps {
    const others = space ? yield* ranElsewhere(cpu, space, this.uncached) : otherProcessors(cpu);
    const targets = this.policy.targets ? yield* this.policy.targets(cpu, others) : others;
    yield* this.calls.call(cpu, targets, CALL_FLUSH, kind, va, ((asid << 16) | pages) >>> 0);
  }
}
