/**
 * Orders of accesses by rule rather than by clock: the CPUs take turns, one access each, whatever steps a
 * table walk or a page fault adds to it.
 */
import type { Scheduler, SchedulerView } from '../hosts/schedulers/scheduler.ts';
import { progressAction } from '../hosts/schedulers/scheduler.ts';
import { frameAddress, PTE } from '../machine/attributes.ts';
import { EXCLUSIVE, INVALID, MODIFIED, SHARED } from '../machine/cache.ts';
import type { Machine } from '../machine/machine.ts';
import { PAGE_BYTES, PAGE_SHIFT } from '../machine/platform.ts';
import { CTL } from '../machine/registers.ts';
import { TRACE_NOTE } from './notes.ts';
import { KIND_STORE } from './records.ts';

/** CPUs in turn. Whoever has taken the fewest turns is next, and keeps its turn until it is over. */
export class Turns implements Scheduler {
  readonly name: string = 'turns';
  private current = -1;
  private turns = 0;

  next(view: SchedulerView): number {
    const { current } = this;
    if (current >= 0 && view.runners[current].isReady()) {
      if (view.cpus[current].notes[TRACE_NOTE.TURNS] === this.turns) return current;
    }
    const choice = this.choose(view);
    if (choice < 0) return progressAction(view, 0);
    this.current = choice;
    this.turns = view.cpus[choice].notes[TRACE_NOTE.TURNS];
    return choice;
  }

  /** The CPU whose turn is next, or -1 if none can move. */
  protected choose(view: SchedulerView): number {
    let choice = -1;
    let fewest = Number.POSITIVE_INFINITY;
    for (let cpu = 0; cpu < view.runners.length; cpu++) {
      const turns = view.cpus[cpu].notes[TRACE_NOTE.TURNS];
      if (turns >= fewest || !view.runners[cpu].isReady()) continue;
      choice = cpu;
      fewest = turns;
    }
    return choice;
  }
}

/** An access of a round that the caches alone cannot serve. */
interface Miss {
  readonly cpu: number;
  readonly line: number;
  readonly write: boolean;
}

/**
 * Access number n of all CPUs happens at the same time, and then their bus messages take effect in the
 * order of the CPUs, before access n + 1. So whether an access hits is decided by the caches as they are
 * before any access of the round; an upgrade counts as a miss; and a message takes effect on a copy that
 * another CPU has just got in the same round as well: of two CPUs that store to one line at once, neither
 * has it afterwards.
 *
 * The machine serves one transaction at a time. Here it is driven through the round so that it ends where
 * the rule says: hits, victims, transactions in order, then what earlier messages do to later copies. What
 * is counted differently (misses, invalidations, downgrades) is counted here.
 *
 * For one address space whose mappings only grow, and MSI.
 */
export class Simultaneous extends Turns {
  override readonly name = 'simultaneous';
  private readonly queue: number[] = [];
  private head = 0;
  private misses: Miss[] = [];
  private frames: Int32Array | null = null;

  protected override choose(view: SchedulerView): number {
    if (view.cpus.some((cpu, i) => cpu.notes[TRACE_NOTE.NEXT_WORD] === 0 && !view.runners[i].finished)) {
      return super.choose(view);
    }
    if (this.head === this.queue.length) {
      if (this.misses.length > 1) this.crossMessages(view);
      this.beginRound(view);
    }
    return this.head < this.queue.length ? this.queue[this.head++] : -1;
  }

  private beginRound(view: SchedulerView): void {
    this.queue.length = 0;
    this.head = 0;
    this.misses = [];
    for (let i = 0; i < view.runners.length; i++) {
      if (!view.runners[i].finished) this.classify(view, i);
    }
    for (const miss of this.misses) this.queue.push(miss.cpu);
    if (this.misses.length > 0) this.countMessages(view);
  }

