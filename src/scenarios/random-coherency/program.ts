/**
 * The program of one CPU: random operations on few lines until it has made its share of accesses. Every
 * value that it writes is its own, so that a value tells who wrote it and when.
 */
import type { Checker } from '../../checker/checker.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import type { Platform } from '../../machine/platform.ts';
import { CTL, STORE } from '../../machine/registers.ts';
import {
  ENTRY,
  TLBI_ALL,
  TLBI_ASID,
  TLBI_VA,
  TLBI_VA_ALL_ASIDS,
  TLBI_VA_LAST_LEVEL,
} from '../../machine/tlb.ts';
import { EVENT, levels, reaches, type Sink } from './events.ts';
import type { Kernel } from './kernel.ts';
import { COUNTER_VA, type Layout, type Page, SPACES } from './layout.ts';
import { drawMix, type Operation } from './mix.ts';
import type { Random } from './random.ts';

/** What `Checker.violated` is told: a CPU did not see its own buffered store. */
const OWN_STORE_UNSEEN = 1;
/** The counter that is incremented by exclusives does not hold the number of increments. */
export const EXCLUSIVE_NOT_ATOMIC = 2;
/** An access went through a translation of another address space. */
const WRONG_SPACE = 3;

/** Notes of each CPU. */
export const NOTE = { ACCESSES: 0, INCREMENTS: 1, PREDICTED: 2 } as const;

const SIZES = [1, 2, 4, 8];
const PAGE_KINDS = [TLBI_VA, TLBI_VA_ALL_ASIDS, TLBI_VA_LAST_LEVEL, TLBI_ASID, TLBI_ALL];
/** Of these bytes of a line programs use all, so that CPUs share lines truly and falsely. */
const USED_BYTES = 16;
const TRACE = 16;
/** Accesses between two draws of the mix: no run goes without an operation for ever. */
const MIX_ACCESSES = 3000;

export interface Programmed {
  readonly cpu: Cpu;
  readonly kernel: Kernel;
  readonly checker: Checker | null;
  readonly layout: Layout;
  readonly random: Random;
  /** Accesses to make. */
  readonly accesses: number;
  /** Takes what was performed, in software mode. */
  readonly sink: Sink | null;
}

export class RandomProgram {
  private readonly on: Programmed;
  private readonly platform: Platform;
  private table: readonly Operation[] = [];
  private readonly trace = new Uint32Array(TRACE);
  private accesses = 0;
  private writes = 0;
  /** Page of the address that was drawn last. */
  private drawn: Page | undefined;

  constructor(on: Programmed) {
    this.on = on;
    this.platform = on.cpu.machine.platform;
  }

  *run(): Steps {
    const { cpu, kernel, layout, random, accesses } = this.on;
    yield* this.enter(cpu.index % SPACES);
    let remix = 0;
    while (this.accesses < accesses) {
      if (this.accesses >= remix) {
        this.table = drawMix(random, layout.mode, this.platform, cpu.machine.options.cpus);
        remix = this.accesses + MIX_ACCESSES;
      }
      const operation = this.table[random.bits() % this.table.length];
      switch (operation) {
        case 'load':
          yield* this.load();
          break;
        case 'store':
          yield* this.store();
          break;
        case 'modify':
          yield* this.modify();
          break;
        case 'exclusive':
          yield* this.exclusive();
          break;
        case 'touch':
          yield* this.touch();
          break;
        case 'fetch':
          yield* this.fetch();
          break;
        case 'dmb':
          yield* cpu.dmb();
          break;
        case 'dsb':
          yield* cpu.dsb();
          break;
        case 'maintain':
          yield* this.maintain();
          break;
        case 'setWay':
          yield* this.setWay();
          break;
        case 'fetchMaintain':
          yield* this.fetchMaintain();
          break;
        case 'remap':
          yield* this.remap();
          break;
        case 'tlbi':
          yield* cpu.tlbiLocal(PAGE_KINDS[random.below(5)], this.page().va, 1, kernel.asid);
          break;
        case 'switch':
          yield* this.enter(random.below(SPACES));
          break;
      }
    }
    cpu.hw.notes[NOTE.ACCESSES] = this.accesses;
  }

  private *enter(space: number): Steps {
    const { kernel, cpu, sink } = this.on;
    yield* kernel.enter(space);
    sink?.(EVENT.SWITCH, cpu.index, space, 0, 0, 0, 0);
  }

