/**
 * From a virtual to a physical address: TLB lookup in one step, and the steps of a table walk. Functions
 * named `...Step` are steps of their own and take the CPU's lock; the rest run inside one.
 */
import { attributesOf, frameAddress, PTE } from './attributes.ts';
import type { Coherence } from './coherence.ts';
import type { CpuState } from './cpu-state.ts';
import type { DataPort } from './data-port.ts';
import { EVENT } from './events.ts';
import type { MemorySide } from './memory-side.ts';
import { PAGE_SHIFT } from './platform.ts';
import { COUNT, CTL } from './registers.ts';
import type { MachineState } from './state.ts';
import { ENTRY, permits, type Tlb } from './tlb.ts';
import type { VirtualCoherency } from './virtual-coherency.ts';

/** Results of a lookup below zero. */
export const MISS = -1;
/** The entry is there and forbids the access. */
export const FORBIDDEN = -2;
/** Writable, but the dirty bit is not set yet. */
export const CLEAN = -3;
/** Two entries match and the platform raises an abort for it. */
export const CONFLICT = -4;

/** The line sits in the L2 under another virtual index. */
export const VIRTUAL_COHERENCY = -5;

/** Why an access faults. */
export type FaultKind = 'translation' | 'permission' | 'access-flag' | 'conflict' | 'bus';

/** What a walk step found. */
export interface WalkResult {
  /** The entry read. */
  pte: number;
  ptePa: number;
  pteVersion: number;
}

interface LevelShape {
  readonly shift: number;
  readonly mask: number;
}

export class Translation {
  /** Attributes of the last successful lookup, and where its entry is (-1: no translation was in use). */
  attributes = 0;
  entry = -1;
  entryTlb: Tlb;
  /** Where an access may raise a virtual coherency exception. */
  aliases: VirtualCoherency | null = null;

  /** Last level: the one whose entries map pages. */
  readonly depth: number;
  private readonly m: MachineState;
  private readonly port: DataPort;
  private readonly coherence: Coherence;
  private readonly memory: MemorySide;
  private readonly levels: readonly LevelShape[];
  private readonly needsDirty: boolean;
  private readonly asidTagged: boolean;

  constructor(state: MachineState, port: DataPort, coherence: Coherence, memory: MemorySide) {
    this.m = state;
    this.port = port;
    this.coherence = coherence;
    this.memory = memory;
    this.entryTlb = state.cpus[0].dtlb;
    const levels = state.platform.mmu.levels;
    let shift = 20;
    this.levels = levels.map((level) => {
      shift -= level.bits;
      return { shift, mask: (1 << level.bits) - 1 };
    });
    this.depth = levels.length - 1;
    this.needsDirty = state.platform.mmu.accessedDirty !== 'ignored';
    this.asidTagged = state.platform.mmu.tlb.asidBits > 0 && state.mutation !== 'tlb-ignores-asid';
  }

  /** Number of pages that an entry of `level` spans, as log2. */
  sizeOf(level: number): number {
    return this.levels[level].shift;
  }

  /** Physical address of the entry for `va` in the table of `level` at `table`. */
  entryAddress(table: number, level: number, va: number): number {
    const { shift, mask } = this.levels[level];
    return table + (((va >>> PAGE_SHIFT) >>> shift) & mask) * this.m.platform.mmu.entryBytes;
  }

  /** True if TLB entries carry an ASID. */
  get hasAsids(): boolean {
    return this.asidTagged;
  }

  /** ASID that entries of this CPU are tagged with now: 0 where the TLB has no tags. */
  asidOf(cpu: CpuState): number {
    return this.asidTagged ? cpu.ctl[CTL.ASID] : 0;
  }