  private classify(view: SchedulerView, i: number): void {
    const cpu = view.cpus[i];
    const { machine } = view.runners[i].cpu;
    const { l1d, notes } = cpu;
    const word = notes[TRACE_NOTE.NEXT_WORD] - 1;
    const va = (word & ~3) >>> 0;
    const pa = this.translate(machine, cpu.ctl[CTL.ROOT], va);
    const line = pa < 0 ? -1 : pa >>> l1d.lineShift;
    const slot = pa < 0 ? -1 : l1d.lookup(va, line, cpu.ctl[CTL.ASID]);
    const write = (word & 3) === KIND_STORE;
    if (slot >= 0 && (!write || l1d.state[slot] >= EXCLUSIVE)) {
      this.queue.push(i);
      return;
    }
    // A page that nobody has touched has no line yet; two first touches of one page meet by its address.
    this.misses.push({ cpu: i, line: line < 0 ? -1 - (va >>> l1d.lineShift) : line, write });
    notes[TRACE_NOTE.SYNC_MISSES]++;
    if (slot >= 0) notes[TRACE_NOTE.SYNC_UPGRADES]++;
    else {
      // By virtual address: a page and its frame have the same colour.
      const victim = l1d.victim(l1d.setOf(va, va >>> l1d.lineShift));
      if (l1d.pa[victim] >= 0) machine.coherence.evictL1(cpu, victim);
    }
  }

  /** What the messages of a round do, one after the other, to the copies that all its accesses leave. */
  private countMessages(view: SchedulerView): void {
    const { misses } = this;
    const copies = new Map<string, number>();
    const copyOf = (cpu: number, line: number): number => {
      const known = copies.get(`${cpu} ${line}`);
      if (known !== undefined) return known;
      const own = misses.find((miss) => miss.cpu === cpu && miss.line === line);
      if (own) return own.write ? MODIFIED : SHARED;
      const { l1d } = view.cpus[cpu];
      const slot = line < 0 ? -1 : l1d.findPhysical(line, -1);
      return slot < 0 ? INVALID : l1d.state[slot];
    };
    for (const { cpu, line, write } of misses) {
      for (let other = 0; other < view.cpus.length; other++) {
        if (other === cpu) continue;
        const copy = copyOf(other, line);
        if (copy === INVALID || (!write && copy < EXCLUSIVE)) continue;
        view.cpus[other].notes[write ? TRACE_NOTE.SYNC_INVALIDATIONS : TRACE_NOTE.SYNC_DOWNGRADES]++;
        copies.set(`${other} ${line}`, write ? INVALID : SHARED);
      }
    }
  }

  /** Earlier messages of the round take effect on copies that later ones have got. */
  private crossMessages(view: SchedulerView): void {
    const { misses } = this;
    for (let i = 0; i < misses.length; i++) {
      const { line, write } = misses[i];
      for (let j = i + 1; j < misses.length; j++) {
        const later = misses[j];
        if (later.line !== line || (!write && !later.write)) continue;
        this.repeatMessage(view, misses[i]);
        break;
      }
    }
  }

  private repeatMessage(view: SchedulerView, { cpu, line, write }: Miss): void {
    const { machine } = view.runners[cpu].cpu;
    const hw = view.cpus[cpu];
    const { lineShift } = hw.l1d;
    const va = ((-1 - line) << lineShift) >>> 0;
    const physical = line >= 0 ? line : this.translate(machine, hw.ctl[CTL.ROOT], va) >>> lineShift;
    if (write) machine.coherence.invalidateOthers(hw, physical);
    else machine.coherence.snoopOthers(hw, physical, false, false);
  }

  /** Physical address by the page tables in memory, or -1; what was found once is remembered. */
  private translate(machine: Machine, root: number, va: number): number {
    this.frames ??= new Int32Array(1 << 20).fill(-1);
    const page = va >>> PAGE_SHIFT;
    if (this.frames[page] === -1) {
      const { translation } = machine;
      let table = root;
      for (let level = 0; ; level++) {
        const entry = machine.peek(translation.entryAddress(table, level, va));
        if ((entry & PTE.VALID) === 0) return -1;
        table = frameAddress(entry);
        if (level === translation.depth) break;
      }
      this.frames[page] = table | 0;
    }
    return ((this.frames[page] & -PAGE_BYTES) | (va & (PAGE_BYTES - 1))) >>> 0;
  }
}
