/**
 * Everything the simulated hardware is, as views over one SharedArrayBuffer: physical memory, each
 * CPU's caches, TLBs, write buffer, registers, mailboxes, queues, locks, clocks, and the checker's
 * shadow. No behaviour lives here but locking and charging time.
 */
import { Cache } from './cache.ts';
import type { Carver } from './carver.ts';
import type { CheckPort } from './check-port.ts';
import { CpuState } from './cpu-state.ts';
import type { EventLog } from './events.ts';
import { acquireLock, releaseLock, tryLock } from './locks.ts';
import type { Mutation } from './mutations.ts';
import type { Platform } from './platform.ts';
import { CTL, GLOBAL, LOCK_WANTED, TIME } from './registers.ts';
import { Shadow } from './shadow.ts';
import type { Touched } from './touched.ts';

const BANKS = 64;
/** Host words between two locks, so that they do not share a host cache line. */
const LOCK_STRIDE = 16;
/** Words of presence a line: one bit per CPU. */
const PRESENCE_WORDS = 2;
/**
 * On threads each line has its home lock beside its presence: whoever takes the one needs the other next, and
 * brings both over from the host's other core at once.
 */
const HOME_LOCK = PRESENCE_WORDS;
const THREADED_WORDS = 4;

/** Options that shape the buffer; every thread that attaches must use the same. */
export interface StateOptions {
  /** Processors and devices. */
  readonly cpus: number;
  /** So many of the CPUs, the last ones, are devices; default: none. */
  readonly devices?: number | undefined;
  /** Keep the checker's shadow. */
  readonly checked: boolean;
  /** Several threads run on the buffer: take locks. */
  readonly threaded: boolean;
  /** A deliberate protocol bug, for tests of the tests. */
  readonly mutation?: Mutation | undefined;
}

export class MachineState {
  readonly platform: Platform;
  readonly options: StateOptions;
  readonly threaded: boolean;
  readonly checked: boolean;
  readonly mutation: Mutation | undefined;
  readonly lineShift: number;
  readonly wordsPerLine: number;
  /** Coherence by protocol, as opposed to by software. */
  readonly coherent: boolean;
  readonly global: Int32Array;
  /** Float64 words shared by all: [0] until when the interconnect is busy. */
  readonly bus: Float64Array;
  readonly memory: Int32Array;
  readonly memoryBytes: Uint8Array;
  readonly memoryVersion: Int32Array;
  /**
   * Data caches that may hold a line: one bit per CPU, never too few. A filter for snoops, not hardware. To be
   * read with `presentIn`.
   */
  readonly presence: Int32Array;
  /** The same for instruction caches. */
  readonly fetchPresence: Int32Array;
  readonly shared: Cache | null;
  readonly outer: Cache | null;
  readonly shadow: Shadow | null;
  readonly cpus: readonly CpuState[];
  /** The CPUs without devices. */
  readonly processors: readonly CpuState[];
  readonly devices: readonly CpuState[];
  /** Release times of kernel locks and the like: scratch that programs merge clocks through. */
  readonly times: Float64Array;
  /** Ghost of kernel locks: number + 1 of the CPU that holds each, 0 if none does. */
  readonly holders: Int32Array;
  check: CheckPort | null = null;
  /** Takes events down, if anybody wants to know them. */
  events: EventLog | null = null;
  /** Lines of memory that were written since a Rewind was made or used. */
  touched: Touched | null = null;
  /** The same for `times` and `holders`: whoever writes them marks it. */
  touchedLocks: Touched | null = null;

  /** Words from one line's presence to the next line's. */
  private readonly presenceStride: number;
  private readonly bankLocks: Int32Array;
  private readonly bankMask: number;