  /**
   * Looks an access up in the TLBs. The CPU's lock is held.
   * @param performs false: nothing is loaded, stored or fetched, so no virtual coherency exception is raised
   * @returns the physical address, or MISS, FORBIDDEN, CLEAN, CONFLICT, VIRTUAL_COHERENCY
   */
  lookup(cpu: CpuState, va: number, write: boolean, fetch: boolean, performs = true): number {
    this.m.events?.push(EVENT.LOOKUP, cpu.index, va, 0, 0);
    if (cpu.ctl[CTL.MMU_ON] === 0) {
      this.attributes = 0;
      this.entry = -1;
      return performs ? this.unlessAliased(cpu, va, va >>> 0, fetch) : va >>> 0;
    }
    let tlb = fetch ? cpu.itlb : cpu.dtlb;
    const vpn = va >>> PAGE_SHIFT;
    const asid = this.asidOf(cpu);
    let at = tlb.lookup(vpn, asid);
    if (at < 0) {
      cpu.count(COUNT.tlbMisses);
      at = this.refillFromSecond(cpu, tlb, vpn, asid);
      if (at < 0) {
        const common = cpu.ctl[CTL.COMMON] === 0 ? undefined : this.commonTlb(cpu, va, asid, fetch);
        if (!common) return MISS;
        tlb = common;
        at = tlb.lookup(vpn, asid);
      }
    } else {
      tlb.touch(at);
    }
    const e = tlb.entries;
    const second = tlb.secondMatch(vpn, asid, at);
    if (second >= 0) {
      const aborts = this.m.platform.mmu.tlb.multipleMatch === 'abort';
      if (aborts || !agree(e, at, second, va)) this.m.check?.multipleMatch(cpu, va);
      if (aborts) return CONFLICT;
    }
    const pte = e[at + ENTRY.PTE];
    if (fetch && (pte & PTE.EXECUTE) === 0) return FORBIDDEN;
    if (!permits(pte, write, this.needsDirty)) return (pte & PTE.WRITE) === 0 ? FORBIDDEN : CLEAN;
    this.attributes = attributesOf(pte);
    this.entry = at;
    this.entryTlb = tlb;
    const pa = physical(pte, e[at + ENTRY.SIZE], va);
    return performs ? this.unlessAliased(cpu, va, pa, fetch) : pa;
  }

  private unlessAliased(cpu: CpuState, va: number, pa: number, fetch: boolean): number {
    if (this.aliases === null) return pa;
    return this.aliases.raises(cpu, va, pa, this.attributes, fetch) ? VIRTUAL_COHERENCY : pa;
  }

  /**
   * TLB of another CPU that has an entry for a page, where both say that theirs are common. It is used where it
   * is, not copied: what invalidates it there is enough. On threads nobody looks into another CPU's TLB, which
   * hardware may do or not.
   */
  private commonTlb(cpu: CpuState, va: number, asid: number, fetch: boolean): Tlb | undefined {
    const { m } = this;
    if (m.threaded) return undefined;
    for (const other of m.processors) {
      if (other === cpu) continue;
      m.events?.push(EVENT.LOOKUP, other.index, va, 0, 0);
      if (other.ctl[CTL.COMMON] === 0) continue;
      const tlb = fetch ? other.itlb : other.dtlb;
      if (tlb.lookup(va >>> PAGE_SHIFT, asid) >= 0) return tlb;
    }
    return undefined;
  }

  private refillFromSecond(cpu: CpuState, tlb: Tlb, vpn: number, asid: number): number {
    const second = cpu.tlb2;
    const from = second ? second.lookup(vpn, asid) : -1;
    if (!second || from < 0) return -1;
    second.touch(from);
    cpu.count(COUNT.secondTlbHits);
    cpu.ctl[CTL.TLB_CHANGES]++;
    cpu.charge(this.m.platform.costs.secondTlbHitCycles);
    const at = tlb.allocate(vpn, second.entries[from + ENTRY.ASID], second.entries[from + ENTRY.SIZE]);
    for (let i = 0; i < ENTRY.WORDS; i++) {
      if (i !== ENTRY.AGE) tlb.entries[at + i] = second.entries[from + i];
    }
    return at;
  }

  /** Begins a walk: a broadcast that arrives from now on cancels it. Returns where to start. */
  beginWalkStep(cpu: CpuState, va: number): { level: number; table: number } {
    this.m.lockCpu(cpu);
    this.m.events?.push(EVENT.WALK, cpu.index, va, 0, 0);
    cpu.count(COUNT.walks);
    cpu.ctl[CTL.WALK_ACTIVE] = 1;
    cpu.ctl[CTL.WALK_VA] = va;
    cpu.ctl[CTL.WALK_CANCELLED] = 0;
    const root = cpu.ctl[CTL.ROOT] >>> 0;
    const known = cpu.walkCache?.lookup(va >>> PAGE_SHIFT, this.asidOf(cpu));
    cpu.ctl[CTL.WALK_GENERATION] = known ? known.generation : this.generationOf(root);
    this.m.unlockCpu(cpu);
    return known ?? { level: 0, table: root };
  }