  private *load(): Steps {
    const { cpu, random, sink } = this.on;
    const size = SIZES[random.bits() & 3];
    const va = this.address(size);
    const got = yield* cpu.load(va, size);
    this.accesses++;
    if (sink) {
      sink(EVENT.LOAD, cpu.index, va, size, got, 0, 0);
      return;
    }
    this.checkSpace();
    if (cpu.hw.buffered > 0) this.checkOwnStores(va, size, got);
  }

  private *store(): Steps {
    const { cpu, random, sink } = this.on;
    const size = SIZES[random.bits() & 3];
    const va = this.address(size);
    const low = this.value();
    // The upper word keeps 21 bits, because JavaScript's numbers have 53.
    const high = size === 8 ? (low * 7) & 0x1f_ffff : 0;
    yield* cpu.store(va, low + high * 0x1_0000_0000, size);
    this.accesses++;
    sink?.(EVENT.STORE, cpu.index, va, size, low | 0, high, 0);
  }

  private *modify(): Steps {
    const { cpu, sink } = this.on;
    const va = this.address(4);
    const value = this.value();
    const got = yield* cpu.modify(va, () => value);
    this.accesses++;
    sink?.(EVENT.MODIFY, cpu.index, va, value, got, 0, 0);
  }

  /** Increments the counter in coherent mode, anything else where the model looks on. */
  private *exclusive(): Steps {
    const { cpu, random, sink } = this.on;
    if (!sink) {
      const old = yield* cpu.loadExclusive(COUNTER_VA);
      if (random.below(4) === 0) yield* this.load();
      const stored = yield* cpu.storeExclusive(COUNTER_VA, (old + 1) >>> 0);
      if (stored) cpu.hw.notes[NOTE.INCREMENTS]++;
      this.accesses += 2;
      return;
    }
    const va = this.address(4);
    const got = yield* cpu.loadExclusive(va);
    sink(EVENT.LOAD_EXCLUSIVE, cpu.index, va, got, 0, 0, 0);
    if (random.below(4) === 0) yield* this.load();
    const value = this.value();
    const stored = yield* cpu.storeExclusive(va, value);
    sink(EVENT.STORE_EXCLUSIVE, cpu.index, va, value, stored ? 1 : 0, 0, 0);
    this.accesses += 2;
  }

  private *touch(): Steps {
    const { cpu, random } = this.on;
    const length = 2 + random.below(TRACE - 2);
    for (let i = 0; i < length; i++) this.trace[i] = this.address(4) | (random.bits() & 1);
    yield* cpu.touch(this.trace, 0, length);
    this.accesses += length;
  }

  private *fetch(): Steps {
    const { cpu, sink } = this.on;
    const va = this.address(4);
    const got = yield* cpu.fetch(va);
    this.accesses++;
    sink?.(EVENT.FETCH, cpu.index, va, got, 0, 0, 0);
  }

  /** One line by address. In coherent mode nothing is thrown away. */
  private *maintain(): Steps {
    const { cpu, random, sink } = this.on;
    const va = this.line();
    const bits = this.operationBits();
    const reach = random.below(reaches.length);
    yield 0;
    const pa = this.translateNow(va);
    if (pa < 0) return;
    const operation = { clean: (bits & 1) !== 0, invalidate: (bits & 2) !== 0 };
    cpu.machine.caches.byAddressStep(cpu.hw, va, pa, operation, reaches[reach]);
    sink?.(EVENT.MAINTAIN, cpu.index, va, bits, reach, pa, 0);
  }

  private *setWay(): Steps {
    const { cpu, random, sink } = this.on;
    const level = random.below(levels.length);
    const { machine, hw } = cpu;
    const cache = [hw.l1d, hw.l2, machine.state.shared][level];
    if (!cache) return;
    // A large cache is used in few sets only: those of the lines in use.
    const va = this.line();
    const set = cache.setOf(va, va >>> machine.state.lineShift);
    const way = random.below(cache.ways);
    const bits = this.operationBits();
    const operation = { clean: (bits & 1) !== 0, invalidate: (bits & 2) !== 0 };
    yield 0;
    machine.caches.bySetWayStep(hw, levels[level], set, way, operation);
    sink?.(EVENT.SET_WAY, cpu.index, level, set, way, bits, 0);
  }