  constructor(carver: Carver, platform: Platform, options: StateOptions) {
    const { checked } = options;
    this.platform = platform;
    this.options = options;
    this.threaded = options.threaded;
    this.checked = checked;
    this.mutation = options.mutation;
    this.lineShift = 31 - Math.clz32(platform.lineBytes);
    this.wordsPerLine = platform.lineBytes >> 2;
    this.coherent = platform.coherence !== 'none';
    this.global = carver.i32('global', GLOBAL.WORDS);
    this.bus = carver.f64('bus', 2);
    this.bankLocks = carver.i32('bankLocks', BANKS * LOCK_STRIDE);
    this.times = carver.f64('times', 1024);
    this.holders = carver.i32('holders', 1024);
    const lines = platform.memoryBytes >> this.lineShift;
    this.presenceStride = options.threaded ? THREADED_WORDS : PRESENCE_WORDS;
    this.presence = carver.i32('presence', lines * this.presenceStride);
    this.fetchPresence = carver.i32('fetchPresence', lines * this.presenceStride);
    const physical = { organisation: 'pipt', asidTagged: false } as const;
    const behind = (name: string, spec: Platform['shared']) =>
      spec ? new Cache(carver, name, { ...spec, ...physical }, platform.lineBytes, checked) : null;
    this.shared = behind('shared', platform.shared);
    this.outer = behind('outer', platform.outer);
    this.bankMask = Math.min(BANKS, this.shared?.sets ?? BANKS, this.outer?.sets ?? BANKS) - 1;
    this.cpus = Array.from({ length: options.cpus }, (_, i) => new CpuState(carver, i, platform, checked));
    const processors = options.cpus - (options.devices ?? 0);
    this.processors = this.cpus.slice(0, processors);
    this.devices = this.cpus.slice(processors);
    this.memory = carver.i32('memory', platform.memoryBytes >> 2);
    this.memoryBytes = new Uint8Array(this.memory.buffer, this.memory.byteOffset, this.memory.byteLength);
    this.memoryVersion = carver.i32('memoryVersion', checked ? platform.memoryBytes >> 2 : 0);
    this.shadow = checked ? new Shadow(carver, platform.memoryBytes) : null;
  }

  /** Do transfers of devices look into the caches? Where there is no protocol, nothing answers them. */
  get devicesSnooped(): boolean {
    return this.platform.dma.snooped && this.coherent;
  }

  lockHome(line: number): void {
    if (this.threaded) acquireLock(this.presence, line * THREADED_WORDS + HOME_LOCK);
  }

  unlockHome(line: number): void {
    if (this.threaded) releaseLock(this.presence, line * THREADED_WORDS + HOME_LOCK);
  }

  /** Guards the memory side (shared L2, outer cache, memory) and the shadow of the bank of a line. */
  lockBank(line: number): void {
    if (this.threaded) acquireLock(this.bankLocks, (line & this.bankMask) * LOCK_STRIDE);
  }

  unlockBank(line: number): void {
    if (this.threaded) releaseLock(this.bankLocks, (line & this.bankMask) * LOCK_STRIDE);
  }

  /** A CPU's own lock on its caches, TLBs and queue. */
  lockCpu(cpu: CpuState): void {
    if (this.threaded) acquireLock(cpu.ctl, CTL.LOCK);
  }

  unlockCpu(cpu: CpuState): void {
    if (this.threaded) releaseLock(cpu.ctl, CTL.LOCK);
  }

  /** Takes a CPU's lock if it is free. Returns true if it did. */
  tryLockCpu(cpu: CpuState): boolean {
    return !this.threaded || tryLock(cpu.ctl, CTL.LOCK);
  }

  /** The same lock taken from outside: tells the owner's bulk run to give way. */
  lockOther(cpu: CpuState): void {
    if (this.tryLockCpu(cpu)) return;
    Atomics.add(cpu.ctl, CTL.SNOOPERS, 1);
    if (cpu.ctl[CTL.ANSWERS] !== 0) Atomics.compareExchange(cpu.ctl, CTL.REQUEST, 0, LOCK_WANTED);
    acquireLock(cpu.ctl, CTL.LOCK);
    Atomics.sub(cpu.ctl, CTL.SNOOPERS, 1);
  }

  /** Advances ghost time and returns it. */
  nextEpoch(): number {
    return this.threaded ? Atomics.add(this.global, GLOBAL.EPOCH, 1) + 1 : ++this.global[GLOBAL.EPOCH];
  }

  get epoch(): number {
    return this.threaded ? Atomics.load(this.global, GLOBAL.EPOCH) : this.global[GLOBAL.EPOCH];
  }

  /** Bits of CPUs 32 * `word` to 32 * `word` + 31 that may hold a line, by `presence` or `fetchPresence`. */
  presentIn(map: Int32Array, line: number, word: number): number {
    return map[line * this.presenceStride + word];
  }

  setPresence(map: Int32Array, line: number, cpu: number): void {
    this.touched?.mark(line);
    const at = line * this.presenceStride + (cpu >> 5);
    const bit = 1 << (cpu & 31);
    if (this.threaded) Atomics.or(map, at, bit);
    else map[at] |= bit;
  }

  clearPresence(map: Int32Array, line: number, cpu: number): void {
    const at = line * this.presenceStride + (cpu >> 5);
    const bit = 1 << (cpu & 31);
    if (this.threaded) Atomics.and(map, at, ~bit);
    else map[at] &= ~bit;
  }

  /** One transaction on the interconnect: waits until it is free, then holds it. */
  occupyBus(cpu: CpuState, cycles: number): void {
    const start = Math.max(cpu.clock, this.bus[0]);
    this.bus[0] = start + cycles;
    cpu.time[TIME.CLOCK] = start;
  }
}
