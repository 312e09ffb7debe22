/**
 * The write buffer of a CPU: stores wait here, translated, and drain in order at the hardware's own time.
 * Loads of the same CPU see them; nobody else does.
 */

import type { CpuState } from './cpu-state.ts';
import type { DataPort } from './data-port.ts';
import { EVENT } from './events.ts';
import { CTL, RUN_FINISHED, STORE, TIME } from './registers.ts';
import type { MachineState } from './state.ts';

/** Results of `forward` that are no value. */
export const NOT_BUFFERED = -1;
/** Some bytes are buffered and some are not: the buffer must drain first. */
export const PARTLY_BUFFERED = -2;

export class StoreBuffer {
  readonly capacity: number;
  /** Called when a store has drained: broadcasts may wait for it. */
  drained: (cpu: CpuState) => void = () => {};

  private readonly m: MachineState;
  private readonly port: DataPort;

  constructor(state: MachineState, port: DataPort) {
    this.m = state;
    this.port = port;
    this.capacity = state.platform.writeBufferEntries;
  }

  /** Adds a store; there must be room. The CPU's lock is held. */
  push(
    cpu: CpuState,
    va: number,
    pa: number,
    sizeBytes: number,
    low: number,
    high: number,
    attributes: number,
  ): void {
    this.m.events?.push(EVENT.BUFFER, cpu.index, cpu.ctl[CTL.STORES_IN], pa, low);
    const position = (cpu.ctl[CTL.STORES_IN] >>> 0) % this.capacity;
    const at = position * STORE.WORDS;
    const s = cpu.stores;
    s[at + STORE.VA] = va;
    s[at + STORE.PA] = pa;
    s[at + STORE.SIZE] = sizeBytes;
    s[at + STORE.LOW] = low;
    s[at + STORE.HIGH] = high;
    s[at + STORE.ATTRIBUTES] = attributes;
    cpu.storesDue[position] = cpu.clock + this.m.platform.costs.drainDelayCycles;
    cpu.ctl[CTL.STORES_IN]++;
    this.m.noteAgents(cpu);
    cpu.charge(this.m.platform.costs.l1HitCycles);
  }

  /**
   * What a load finds among this CPU's own stores: the value (8-byte loads: low word only if the newest
   * covering store is as wide), NOT_BUFFERED or PARTLY_BUFFERED.
   */
  forward(cpu: CpuState, pa: number, sizeBytes: number): number {
    if (cpu.buffered === 0 || this.m.mutation === 'forward-misses-buffer') return NOT_BUFFERED;
    const s = cpu.stores;
    for (let n = cpu.ctl[CTL.STORES_IN] - 1; n - cpu.ctl[CTL.STORES_OUT] >= 0; n--) {
      const at = ((n >>> 0) % this.capacity) * STORE.WORDS;
      const from = s[at + STORE.PA] >>> 0;
      const size = s[at + STORE.SIZE];
      if (from >= pa + sizeBytes || from + size <= pa) continue;
      if (from > pa || from + size < pa + sizeBytes) {
        this.m.events?.push(EVENT.HELD, cpu.index, n, 0, 0);
        return PARTLY_BUFFERED;
      }
      const low = s[at + STORE.LOW] >>> 0;
      if (sizeBytes === 8) return low + (s[at + STORE.HIGH] & 0x1f_ffff) * 0x1_0000_0000;
      const word = pa - from >= 4 ? s[at + STORE.HIGH] : low;
      const shift = ((pa - from) & 3) * 8;
      if (sizeBytes === 4) return word >>> 0;
      return (word >>> shift) & (sizeBytes === 1 ? 0xff : 0xffff);
    }
    return NOT_BUFFERED;
  }

  /** Performs the oldest store: one step. The CPU's lock is held; there must be one. */
  drainOne(cpu: CpuState): void {
    const ended = cpu.ctl[CTL.RUN] === RUN_FINISHED ? 1 : 0;
    this.m.events?.push(EVENT.DRAIN, cpu.index, cpu.ctl[CTL.STORES_OUT], ended, 0);
    const position = (cpu.ctl[CTL.STORES_OUT] >>> 0) % this.capacity;
    const at = position * STORE.WORDS;
    const s = cpu.stores;
    // A drain runs beside the program: its time is that of the buffer's own port, and only a barrier or
    // a full buffer makes the program wait for it.
    const before = cpu.clock;
    // When it came due, not when the step ends that the program is in: an invalidate or the return from an
    // interrupt takes hundreds of cycles, and others would find the interconnect taken until then.
    cpu.time[TIME.CLOCK] = Math.max(Math.min(before, cpu.storesDue[position]), cpu.time[TIME.DRAINED]);
    this.port.store(
      cpu,
      s[at + STORE.VA] >>> 0,
      s[at + STORE.PA] >>> 0,
      s[at + STORE.SIZE],
      s[at + STORE.LOW],
      s[at + STORE.HIGH],
      s[at + STORE.ATTRIBUTES],
    );
    cpu.time[TIME.DRAINED] = cpu.clock;
    cpu.time[TIME.CLOCK] = before;
    cpu.ctl[CTL.STORES_OUT]++;
    this.m.noteAgents(cpu);
    this.drained(cpu);
  }

  /** When the oldest store drains by itself, cycles; there must be one. */
  dueCycles(cpu: CpuState): number {
    const due = cpu.storesDue[(cpu.ctl[CTL.STORES_OUT] >>> 0) % this.capacity];
    return Math.max(due, cpu.time[TIME.DRAINED]);
  }
}