  private *fetchMaintain(): Steps {
    const { cpu, random, sink } = this.on;
    const va = this.line();
    const isAll = random.below(4) === 0;
    yield 0;
    const pa = this.translateNow(va);
    if (pa < 0) return;
    if (isAll) cpu.machine.caches.fetchAllStep(cpu.hw);
    else cpu.machine.caches.fetchByAddressStep(cpu.hw, va, pa);
    sink?.(EVENT.FETCH_MAINTAIN, cpu.index, isAll ? -1 : va, 0, 0, 0, 0);
  }

  private *remap(): Steps {
    const { kernel, random } = this.on;
    const page = this.page();
    const frame = page.frames[random.below(page.frames.length)];
    const isPossible = page.frames.length > 1;
    // An invalidate by ASID spares global entries: it would be the wrong one.
    const kinds = page.isGlobal ? PAGE_KINDS.filter((kind) => kind !== TLBI_ASID) : PAGE_KINDS;
    const kind = kinds[random.below(kinds.length)];
    if (isPossible) yield* kernel.remap({ page, frame, kind, breakFirst: random.below(4) === 0 });
  }

  /** Where an address translates to in this step; a miss leaves maintenance undone. */
  private translateNow(va: number): number {
    const { cpu, kernel, layout } = this.on;
    if (layout.mode === 'software') {
      const page = kernel.pages.find((p) => p.va === (va & ~0xfff));
      return page ? page.frames[0] * 0x1000 + (va & 0xfff) : -1;
    }
    const { state, translation } = cpu.machine;
    state.lockCpu(cpu.hw);
    const pa = translation.lookup(cpu.hw, va, false, false, false);
    state.unlockCpu(cpu.hw);
    return pa;
  }

  /**
   * A CPU sees its own stores: while the newest one that covers a load is buffered, the load gets it. The
   * checker cannot know that, because for everybody else the store has not happened yet.
   */
  private checkOwnStores(va: number, size: number, got: number): void {
    const { cpu, checker } = this.on;
    const { hw, machine } = cpu;
    const pa = this.translateNow(va);
    if (pa < 0) return;
    for (let n = hw.ctl[CTL.STORES_IN] - 1; n - hw.ctl[CTL.STORES_OUT] >= 0; n--) {
      const at = ((n >>> 0) % machine.stores.capacity) * STORE.WORDS;
      const from = hw.stores[at + STORE.PA] >>> 0;
      const bytes = hw.stores[at + STORE.SIZE];
      if (from >= pa + size || from + bytes <= pa) continue;
      let expected = 0;
      for (let i = size - 1; i >= 0; i--) {
        const byte = pa + i - from;
        const word = hw.stores[at + (byte < 4 ? STORE.LOW : STORE.HIGH)];
        expected = expected * 256 + ((word >>> ((byte & 3) * 8)) & 0xff);
      }
      if (got !== expected) checker?.violated(hw, OWN_STORE_UNSEEN, got, expected);
      return;
    }
  }

  /**
   * The entry that the last lookup found must be of the table that this CPU uses: the checker holds an entry
   * to its own table word, and that of another space is as good as any.
   */
  private checkSpace(): void {
    const { cpu, checker } = this.on;
    const { entry, entryTlb } = cpu.machine.translation;
    const pteAddress = entryTlb.entries[entry + ENTRY.PTE_PA];
    const expected = this.drawn?.pteAddress ?? 0;
    if (pteAddress !== expected) checker?.violated(cpu.hw, WRONG_SPACE, pteAddress, expected);
  }

  private page(): Page {
    const { kernel, random } = this.on;
    this.drawn = kernel.pages[random.below(kernel.pages.length)];
    return this.drawn;
  }

  private line(): number {
    const { layout, random } = this.on;
    return this.page().va + layout.offsets[random.below(layout.offsets.length)];
  }

  /** Aligned, and never a byte of the exclusives' counter in coherent mode. */
  private address(size: number): number {
    const { random, layout } = this.on;
    const va = this.line() + (random.bits() & (USED_BYTES - 1) & ~(size - 1));
    return layout.mode === 'coherent' && (va & ~7) === COUNTER_VA ? va + 8 : va;
  }

  private operationBits(): number {
    const { layout, random } = this.on;
    if (layout.mode === 'coherent') return random.below(2) === 0 ? 1 : 3;
    return 1 + random.below(3);
  }

  /** A word that no other write has: of which CPU, and which of its writes, mixed so that every byte differs. */
  private value(): number {
    const { cpu } = this.on;
    this.writes = (this.writes + 1) & 0x3fff_ffff;
    return Math.imul((cpu.index << 30) | this.writes, 0x9e37_79b1) >>> 0;
  }
}
