/**
 * Compares what the machine does with what a coherent machine would have done. It keeps, beside each
 * word of memory, how often it was written, the value it ought to have and who wrote it; copies and TLB
 * entries carry the version that they were made from.
 *
 * A load is judged where hardware promises coherence: cacheable accesses of CPUs under a protocol, in
 * caches without aliases. Elsewhere a stale copy is a finding only if the run says that its accesses are
 * totally ordered (`strict`), because otherwise the newer write may not have happened before the load.
 * A stale TLB entry is no finding; its use is, once a contract point has passed: the kernel says when the
 * old translation must be gone (`contract`) and when a frame must not be reachable (`frameFreed`).
 */
import { frameAddress } from '../machine/attributes.ts';
import { type CheckPort, type ObservedCpu, PLACE_WALKER } from '../machine/check-port.ts';
import type { Cpu } from '../machine/cpu.ts';
import { extract, insert } from '../machine/data-port.ts';
import { EVENT } from '../machine/events.ts';
import type { Stage2Leaf } from '../machine/ipa-cache.ts';
import { acquireLock, releaseLock } from '../machine/locks.ts';
import { PAGE_SHIFT } from '../machine/platform.ts';
import { CTL, FINDING, GLOBAL, STOP_DEADLOCK, STOP_FINDING, STORE, TLB_LOG } from '../machine/registers.ts';
import type { Shadow } from '../machine/shadow.ts';
import type { MachineState } from '../machine/state.ts';
import { ENTRY } from '../machine/tlb.ts';
import { VMID_SHIFT, vmidOfTag } from '../machine/tlb-tag.ts';
import { physical } from '../machine/translation.ts';
import { type FindingKind, type FindingRecord, kindNames, readFinding, writeFinding } from './finding.ts';
import { isPromised, staleKind } from './promises.ts';
import { ReachableStates } from './reachable.ts';
import { isStaleLeaf, leafOf, staleStage } from './stale-stage.ts';
import { diagnoseStage1, diagnoseStage2 } from './tlb-diagnosis.ts';

export interface CheckerOptions {
  /** Accesses are totally ordered: judge every load, whatever hardware promises. */
  readonly strict?: boolean;
  /** Go on after a finding. */
  readonly keepGoing?: boolean;
  /** States that programs may say they have reached. */
  readonly reachable?: readonly string[];
  /** The one of them that ends the run. */
  readonly goal?: string | undefined;
}

export class Checker extends ReachableStates implements CheckPort {
  /** Called with every finding, in the thread that makes it; the random tester compares them one by one. */
  onFinding: ((record: Partial<FindingRecord> & { kind: FindingKind }) => void) | null = null;

  private readonly m: MachineState;
  private readonly shadow: Shadow;
  private readonly options: CheckerOptions;
  private readonly judgesData: boolean;

  /** @throws Error if the machine was built without a shadow */
  constructor(state: MachineState, options: CheckerOptions = {}) {
    if (!state.shadow) throw new Error('checker: the machine was created with checked: false');
    super(state, options.reachable ?? [], options.goal);
    this.m = state;
    this.shadow = state.shadow;
    this.options = options;
    const { l1d } = state.cpus[0];
    const aliases = l1d.colours > 1 || l1d.virtualTag;
    this.judgesData = options.strict === true || (state.coherent && !aliases);
  }

  stored(cpu: ObservedCpu, pa: number, sizeBytes: number, value: number): number {
    const { shadow, m } = this;
    const word = pa >>> 2;
    m.touched?.mark(pa >>> m.lineShift);
    const version = m.threaded ? Atomics.add(shadow.version, word, 1) + 1 : ++shadow.version[word];
    shadow.value[word] = insert(shadow.value[word], pa, sizeBytes, value);
    shadow.writer[word] = cpu.index;
    shadow.writerClock[word] = cpu.clock;
    shadow.writerEpoch[word] = m.epoch;
    return version;
  }

  loaded(
    cpu: ObservedCpu,
    va: number,
    pa: number,
    sizeBytes: number,
    value: number,
    version: number,
    place: number,
  ): void {
    const { shadow } = this;
    if (!this.judgesData) return;
    const word = pa >>> 2;
    const expected = extract(shadow.value[word], pa, sizeBytes);
    // Part of a word may be read from a copy that is older in its other part.
    if (value === expected && (sizeBytes < 4 || version === shadow.version[word])) return;
    if (this.options.strict !== true && !isPromised(this.m, place, shadow.writer[word])) return;
    this.report(cpu, {
      kind: staleKind(place),
      va,
      pa,
      got: value,
      expected,
      version,
      place,
      ...this.newestWrite(word),
    });
  }

