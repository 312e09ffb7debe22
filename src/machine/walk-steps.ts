/**
 * The steps of a table walk, for whoever puts a walk together of them: of the program or speculative, of the host or of
 * a guest. Functions named `...Step` are steps of their own and take the CPU's lock; the rest run inside one.
 */
import { ATTRIBUTE_UNCACHED, frameAddress, PTE } from './attributes.ts';
import type { Coherence } from './coherence.ts';
import type { CpuState } from './cpu-state.ts';
import type { DataPort } from './data-port.ts';
import { EVENT } from './events.ts';
import type { Stage2Leaf } from './ipa-cache.ts';
import type { MemorySide } from './memory-side.ts';
import { PAGE_SHIFT } from './platform.ts';
import { COUNT, CTL, GUEST_MMU } from './registers.ts';
import type { MachineState } from './state.ts';
import { ENTRY } from './tlb.ts';
import { globalTag } from './tlb-tag.ts';
import type { GuestTable } from './walk-cache.ts';

/** What a walk step found. */
export interface WalkResult {
  /** The entry read. */
  pte: number;
  ptePa: number;
  pteVersion: number;
}

/** How a level of a table is indexed by a page number. */
interface LevelShape {
  readonly shift: number;
  readonly mask: number;
}

export class WalkSteps {
  /** Last level: the one whose entries map pages. */
  readonly depth: number;
  protected readonly m: MachineState;
  private readonly port: DataPort;
  private readonly coherence: Coherence;
  private readonly memory: MemorySide;
  private readonly levels: readonly LevelShape[];
  private readonly asidTagged: boolean;

