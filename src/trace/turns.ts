/**
 * Orders of accesses by rule rather than by clock: the CPUs take turns, one access each, whatever steps a
 * table walk or a page fault adds to it.
 */
import type { Scheduler, SchedulerView } from '../hosts/schedulers/scheduler.ts';
import { progressAction } from '../hosts/schedulers/scheduler.ts';
import { frameAddress, PTE } from '../machine/attributes.ts';
import { EXCLUSIVE } from '../machine/cache.ts';
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

/**
 * Access number n of all CPUs happens at the same time: what hits in the caches as they are before it is
 * done first, then the bus serves the misses and upgrades in the order of the CPUs. An upgrade counts as a
 * miss, and whether an access is one is decided before any of them is served.
 *
 * For one address space whose mappings only grow.
 */
export class Simultaneous extends Turns {
  override readonly name = 'simultaneous';
  private readonly queue: number[] = [];
  private head = 0;
  private frames: Int32Array | null = null;

  protected override choose(view: SchedulerView): number {
    if (view.cpus.some((cpu, i) => cpu.notes[TRACE_NOTE.NEXT_WORD] === 0 && !view.runners[i].finished)) {
      return super.choose(view);
    }
    if (this.head === this.queue.length) this.beginRound(view);
    return this.head < this.queue.length ? this.queue[this.head++] : -1;
  }

  private beginRound(view: SchedulerView): void {
    const misses: number[] = [];
    this.queue.length = 0;
    this.head = 0;
    for (let i = 0; i < view.runners.length; i++) {
      const runner = view.runners[i];
      if (runner.finished) continue;
      const cpu = view.cpus[i];
      const word = cpu.notes[TRACE_NOTE.NEXT_WORD] - 1;
      const va = (word & ~3) >>> 0;
      const pa = this.translate(runner.cpu.machine, cpu.ctl[CTL.ROOT], va);
      const slot = pa < 0 ? -1 : cpu.l1d.lookup(va, pa >>> cpu.l1d.lineShift, cpu.ctl[CTL.ASID]);
      if (slot >= 0 && ((word & 3) !== KIND_STORE || cpu.l1d.state[slot] >= EXCLUSIVE)) {
        this.queue.push(i);
        continue;
      }
      misses.push(i);
      cpu.notes[TRACE_NOTE.SYNC_MISSES]++;
      if (slot >= 0) cpu.notes[TRACE_NOTE.SYNC_UPGRADES]++;
    }
    this.queue.push(...misses);
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