  private newestWrite(word: number) {
    const { shadow } = this;
    return {
      newest: shadow.version[word],
      writer: shadow.writer[word],
      writerClock: shadow.writerClock[word],
    };
  }

  overtaken(cpu: ObservedCpu, pa: number, from: number, over: number): void {
    this.report(cpu, { kind: 'lost-write', pa, version: from, detail: over, ...this.newestWrite(pa >>> 2) });
  }

  discarded(cpu: ObservedCpu, line: number, versions: Int32Array, at: number): void {
    const { m, shadow } = this;
    const first = line * m.wordsPerLine;
    for (let i = 0; i < m.wordsPerLine; i++) {
      const version = versions[at + i];
      if (version !== shadow.version[first + i] || version <= this.versionBelow(line, i, versions)) continue;
      const pa = (first + i) * 4;
      this.report(cpu, { kind: 'lost-write', pa, version, ...this.newestWrite(first + i) });
    }
  }

  /** Newest version of a word that survives behind the copy that is thrown away. */
  private versionBelow(line: number, i: number, versions: Int32Array): number {
    const { m } = this;
    let best = m.memoryVersion[line * m.wordsPerLine + i];
    // Only what lies on the copy's own way to memory saves it: not the L2 of whoever threw it away.
    const owner = m.cpus.find((other) => other.l1d.version === versions);
    for (const level of [owner?.l2, m.shared, m.outer]) {
      if (!level || level.version === versions) continue;
      const slot = level.lookup(0, line, 0);
      if (slot >= 0) best = Math.max(best, level.version[slot * m.wordsPerLine + i]);
    }
    return best;
  }

  translated(
    cpu: ObservedCpu,
    va: number,
    write: boolean,
    fetch: boolean,
    entries: Int32Array,
    at: number,
  ): void {
    const { shadow } = this;
    const epoch = cpu.ctl[CTL.ACCESS_EPOCH];
    const isGuest = entries[at + ENTRY.STAGE2_PTE_PA] >= 0;
    const frame = frameAddress(entries[at + ENTRY.PTE]) >>> 12;
    const stale = staleStage(shadow, entries, at, epoch, write, fetch);
    let kind: FindingKind | undefined = stale === 0 ? undefined : 'stale-translation';
    const reused = shadow.frameGeneration[frame] !== entries[at + ENTRY.FRAME_GENERATION];
    if (reused && shadow.frameEpoch[frame] <= epoch && entries[at + ENTRY.SIZE] === 0) kind ??= 'freed-frame';
    if (kind === undefined) return;
    // Frames are the host's: its own stage is the last.
    const stage = stale !== 0 ? stale : isGuest ? 2 : 1;
    const old = leafOf(entries, at, stage);
    const tag = entries[at + ENTRY.ASID];
    const filled = entries[at + ENTRY.FILL_EPOCH];
    const ipa = physical(entries[at + ENTRY.IPA], entries[at + ENTRY.SIZE], va);
    const word = old.ptePa >>> 2;
    this.report(cpu, {
      kind,
      va,
      pa: frame * 4096 + (va & 4095),
      pte: old.pte,
      ptePa: old.ptePa,
      version: old.version,
      newestPte: shadow.value[word] >>> 0,
      fillClock: entries[at + ENTRY.FILL_CLOCK],
      write: write ? 1 : 0,
      diagnosis:
        stage === 2
          ? diagnoseStage2(this.m, shadow, cpu, ipa, vmidOfTag(tag), word, filled)
          : diagnoseStage1(this.m, shadow, cpu, va, tag, word, filled),
      detail: tag,
      ...(isGuest && { stage, ipa }),
      ...this.newestWrite(word),
      ...this.buffered(word, old.version),
    });
  }

