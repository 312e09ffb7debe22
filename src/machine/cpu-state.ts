import { Cache } from './cache.ts';
import type { Carver } from './carver.ts';
import { IndexedCache } from './indexed-cache.ts';
import { IpaCache } from './ipa-cache.ts';
import { colours, type Platform } from './platform.ts';
import { CTL, counterNames, DVM, FETCHED, REPLY, STORE, TIME, TLB_LOG } from './registers.ts';
import { Tlb } from './tlb.ts';
import { WalkCache } from './walk-cache.ts';

/** Hardware state of one CPU. */
export class CpuState {
  readonly index: number;
  readonly ctl: Int32Array;
  readonly time: Float64Array;
  /** Where other CPUs put their answers to this CPU's snoops: see REPLY. */
  readonly reply: Int32Array;
  readonly counters: Float64Array;
  /** Figures that a program leaves for whoever started it; the program gives them meaning. */
  readonly notes: Float64Array;
  readonly l1d: Cache;
  readonly l1i: Cache;
  readonly l2: Cache | null;
  readonly dtlb: Tlb;
  readonly itlb: Tlb;
  readonly tlb2: Tlb | null;
  readonly walkCache: WalkCache | null;
  /** What is remembered of stage 2 alone. */
  readonly ipaCache: IpaCache | null;
  readonly stores: Int32Array;
  /** When each buffered store drains by itself, cycles. */
  readonly storesDue: Float64Array;
  /** Instructions fetched ahead: see FETCHED. */
  readonly fetched: Int32Array;
  readonly queue: Int32Array;
  /** When each queued broadcast reaches this CPU, cycles. */
  readonly queueDue: Float64Array;
  /** Ghost: the last TLB invalidates that took effect here, for explanations. */
  readonly tlbLog: Int32Array;
  /** Every TLB structure once. */
  readonly tlbs: readonly Tlb[];

  constructor(carver: Carver, index: number, platform: Platform, checked: boolean) {
    const at = `cpu${index}`;
    const { mmu, lineBytes } = platform;
    this.index = index;
    this.ctl = carver.i32(`${at}.ctl`, CTL.WORDS);
    this.time = carver.f64(`${at}.time`, TIME.WORDS);
    this.reply = carver.i32(`${at}.reply`, REPLY.LINE + (lineBytes >> 2));
    this.counters = carver.f64(`${at}.counters`, counterNames.length);
    this.notes = carver.f64(`${at}.notes`, 64);
    this.l1d = new Cache(carver, `${at}.l1d`, platform.l1d, lineBytes, checked);
    this.l1i = new Cache(carver, `${at}.l1i`, platform.l1i, lineBytes, checked);
    const physical = { organisation: 'pipt', asidTagged: false } as const;
    const secondary = platform.l2 && { ...platform.l2, ...physical };
    if (!secondary) this.l2 = null;
    else if (!secondary.primaryIndex) this.l2 = new Cache(carver, `${at}.l2`, secondary, lineBytes, checked);
    else {
      const indices = Math.max(colours(platform.l1d), colours(platform.l1i));
      this.l2 = new IndexedCache(carver, `${at}.l2`, secondary, lineBytes, checked, indices);
    }
    const sizes = leafSizes(platform);
    this.dtlb = new Tlb(carver, `${at}.dtlb`, mmu.tlb.data, sizes);
    this.itlb = mmu.tlb.instruction ? new Tlb(carver, `${at}.itlb`, mmu.tlb.instruction, sizes) : this.dtlb;
    this.tlb2 = mmu.tlb.second ? new Tlb(carver, `${at}.tlb2`, mmu.tlb.second, sizes) : null;
    this.walkCache = mmu.walkCache ? new WalkCache(carver, `${at}.walk`, mmu.walkCache) : null;
    const ipaCache = platform.virtualization?.ipaCache;
    this.ipaCache = ipaCache ? new IpaCache(carver, `${at}.ipa`, ipaCache) : null;
    this.stores = carver.i32(`${at}.stores`, Math.max(1, platform.writeBufferEntries) * STORE.WORDS);
    this.storesDue = carver.f64(`${at}.storesDue`, Math.max(1, platform.writeBufferEntries));
    const ahead = FETCHED.FIRST + FETCHED.ENTRIES * FETCHED.WORDS;
    this.fetched = carver.i32(`${at}.fetched`, platform.l1i.fetchAhead ? ahead : 0);
    this.queue = carver.i32(`${at}.queue`, (platform.broadcast?.queueEntries ?? 1) * DVM.WORDS);
    this.queueDue = carver.f64(`${at}.queueDue`, platform.broadcast?.queueEntries ?? 1);
    this.tlbLog = carver.i32(`${at}.tlbLog`, checked ? TLB_LOG.ENTRIES * TLB_LOG.WORDS + 1 : 0);
    const tlbs = [this.dtlb];
    if (this.itlb !== this.dtlb) tlbs.push(this.itlb);
    if (this.tlb2) tlbs.push(this.tlb2);
    this.tlbs = tlbs;
  }

  get clock(): number {
    return this.time[TIME.CLOCK];
  }

  charge(cycles: number): void {
    this.time[TIME.CLOCK] += cycles;
  }

  /** Time cannot run backwards: what this CPU has just learnt happened at `clock`. */
  mergeClock(clock: number): void {
    if (clock > this.time[TIME.CLOCK]) this.time[TIME.CLOCK] = clock;
  }

  count(counter: number): void {
    this.counters[counter]++;
  }

  get buffered(): number {
    return (this.ctl[CTL.STORES_IN] - this.ctl[CTL.STORES_OUT]) | 0;
  }
}

/** Page sizes that a leaf may have, as log2 of pages, smallest first. */
function leafSizes({ mmu, virtualization }: Platform): number[] {
  const sizes: number[] = [];
  for (const levels of [mmu.levels, virtualization?.stage2Levels ?? []]) {
    let below = 0;
    for (const level of [...levels].reverse()) {
      if (level.leaf && !sizes.includes(below)) sizes.push(below);
      below += level.bits;
    }
  }
  return sizes.sort((a, b) => a - b);
}
