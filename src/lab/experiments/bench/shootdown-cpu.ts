/** The programs of `shootdown-bench.ts`: initiators, other users, bystanders. */
import type { Checker } from '../../../checker/checker.ts';
import type { BootPage } from '../../../kernel/boot-process.ts';
import { unlessFaulting } from '../../../kernel/boot-user.ts';
import { type Kernel, READ_WRITE } from '../../../kernel/kernel.ts';
import type { Posted } from '../../../kernel/shootdown/lazy-batch.ts';
import { type ShootdownParts, shootDown } from '../../../kernel/shootdown/mechanisms.ts';
import { frameAddress } from '../../../machine/attributes.ts';
import type { Cpu, Steps } from '../../../machine/cpu.ts';
import { PAGE_BYTES } from '../../../machine/platform.ts';
import { COUNT } from '../../../machine/registers.ts';
import type { Meeting } from './meeting.ts';
import {
  BENCH_NOTE,
  firstBystander,
  OWN,
  type ShootdownBench,
  type ShootdownLayout,
} from './shootdown-spec.ts';

/** So long initiators wait until what the last round and the meeting have stirred up has settled: and more by CPU. */
const SETTLE_UNITS = 5_000;
const SETTLE_UNITS_A_CPU = 400;
/** LATR's tick is a millisecond; so that CPUs do not look all at once, theirs come so many cycles apart. */
const TICK_CYCLES = 20_000;
const TICK_APART_CYCLES = 1_000;
const POLL_UNITS = 2_000;
/** More than clearing a page's entry takes, besides its flush. */
const PAGE_CYCLES = 100;
/** In a busy run: accesses between two ticks. */
const BUSY_TICK = 5;

const settleUnits = ({ machine }: Cpu) => SETTLE_UNITS + SETTLE_UNITS_A_CPU * machine.options.cpus;

/** What one CPU does, in the order of the rounds. */
export class ShootdownCpu {
  private readonly cpu: Cpu;
  private readonly bench: ShootdownBench;
  private readonly kernel: Kernel;
  private readonly parts: ShootdownParts;
  private readonly meeting: Meeting;
  private readonly checker: Checker | null;
  private readonly pages: readonly BootPage[];
  private readonly frames: number[];
  private readonly trace: Uint32Array;
  private readonly isUser: boolean;
  private sweepCycles = 0;

  constructor(
    cpu: Cpu,
    bench: ShootdownBench,
    layout: ShootdownLayout,
    kernel: Kernel,
    parts: ShootdownParts,
    meeting: Meeting,
    checker: Checker | null,
  ) {
    this.cpu = cpu;
    this.bench = bench;
    this.kernel = kernel;
    this.parts = parts;
    this.meeting = meeting;
    this.checker = checker;
    this.pages = layout.taken[cpu.index] ?? [];
    this.frames = this.pages.map(({ frame }) => frame);
    this.isUser = cpu.index < firstBystander(cpu.machine.options.cpus, bench);
    const shared = this.isUser ? layout.taken.flat().map(({ va }) => va) : [];
    const own = Array.from({ length: bench.ownPages }, (_, i) => OWN + i * PAGE_BYTES);
    const { lineBytes } = cpu.machine.platform;
    // Not the same line of each page: they would all fall into one set.
    this.trace = Uint32Array.from([...shared, ...own], (va, i) => va + ((i * 5 * lineBytes) % PAGE_BYTES));
  }

  *run(): Steps {
    const { cpu, bench } = this;
    const { counters, notes } = cpu.hw;
    yield* cpu.touch(this.trace);
    yield* this.meeting.meet();
    const usual = yield* this.use();
    yield* this.round(false);
    const lost = () => counters[COUNT.interruptCycles] + counters[COUNT.stolenCycles] + this.sweepCycles;
    yield* this.use();
    let before = lost();
    for (let round = 0; round < bench.rounds; round++) {
      yield* this.round(true);
      notes[BENCH_NOTE.LOST] += lost() - before;
      const again = yield* this.use();
      before = lost();
      notes[BENCH_NOTE.WALKS] += again.walks - usual.walks;
      notes[BENCH_NOTE.REFILL] += again.cycles - usual.cycles;
    }
  }

  private *use(): Steps<{ walks: number; cycles: number }> {
    const { cpu } = this;
    const walks = cpu.hw.counters[COUNT.walks];
    const began = cpu.clock;
    // One access a step: a step of many would take the interconnect from others for a time that has not come yet.
    yield* cpu.touch(this.trace, 0, this.trace.length, 1);
    return { walks: cpu.hw.counters[COUNT.walks] - walks, cycles: cpu.clock - began };
  }