  /** Reads one table entry the way the platform's walker reads. */
  readEntryStep(cpu: CpuState, va: number, ptePa: number): WalkResult {
    const { m } = this;
    const { walkerReads } = m.platform.mmu;
    cpu.count(COUNT.walkReads);
    cpu.charge(m.platform.costs.walkStepCycles);
    m.lockCpu(cpu);
    let pte: number;
    let pteVersion = 0;
    if (walkerReads === 'l1' && cpu.ctl[CTL.CACHE_ON] === 1) {
      pte = this.port.load(cpu, ptePa, ptePa, 4, 0);
      if (m.shadow) pteVersion = this.port.versionAt(cpu, ptePa, false);
    } else if (walkerReads === 'l2' && cpu.ctl[CTL.CACHE_ON] === 1) {
      const got = this.readAtUnification(cpu, ptePa);
      pte = got.word;
      pteVersion = got.version;
    } else {
      cpu.charge(m.platform.costs.memoryCycles);
      const line = ptePa >>> m.lineShift;
      m.lockBank(line);
      pte = m.memory[ptePa >>> 2];
      if (m.checked) pteVersion = m.memoryVersion[ptePa >>> 2];
      m.unlockBank(line);
    }
    m.events?.push(EVENT.WALK_READ, cpu.index, ptePa, pte, va);
    m.check?.walked(cpu, va, ptePa, pteVersion);
    m.unlockCpu(cpu);
    return { pte, ptePa, pteVersion };
  }

  /** A read that does not look into this CPU's own L1D. The CPU's lock is held. */
  private readAtUnification(cpu: CpuState, pa: number): { word: number; version: number } {
    const { m } = this;
    const { l2 } = cpu;
    const line = pa >>> m.lineShift;
    if (!l2) {
      cpu.charge(m.platform.costs.sharedHitCycles);
      return this.memory.withBank(pa, () => this.memory.peekWord(pa));
    }
    if (l2.lookup(0, line, 0) < 0) {
      m.unlockCpu(cpu);
      this.coherence.acquire(cpu, pa, line, false, false);
    } else cpu.charge(m.platform.costs.l2HitCycles);
    const slot = l2.lookup(0, line, 0);
    const at = slot * l2.wordsPerLine + ((pa >>> 2) & (l2.wordsPerLine - 1));
    return { word: l2.data[at], version: m.checked ? l2.version[at] : 0 };
  }

  /** Ghost: how often the frame of a table has been freed. */
  private generationOf(table: number): number {
    return this.m.shadow ? this.m.shadow.frameGeneration[table >>> PAGE_SHIFT] : 0;
  }

  /** Goes on to the next table and remembers where it is, unless the walk was cancelled meanwhile. */
  noteTable(cpu: CpuState, va: number, level: number, table: number): void {
    const generation = this.generationOf(table);
    cpu.ctl[CTL.WALK_GENERATION] = generation;
    if (!cpu.walkCache) return;
    this.m.lockCpu(cpu);
    const above = this.levels[level - 1].shift;
    this.m.events?.push(EVENT.WALK_CHECK, cpu.index, 0, 0, 0);
    if (cpu.ctl[CTL.WALK_CANCELLED] === 0) {
      const vpn = ((va >>> PAGE_SHIFT) >>> above) << above;
      cpu.walkCache.insert(vpn, 1 << above, this.asidOf(cpu), level, table, generation);
    }
    this.m.unlockCpu(cpu);
  }

  /**
   * The walker's own compare-and-set of accessed and dirty bits: does nothing if the entry has changed.
   * @returns the entry as it is now
   */
  setBitsStep(cpu: CpuState, found: WalkResult, bits: number): WalkResult {
    const { m } = this;
    m.lockCpu(cpu);
    let done = false;
    const change = (now: number) => {
      done = (now | 0) === (found.pte | 0) && !this.isCancelled(cpu);
      return done ? (now | bits) >>> 0 : undefined;
    };
    const attributes = m.platform.mmu.walkerReads === 'memory' ? 1 : 0;
    const old = this.port.modify(cpu, found.ptePa, found.ptePa, attributes, change);
    const pteVersion = m.shadow ? m.shadow.version[found.ptePa >>> 2] : 0;
    m.unlockCpu(cpu);
    return { pte: done ? old | bits : old | 0, ptePa: found.ptePa, pteVersion };
  }