  walkedThrough(cpu: ObservedCpu, va: number, ipa: number, leaf: Stage2Leaf): void {
    const { ptePa, version, pte } = leaf;
    if (!isStaleLeaf(this.shadow, { pte, ptePa, version }, cpu.ctl[CTL.ACCESS_EPOCH], false, false)) return;
    const word = ptePa >>> 2;
    const vmid = cpu.ctl[CTL.VMID];
    this.report(cpu, {
      kind: 'stale-translation',
      va,
      pa: frameAddress(pte) + (ipa & 4095),
      place: PLACE_WALKER,
      pte,
      ptePa,
      version,
      newestPte: this.shadow.value[word],
      write: 0,
      diagnosis: diagnoseStage2(this.m, this.shadow, cpu, ipa, vmid, word, undefined),
      detail: vmid << VMID_SHIFT,
      stage: 2,
      ipa,
      ...this.newestWrite(word),
      ...this.buffered(word, version),
    });
  }

  /** Who has a store to a word in its write buffer that would make it newer than `version`, and the value. */
  private buffered(word: number, version: number) {
    if (this.shadow.version[word] > version) return undefined;
    for (const { index, ctl, stores } of this.m.cpus) {
      for (let n = ctl[CTL.STORES_IN] - 1; n >= ctl[CTL.STORES_OUT]; n--) {
        const at = ((n >>> 0) % (stores.length / STORE.WORDS)) * STORE.WORDS;
        if (stores[at + STORE.PA] >>> 2 === word)
          return { other: index, newestPte: stores[at + STORE.LOW] >>> 0 };
      }
    }
    return undefined;
  }

  walked(cpu: ObservedCpu, va: number, pa: number, version: number): void {
    const { shadow } = this;
    const word = pa >>> 2;
    // What a cancelled walk reads has no consequence: it starts again.
    if (cpu.ctl[CTL.WALK_CANCELLED] === 0) this.tableRead(cpu, va, pa, cpu.ctl[CTL.WALK_GENERATION]);
    if (shadow.contract[word] <= version || shadow.contractEpoch[word] > cpu.ctl[CTL.ACCESS_EPOCH]) return;
    this.report(cpu, {
      kind: 'walker-old-entry',
      va,
      pa,
      ptePa: pa,
      version,
      newestPte: shadow.value[word],
      ...this.newestWrite(word),
      ...this.buffered(word, version),
    });
  }

  /** How often the frame at `pa` has been freed. */
  generationOf(pa: number): number {
    return this.shadow.frameGeneration[pa >>> 12];
  }

  /**
   * A walk for `va`, by hardware or by the kernel, has read the table word at `pa`.
   * @param generation `generationOf` the table when the walk, or what it started from, learnt of it
   */
  tableRead(cpu: ObservedCpu, va: number, pa: number, generation: number): void {
    // Whether the frame has been freed is a promise that this read depends on.
    this.m.events?.push(EVENT.BEGIN, cpu.index, va, 0, 0);
    if (this.generationOf(pa) === generation) return;
    const word = pa >>> 2;
    const pte = this.shadow.value[word];
    this.report(cpu, { kind: 'freed-table', va, pa, ptePa: pa, newestPte: pte, ...this.newestWrite(word) });
  }

  multipleMatch(cpu: ObservedCpu, va: number): void {
    this.report(cpu, { kind: 'multiple-match', va });
  }

  invalidatedTlb(
    target: ObservedCpu,
    kind: number,
    va: number,
    pages: number,
    asid: number,
    from: number,
  ): void {
    const log = target.tlbLog;
    const at = 1 + (log[0]++ % TLB_LOG.ENTRIES) * TLB_LOG.WORDS;
    log[at + TLB_LOG.KIND] = kind;
    log[at + TLB_LOG.VA] = va;
    log[at + TLB_LOG.PAGES] = pages;
    log[at + TLB_LOG.ASID] = asid;
    log[at + TLB_LOG.FROM] = from;
    log[at + TLB_LOG.EPOCH] = this.m.nextEpoch();
  }

  deadlocked(cycle: readonly number[]): void {
    const first = this.m.cpus[cycle[0]];
    this.report(first, { kind: 'deadlock', other: cycle[1] ?? -1, detail: cycle.length });
  }

  /** A condition that a scenario states does not hold; `detail` is the scenario's own number for it, or one of ASID_RULE. */
  violated(cpu: ObservedCpu, detail: number, got: number, expected: number, other = -1): void {
    this.report(cpu, { kind: 'invariant', detail, got, expected, other });
  }

