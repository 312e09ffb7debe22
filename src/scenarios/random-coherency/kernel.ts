/**
 * What the random programs need of a kernel: remapping a page under a lock, telling the other CPUs, waiting
 * out a page that is being remapped, switching spaces. Nothing here is random but what the caller chose.
 */
import type { Checker } from '../../checker/checker.ts';
import { coherencyHandler } from '../../kernel/coherency-exception.ts';
import { CLEAN, FLUSH } from '../../machine/cache-maintenance.ts';
import type { CoherencyFault, Cpu, Fault, Steps, Vectors } from '../../machine/cpu.ts';
import type { Machine } from '../../machine/machine.ts';
import type { Reach } from '../../machine/memory-side.ts';
import { TLBI_ALL } from '../../machine/tlb.ts';
import {
  ACKNOWLEDGED,
  COMMAND_ASID,
  COMMAND_KIND,
  COMMAND_VA,
  type Layout,
  LOCK,
  type Page,
  pteOf,
} from './layout.ts';

const CROSS_CALL = 1;

/** How a page is remapped. */
export interface RemapPlan {
  readonly page: Page;
  readonly frame: number;
  /** TLBI_* */
  readonly kind: number;
  /** Take the entry away before the new one is written, though the caches would not need it. */
  readonly breakFirst: boolean;
}

export class Kernel implements Vectors {
  /** Space that the CPU is in. */
  space = 0;

  private readonly cpu: Cpu;
  private readonly machine: Machine;
  private readonly checker: Checker | null;
  private readonly layout: Layout;
  private readonly isVivt: boolean;
  private readonly flushesAtSwitch: boolean;

  constructor(cpu: Cpu, checker: Checker | null, layout: Layout) {
    this.cpu = cpu;
    this.machine = cpu.machine;
    this.checker = checker;
    this.layout = layout;
    const { l1d } = cpu.machine.platform;
    this.isVivt = l1d.organisation === 'vivt';
    this.flushesAtSwitch = this.isVivt && !l1d.asidTagged;
  }

  get pages(): readonly Page[] {
    return this.layout.spaces[this.space];
  }

  get asid(): number {
    return this.layout.asids[this.space];
  }

  /** Enters a space. What carries no ASID is emptied after the switch, when nothing old can come in any more. */
  *enter(space: number): Steps {
    const { cpu, layout } = this;
    yield* cpu.setContext(layout.roots[space], layout.asids[space]);
    this.space = space;
    if (layout.asids[0] === layout.asids[1]) yield* cpu.tlbiLocal(TLBI_ALL, 0, 0, 0);
    if (this.flushesAtSwitch && layout.mode === 'coherent') yield* this.flushOwnCache();
  }

  /** Points a page of the current space to another frame, if no other CPU is about to do the same. */
  *remap(plan: RemapPlan): Steps {
    const { cpu, layout } = this;
    const uncached = layout.kernelUncached;
    const held = yield* cpu.modifyPhysical(LOCK, (old) => (old === 0 ? 1 : undefined), uncached);
    if (held !== 0) return;
    const { page } = plan;
    const next = pteOf(layout, page, plan.frame);
    if (plan.breakFirst || this.isVivt) {
      yield* this.writeEntry(page, 0);
      yield* this.invalidate(plan);
      if (this.isVivt) yield* this.flushPage(page);
      yield* this.writeEntry(page, next);
    } else {
      yield* this.writeEntry(page, next);
      yield* this.invalidate(plan);
    }
    yield* cpu.storePhysical(LOCK, 0, 4, uncached);
  }

  private *writeEntry(page: Page, pte: number): Steps {
    const { cpu, machine } = this;
    const { pageTables, accessedDirty, walkerReads } = machine.platform.mmu;
    const { pteAddress } = page;
    const uncached = pageTables === 'uncached';
    // A walker that sets bits would undo a plain store that comes between its read and its update.
    if (accessedDirty === 'hardware') yield* cpu.modifyPhysical(pteAddress, () => pte, uncached);
    else yield* cpu.storePhysical(pteAddress, pte, 4, uncached);
    if (pageTables === 'clean') {
      yield* cpu.dmb();
      const reach: Reach = walkerReads === 'memory' ? 'memory' : 'unification';
      yield* cpu.maintainPhysical(pteAddress, CLEAN, reach);
    }
    yield* cpu.dsb();
  }