  /**
   * Ends a walk with a leaf: fills the TLBs.
   * @returns false if the walk was cancelled and must start again
   */
  fillStep(cpu: CpuState, va: number, level: number, found: WalkResult, fetch: boolean): boolean {
    const { m } = this;
    m.lockCpu(cpu);
    cpu.ctl[CTL.WALK_ACTIVE] = 0;
    const cancelled = this.isCancelled(cpu);
    if (!cancelled) this.fill(cpu, va, this.levels[level].shift, found, fetch);
    m.unlockCpu(cpu);
    return !cancelled;
  }

  /** True if a TLB invalidate has arrived since the walk began: it must start again. */
  isCancelled(cpu: CpuState): boolean {
    this.m.events?.push(EVENT.WALK_CHECK, cpu.index, 0, 0, 0);
    return cpu.ctl[CTL.WALK_CANCELLED] !== 0 && this.m.mutation !== 'tlbi-walk-survives';
  }

  endWalk(cpu: CpuState): void {
    cpu.ctl[CTL.WALK_ACTIVE] = 0;
  }

  /** Puts a translation into the TLBs, as a walker or a software refill does. The CPU's lock is held. */
  fill(cpu: CpuState, va: number, size: number, found: WalkResult, fetch: boolean): void {
    const { m } = this;
    cpu.ctl[CTL.TLB_CHANGES]++;
    const asid = found.pte & PTE.GLOBAL ? -1 : this.asidOf(cpu);
    const vpn = ((va >>> PAGE_SHIFT) >>> size) << size;
    m.events?.push(EVENT.FILL, cpu.index, vpn + size * 0x10_0000, found.pte, found.ptePa);
    const epoch = m.checked ? m.nextEpoch() : 0;
    const frame = frameAddress(found.pte) >>> PAGE_SHIFT;
    const first = fetch ? cpu.itlb : cpu.dtlb;
    for (let which = 0; which < 2; which++) {
      const tlb = which === 0 ? first : cpu.tlb2;
      if (!tlb) continue;
      const at = tlb.allocate(vpn, asid, size);
      const e = tlb.entries;
      e[at + ENTRY.VPN] = vpn;
      e[at + ENTRY.ASID] = asid;
      e[at + ENTRY.PTE] = found.pte;
      e[at + ENTRY.SIZE] = size;
      e[at + ENTRY.PTE_PA] = found.ptePa;
      e[at + ENTRY.PTE_VERSION] = found.pteVersion;
      e[at + ENTRY.FRAME_GENERATION] = m.shadow ? m.shadow.frameGeneration[frame] : 0;
      e[at + ENTRY.FILL_EPOCH] = epoch;
      e[at + ENTRY.FILL_CLOCK] = cpu.clock;
    }
  }

  /** Tells the checker about the use of the translation that the last lookup found. */
  judge(cpu: CpuState, va: number, write: boolean, fetch: boolean): void {
    const { check } = this.m;
    if (!check || this.entry < 0) return;
    check.translated(cpu, va, write, fetch, this.entryTlb.entries, this.entry);
  }

  /** True if a store may go through an entry without a fault and without setting its dirty bit. */
  storeNeedsNothing(pte: number): boolean {
    return permits(pte, true, this.needsDirty);
  }

  /** True if the frame an entry points to exists. */
  frameExists(pte: number, size: number): boolean {
    return frameAddress(pte) + (1 << (size + PAGE_SHIFT)) <= this.m.platform.memoryBytes;
  }
}

/** Where an address within an entry of `size` pages, as log2, goes. */
export function physical(pte: number, size: number, va: number): number {
  const below = (1 << (size + PAGE_SHIFT)) - 1;
  return ((frameAddress(pte) & ~below) | (va & below)) >>> 0;
}

/**
 * Do two entries translate alike, accessed and dirty bits aside? Where they do not, a processor that raises
 * no abort may use either, or both at once (Intel, "TLBs, Paging-Structure Caches, and Their Invalidation",
 * application note 317080: different frame or attributes, for instance permissions).
 */
function agree(e: Int32Array, one: number, other: number, va: number): boolean {
  const a = e[one + ENTRY.PTE];
  const b = e[other + ENTRY.PTE];
  const attributes = PTE.WRITE | PTE.EXECUTE | (3 << PTE.ATTRIBUTE_SHIFT);
  if (((a ^ b) & attributes) !== 0) return false;
  return physical(a, e[one + ENTRY.SIZE], va) === physical(b, e[other + ENTRY.SIZE], va);
}