  constructor(state: MachineState, port: DataPort, coherence: Coherence, memory: MemorySide) {
    this.m = state;
    this.port = port;
    this.coherence = coherence;
    this.memory = memory;
    const { levels, tlb } = state.platform.mmu;
    this.levels = levelShapes(levels);
    this.depth = levels.length - 1;
    this.asidTagged = tlb.asidBits > 0 && state.mutation !== 'tlb-ignores-asid';
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

  /** What entries of this CPU are tagged with now: `asidOf`, and in a guest its VMID (see tlb-tag.ts). */
  tagOf(cpu: CpuState): number {
    return this.asidOf(cpu) | cpu.ctl[CTL.TAG_HIGH];
  }

  /** Begins a walk: a broadcast that arrives from now on cancels it. The CPU's lock is held. */
  private beginWalk(cpu: CpuState, va: number): void {
    this.m.events?.push(EVENT.WALK, cpu.index, va, 0, 0);
    cpu.count(COUNT.walks);
    cpu.ctl[CTL.WALK_ACTIVE] = 1;
    cpu.ctl[CTL.WALK_VA] = va;
    cpu.ctl[CTL.WALK_CANCELLED] = 0;
  }

  /** Begins a walk of a guest. Returns the deepest of its tables that is known, if it has any tables. */
  beginGuestWalkStep(cpu: CpuState, va: number): GuestTable | undefined {
    const { m } = this;
    m.lockCpu(cpu);
    this.beginWalk(cpu, va);
    const isWalked = (cpu.ctl[CTL.GUEST_CONTROL] & GUEST_MMU) !== 0;
    const known = isWalked ? cpu.walkCache?.lookupGuest(va >>> PAGE_SHIFT, this.tagOf(cpu)) : undefined;
    m.unlockCpu(cpu);
    return known;
  }

  /** Begins a walk and returns where to start. */
  beginWalkStep(cpu: CpuState, va: number): { level: number; table: number } {
    this.m.lockCpu(cpu);
    this.beginWalk(cpu, va);
    const root = cpu.ctl[CTL.ROOT] >>> 0;
    const known = cpu.walkCache?.lookup(va >>> PAGE_SHIFT, this.asidOf(cpu));
    cpu.ctl[CTL.WALK_GENERATION] = known ? known.generation : this.generationOf(root);
    this.m.unlockCpu(cpu);
    return known ?? { level: 0, table: root };
  }

  /** Reads one table entry the way the platform's walker reads. @param uncached past the caches, as a guest may want */
  readEntryStep(cpu: CpuState, va: number, ptePa: number, uncached = false): WalkResult {
    const { m } = this;
    const { walkerReads } = m.platform.mmu;
    cpu.count(COUNT.walkReads);
    cpu.charge(m.platform.costs.walkStepCycles);
    m.lockCpu(cpu);
    let pte: number;
    let pteVersion = 0;
    if (uncached) {
      pte = this.port.load(cpu, ptePa, ptePa, 4, ATTRIBUTE_UNCACHED);
      if (m.shadow) pteVersion = this.port.versionAt(cpu, ptePa, true);
    } else if (walkerReads === 'l1' && cpu.ctl[CTL.CACHE_ON] === 1) {
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
    if (l2.lookup(0, line, 0) < 0) this.coherence.acquire(cpu, pa, line, false, false);
    else cpu.charge(m.platform.costs.l2HitCycles);
    const slot = l2.lookup(0, line, 0);
    const at = slot * l2.wordsPerLine + ((pa >>> 2) & (l2.wordsPerLine - 1));
    return { word: l2.data[at], version: m.checked ? l2.version[at] : 0 };
  }

  /** Ghost: how often the frame of a table has been freed. */
  generationOf(table: number): number {
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

  /** Remembers where a table of a guest is, unless the walk was cancelled meanwhile. */
  noteGuestTable(cpu: CpuState, va: number, table: GuestTable): void {
    if (!cpu.walkCache) return;
    this.m.lockCpu(cpu);
    const above = this.levels[table.level - 1].shift;
    if (!this.isCancelled(cpu)) {
      const vpn = ((va >>> PAGE_SHIFT) >>> above) << above;
      cpu.walkCache.insertGuest(vpn, 1 << above, this.tagOf(cpu), table);
    }
    this.m.unlockCpu(cpu);
  }

  /**
   * The walker's own compare-and-set of accessed and dirty bits: does nothing if the entry has changed.
   * @returns the entry as it is now
   */
  setBitsStep(cpu: CpuState, found: WalkResult, bits: number, uncached = false): WalkResult {
    const { m } = this;
    m.lockCpu(cpu);
    let done = false;
    const change = (now: number) => {
      done = (now | 0) === (found.pte | 0) && !this.isCancelled(cpu);
      return done ? (now | bits) >>> 0 : undefined;
    };
    const attributes = uncached || m.platform.mmu.walkerReads === 'memory' ? 1 : 0;
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

  /**
   * `fillStep` for a guest: `found` stands for both stages.
   * @param size of the entry, log2 of pages
   * @param stages null: it is stage 2 alone that translates (a device that shares a guest's table)
   */
  fillGuestStep(
    cpu: CpuState,
    va: number,
    size: number,
    found: WalkResult,
    fetch: boolean,
    stages: Stages | null,
  ): boolean {
    const { m } = this;
    m.lockCpu(cpu);
    cpu.ctl[CTL.WALK_ACTIVE] = 0;
    const cancelled = this.isCancelled(cpu);
    if (!cancelled) this.fill(cpu, va, size, found, fetch, stages);
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
  fill(
    cpu: CpuState,
    va: number,
    size: number,
    found: WalkResult,
    fetch: boolean,
    stages: Stages | null = null,
  ): void {
    const { m } = this;
    cpu.ctl[CTL.TLB_CHANGES]++;
    const tag = this.tagOf(cpu);
    const asid = found.pte & PTE.GLOBAL ? globalTag(tag) : tag;
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
      e[at + ENTRY.STAGE2_PTE_PA] = -1;
      if (stages) noteStages(e, at, stages);
    }
  }

  /** True if the frame an entry points to exists. */
  frameExists(pte: number, size: number): boolean {
    return frameAddress(pte) + (1 << (size + PAGE_SHIFT)) <= this.m.platform.memoryBytes;
  }
}

/** What an entry of a guest was made from, besides what its walk result says. */
interface Stages {
  readonly stage1: number;
  readonly leaf: Stage2Leaf;
  /** Intermediate address of its first page. */
  readonly ipa: number;
}

function noteStages(e: Int32Array, at: number, { stage1, leaf, ipa }: Stages): void {
  e[at + ENTRY.STAGE2_PTE_PA] = leaf.ptePa;
  e[at + ENTRY.STAGE2_VERSION] = leaf.version;
  e[at + ENTRY.STAGE2_PTE] = leaf.pte;
  e[at + ENTRY.STAGE1_PTE] = stage1;
  e[at + ENTRY.IPA] = ipa;
  // Of pages that stage 2 maps one by one, what was remembered of it may be older than this entry.
  if (leaf.size === 0) e[at + ENTRY.FRAME_GENERATION] = leaf.generation;
}

/** The shapes of the levels of a table, from the root down. */
export function levelShapes(levels: readonly { readonly bits: number }[]): readonly LevelShape[] {
  let shift = 20;
  return levels.map(({ bits }) => {
    shift -= bits;
    return { shift, mask: (1 << bits) - 1 };
  });
}