  /** Kernel code broke the order of the flush interfaces for a page: `detail` is one of ORDER. */
  outOfOrder(cpu: ObservedCpu, va: number, detail: number): void {
    this.report(cpu, { kind: 'flush-order', va, detail });
  }

  /**
   * Contract point: from now on nothing may be reached through what the table word at `ptePa` said before
   * the newest store that `cpu` issued to it, which may still sit in its write buffer.
   */
  contract(cpu: Cpu, ptePa: number): void {
    const { shadow, m } = this;
    const word = ptePa >>> 2;
    m.touched?.mark(ptePa >>> m.lineShift);
    m.events?.push(EVENT.CONTRACT, cpu.index, ptePa, 0, 0);
    let version = shadow.version[word];
    let pte = shadow.value[word];
    const { ctl, stores } = cpu.hw;
    for (let n = ctl[CTL.STORES_OUT]; n !== ctl[CTL.STORES_IN]; n++) {
      const at = ((n >>> 0) % cpu.machine.stores.capacity) * STORE.WORDS;
      if (stores[at + STORE.PA] >>> 2 !== word) continue;
      version++;
      pte = stores[at + STORE.LOW];
    }
    const epoch = m.nextEpoch();
    if (version !== shadow.contract[word]) {
      shadow.contractBefore[word] = shadow.contractEpoch[word];
      shadow.contractWritten[word] = version === shadow.version[word] ? shadow.writerEpoch[word] : epoch;
    }
    shadow.contract[word] = version;
    shadow.contractPte[word] = pte;
    shadow.contractEpoch[word] = epoch;
  }

  /**
   * The kernel gives up what the words of a buffer hold, for a device to store there: a copy that is thrown away
   * is no loss, one that is written back later overtakes what the device has stored, and until it has, whoever
   * loads a word does not get its value.
   */
  abandoned(cpu: ObservedCpu, pa: number, sizeBytes: number): void {
    const { shadow, m } = this;
    for (let word = pa >>> 2; word < (pa + sizeBytes) >>> 2; word++) {
      m.touched?.mark((word << 2) >>> m.lineShift);
      m.events?.push(EVENT.BEHIND, cpu.index, word << 2, 1, 0);
      if (m.threaded) Atomics.add(shadow.version, word, 1);
      else shadow.version[word]++;
    }
  }

  /** Contract point: the frame is free, and no access may reach it through an older translation. */
  frameFreed(frame: number): void {
    const { shadow, m } = this;
    m.events?.push(EVENT.FREED, -1, frame, 0, 0);
    m.touched?.mark((frame << PAGE_SHIFT) >>> m.lineShift);
    shadow.frameGeneration[frame]++;
    shadow.frameEpoch[frame] = m.nextEpoch();
  }

  private report(cpu: ObservedCpu, record: Partial<FindingRecord> & { kind: FindingKind }): void {
    const { m, shadow } = this;
    record.cpu = cpu.index;
    record.clock = cpu.clock;
    m.events?.push(
      EVENT.FINDING,
      cpu.index,
      kindNames.indexOf(record.kind),
      record.va ?? -1,
      record.pa ?? -1,
    );
    this.onFinding?.(record);
    if (m.threaded) acquireLock(m.global, GLOBAL.FINDING_LOCK);
    const index = m.global[GLOBAL.FINDINGS]++;
    if (index < FINDING.ENTRIES) writeFinding(shadow.findings, index, record);
    if (m.threaded) releaseLock(m.global, GLOBAL.FINDING_LOCK);
    if (this.options.keepGoing === true) return;
    const reason = record.kind === 'deadlock' ? STOP_DEADLOCK : STOP_FINDING;
    Atomics.compareExchange(m.global, GLOBAL.STOP, 0, reason);
  }

  /** Findings so far, oldest first; at most FINDING.ENTRIES are kept of `total`. */
  static findings(state: MachineState): { total: number; kept: FindingRecord[] } {
    const total = state.global[GLOBAL.FINDINGS];
    const { shadow } = state;
    if (!shadow) return { total: 0, kept: [] };
    const kept = Array.from({ length: Math.min(total, FINDING.ENTRIES) }, (_, i) =>
      readFinding(shadow.findings, i),
    );
    return { total, kept };
  }
}