  /** One shootdown by each initiator, and everything back to where it was. */
  private *round(isMeasured: boolean): Steps {
    const { cpu, bench, meeting } = this;
    yield* meeting.meet();
    if (cpu.index < bench.initiators) yield* this.takeAway(isMeasured);
    else if (bench.isBusy) yield* this.stayBusy();
    else yield* this.waitForTicks();
    yield* meeting.meet();
  }

  private *takeAway(isMeasured: boolean): Steps {
    const { cpu, bench, kernel, meeting } = this;
    const { notes } = cpu.hw;
    yield* cpu.compute(settleUnits(cpu));
    const began = cpu.clock;
    for (const { ptePa } of this.pages) {
      yield* kernel.tables.read(cpu, ptePa);
      yield* kernel.tables.write(cpu, ptePa, 0);
    }
    const posted = yield* shootDown(
      this.parts,
      bench.mechanism,
      cpu,
      kernel.spaces[0],
      this.pages[0].va,
      this.pages.length,
    );
    if (isMeasured) notes[BENCH_NOTE.CYCLES] += cpu.clock - began;
    if (posted) yield* this.reclaim(posted);
    if (isMeasured) notes[BENCH_NOTE.COMPLETE] += cpu.clock - began;
    // Until nobody is named any more an old translation may be used: only then is it a promise.
    if (!posted || bench.wrong !== 'frees-at-once') {
      for (const { ptePa } of this.pages) this.checker?.contract(cpu, ptePa);
    }
    if (bench.isBusy) yield* this.lendFrames();
    for (const [i, { ptePa }] of this.pages.entries()) {
      yield* kernel.tables.write(cpu, ptePa, (frameAddress(this.frames[i]) | READ_WRITE) >>> 0);
    }
    yield* cpu.dsb();
    if (this.isOneOfMany) yield* meeting.meetDoing(() => this.tick(POLL_UNITS));
    else yield* meeting.meet();
  }

  /** Others may owe flushes to this CPU's pages, and this CPU to theirs, at times that nobody knows. */
  private get isOneOfMany(): boolean {
    return this.bench.mechanism === 'lazy' && this.bench.initiators > 1;
  }

  /** Works until the next tick, and flushes what others have posted. */
  private *tick(units: number): Steps {
    const { cpu } = this;
    yield* cpu.compute(units);
    const began = cpu.clock;
    yield* this.parts.lazy.sweep(cpu);
    this.sweepCycles += cpu.clock - began;
  }

  /** Waits until what was posted is done. Who waits for another that has posted as well has ticks meanwhile. */
  private *reclaim(posted: Posted): Steps {
    const { cpu, bench, parts } = this;
    if (bench.wrong === 'frees-at-once') return;
    if (this.isOneOfMany) {
      while (!(yield* parts.lazy.isDone(cpu, posted))) yield* this.tick(POLL_UNITS);
      return;
    }
    yield* cpu.waitUntil(posted.statePa, (inUse) => inUse === 0, {
      why: 'the other CPUs to flush what was posted',
      uncached: parts.uncached,
    });
  }

  /** Somebody else has the frames for a while, and gives others back. */
  private *lendFrames(): Steps {
    const { cpu, kernel } = this;
    for (const frame of this.frames) yield* kernel.frames.free(cpu, frame);
    for (let i = 0; i < this.frames.length; i++) {
      this.frames[i] = yield* kernel.frames.allocate(cpu);
      yield* cpu.storePhysical(this.frames[i], 0xdead_0000 + i, 4);
    }
  }

  /** Sleeps while the pages go, or until the tick at which it flushes. */
  private *waitForTicks(): Steps {
    const { cpu, bench, meeting } = this;
    const { tlbInvalidateCycles, instructionCycles } = cpu.machine.platform.costs;
    if (bench.mechanism === 'lazy') {
      const away = bench.pages * (tlbInvalidateCycles + PAGE_CYCLES);
      const tick = TICK_CYCLES + cpu.index * TICK_APART_CYCLES + away;
      const units = settleUnits(cpu) + Math.ceil(tick / instructionCycles);
      yield* this.tick(units);
      if (this.isOneOfMany) return yield* meeting.meetDoing(() => this.tick(units));
    }
    yield* meeting.meet();
  }

  /** Goes on using the pages until they are back. */
  private *stayBusy(): Steps {
    const { cpu, bench } = this;
    let access = 0;
    yield* this.meeting.meetDoing(() => this.useOne(access++));
    if (bench.mechanism === 'lazy') yield* this.parts.lazy.sweep(cpu);
  }

  private *useOne(access: number): Steps {
    const { cpu, bench } = this;
    const va = this.trace[access % this.trace.length];
    yield* unlessFaulting(access % 3 === 0 ? cpu.store(va, access) : cpu.load(va));
    if (bench.mechanism === 'lazy' && access % BUSY_TICK === 0) yield* this.parts.lazy.sweep(cpu);
  }
}