  /** Removes a page's translations everywhere; on return nobody may use them any more. */
  private *invalidate(plan: RemapPlan): Steps {
    const { cpu, machine } = this;
    if (machine.platform.broadcast) {
      yield* cpu.tlbiBroadcast(plan.kind, plan.page.va, 1, this.asid);
      yield* cpu.dsb();
    } else {
      yield* cpu.tlbiLocal(plan.kind, plan.page.va, 1, this.asid);
      yield* this.callOthers(plan.kind, plan.page.va);
    }
    this.checker?.contract(cpu, plan.page.pteAddress);
  }

  private *callOthers(kind: number, va: number): Steps {
    const { cpu, layout, machine } = this;
    const uncached = layout.kernelUncached;
    const others = machine.options.cpus - 1;
    yield* cpu.storePhysical(COMMAND_KIND, kind, 4, uncached);
    yield* cpu.storePhysical(COMMAND_VA, va, 4, uncached);
    yield* cpu.storePhysical(COMMAND_ASID, this.asid, 4, uncached);
    yield* cpu.storePhysical(ACKNOWLEDGED, 0, 4, uncached);
    yield* cpu.dsb();
    for (let target = 0; target <= others; target++) {
      if (target !== cpu.index) yield* cpu.sendIpi(target, CROSS_CALL);
    }
    yield* cpu.waitUntil(ACKNOWLEDGED, (n) => n === others, { why: 'acknowledgements of a remap', uncached });
  }

  *interrupt(cpu: Cpu): Steps {
    const uncached = this.layout.kernelUncached;
    const kind = yield* cpu.loadPhysical(COMMAND_KIND, 4, uncached);
    const va = yield* cpu.loadPhysical(COMMAND_VA, 4, uncached);
    const asid = yield* cpu.loadPhysical(COMMAND_ASID, 4, uncached);
    yield* cpu.tlbiLocal(kind, va, 1, asid);
    // A store that was translated before would bring the old line in again if it drained after the flush.
    yield* cpu.dsb();
    // Maintenance by address would look under this CPU's own ASID.
    if (this.isVivt) yield* this.flushOwnCache();
    yield* cpu.dsb();
    yield* cpu.modifyPhysical(ACKNOWLEDGED, (n) => n + 1, uncached);
  }

  /** A page without a translation is being remapped: waits for the new entry. */
  *fault(cpu: Cpu, fault: Fault): Steps<boolean> {
    const page = this.pages.find((p) => p.va === (fault.va & ~0xfff));
    if (!page || fault.kind !== 'translation') return false;
    const uncached = cpu.machine.platform.mmu.pageTables === 'uncached';
    yield* cpu.waitUntil(page.pteAddress, (pte) => pte !== 0, {
      why: 'a page that is being remapped',
      uncached,
    });
    return true;
  }

  *coherencyException(cpu: Cpu, fault: CoherencyFault): Steps {
    yield* coherencyHandler(cpu, fault);
  }

  *refill(): Steps<boolean> {
    return false;
  }

  /** Every line of a page that can be cached: those in use, and those that a prefetcher reads next to them. */
  private *flushPage(page: Page): Steps {
    const { cpu, layout, machine } = this;
    const { lineBytes } = machine.platform;
    const [frame, other] = page.frames;
    for (const offset of layout.offsets) {
      for (const at of [offset, offset + lineBytes]) {
        for (const pa of [frame, other].map((f) => f * 0x1000 + at)) {
          yield 0;
          machine.caches.byAddressStep(cpu.hw, page.va + at, pa, FLUSH, 'coherency');
        }
      }
    }
    yield* cpu.dsb();
  }

  private *flushOwnCache(): Steps {
    const { cpu } = this;
    const { sets, ways } = cpu.hw.l1d;
    for (let set = 0; set < sets; set++) {
      for (let way = 0; way < ways; way++) {
        yield* cpu.maintainSetWay('l1d', set, way, FLUSH);
      }
    }
  }
}
