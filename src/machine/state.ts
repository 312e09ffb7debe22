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
import type { Mutation, ThreadMutation } from './mutations.ts';
import type { Platform } from './platform.ts';
import { CTL, GLOBAL, LOCK_WANTED, TIME } from './registers.ts';
import { Shadow } from './shadow.ts';
import { Sockets } from './sockets.ts';
import type { Touched } from './touched.ts';

const BANKS = 64;
/** Host words between two locks, so that they do not share a host cache line. */
const LOCK_STRIDE = 16;
/** Words of presence a line, one bit per CPU: two, or four on a machine that needs them. */
const PRESENCE_WORDS = 2;
const PRESENCE_WORDS_MANY = 4;
/** Processors and devices that a machine may have. */
export const MOST_CPUS = PRESENCE_WORDS_MANY * 32;
/** So many on threads, where a request of a snoop has six bits for who asks. */
export const MOST_THREADS = PRESENCE_WORDS * 32;
/**
 * On threads each line has its home lock beside its presence: whoever takes the one needs the other next, and
 * brings both over from the host's other core at once.
 */
const HOME_LOCK = PRESENCE_WORDS;
/** Where nothing but memory lies behind the private caches each line is a bank of its own, with its lock here. */
const LINE_BANK_LOCK = HOME_LOCK + 1;
const THREADED_WORDS = LINE_BANK_LOCK + 1;
/** Transactions of a thread between two looks at what the others have used of the interconnect. */
const BUS_LOOK = 16;
/** What holds the interconnect for longer, such as a broadcast invalidate, the others hear of at once. */
const BUS_SHORT_CYCLES = 100;
/** Over how long uses are added up: longer than threads that take turns on a core are apart. */
const BUS_STRETCH_CYCLES = 1e6;

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
  /** They take one step at a time. Default: no. */
  readonly serialized?: boolean | undefined;
  /** A deliberate protocol bug, for tests of the tests. */
  readonly mutation?: Mutation | ThreadMutation | undefined;
}

export class MachineState {
  readonly platform: Platform;
  readonly options: StateOptions;
  readonly threaded: boolean;
  readonly serialized: boolean;
  readonly checked: boolean;
  readonly mutation: Mutation | ThreadMutation | undefined;
  readonly lineShift: number;
  readonly wordsPerLine: number;
  /** Coherence by protocol, as opposed to by software. */
  readonly coherent: boolean;
  readonly global: Int32Array;
  /** Float64 words shared by all: [0] until when the interconnect is busy, where that is not kept by thread. */
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
  /** Where CPUs lie in sockets, what crosses between them costs. */
  readonly sockets: Sockets | null;
  readonly cpus: readonly CpuState[];
  /** The CPUs without devices. */
  readonly processors: readonly CpuState[];
  readonly devices: readonly CpuState[];
  /** Release times of kernel locks and the like: scratch that programs merge clocks through. */
  readonly times: Float64Array;
  /** Ghost of kernel locks: number + 1 of the CPU that holds each, 0 if none does. */
  readonly holders: Int32Array;
  /**
   * CPUs for which it has changed what the hardware has to do to move a run on (drain a store, deliver a
   * broadcast or an IPI), a bit each, since a scheduler looked last. For machines of one thread only.
   */
  readonly agentsChanged = new Int32Array(MOST_CPUS / 32).fill(-1);
  check: CheckPort | null = null;
  /** Takes events down, if anybody wants to know them. */
  events: EventLog | null = null;
  /** Lines of memory that were written since a Rewind was made or used. */
  touched: Touched | null = null;
  /** The same for `times` and `holders`: whoever writes them marks it. */
  touchedLocks: Touched | null = null;

  /** Words of presence that a line has. */
  readonly presenceWords: number;
  /** Words from one line's presence to the next line's. */
  private readonly presenceStride: number;
  /** A bank's lock is word (line & bankMask) * bankStride + bankOffset. */
  private readonly bankLocks: Int32Array;
  private readonly bankMask: number;
  private readonly bankStride: number;
  private readonly bankOffset: number;
  /** What this thread knows of the interconnect: see `occupyBusOfThread`. */
  private busUntil = 0;
  private busUses = 0;
  /** Cycles that it has not told the others of. */
  private busUnsaid = 0;
  /** When the running stretch began, and what GLOBAL.BUS_USED was then. */
  private busBegan = 0;
  private busUsedBefore = 0;

  constructor(carver: Carver, platform: Platform, options: StateOptions) {
    const { checked } = options;
    this.platform = platform;
    this.options = options;
    this.threaded = options.threaded;
    this.serialized = options.serialized === true;
    this.checked = checked;
    this.mutation = options.mutation;
    this.lineShift = 31 - Math.clz32(platform.lineBytes);
    this.wordsPerLine = platform.lineBytes >> 2;
    this.coherent = platform.coherence !== 'none';
    this.global = carver.i32('global', GLOBAL.WORDS);
    this.bus = carver.f64('bus', 2);
    const bankLocks = carver.i32('bankLocks', BANKS * LOCK_STRIDE);
    this.times = carver.f64('times', 1024);
    this.holders = carver.i32('holders', 1024);
    const lines = platform.memoryBytes >> this.lineShift;
    this.presenceWords = options.cpus > PRESENCE_WORDS * 32 ? PRESENCE_WORDS_MANY : PRESENCE_WORDS;
    this.presenceStride = options.threaded ? THREADED_WORDS : this.presenceWords;
    this.presence = carver.i32('presence', lines * this.presenceStride);
    this.fetchPresence = carver.i32('fetchPresence', lines * this.presenceStride);
    const physical = { organisation: 'pipt', asidTagged: false } as const;
    const behind = (name: string, spec: Platform['shared']) =>
      spec ? new Cache(carver, name, { ...spec, ...physical }, platform.lineBytes, checked) : null;
    this.shared = behind('shared', platform.shared);
    this.outer = behind('outer', platform.outer);
    const isLineBank = options.threaded && this.shared === null && this.outer === null;
    this.bankLocks = isLineBank ? this.presence : bankLocks;
    this.bankMask = isLineBank
      ? -1
      : Math.min(BANKS, this.shared?.sets ?? BANKS, this.outer?.sets ?? BANKS) - 1;
    this.bankStride = isLineBank ? THREADED_WORDS : LOCK_STRIDE;
    this.bankOffset = isLineBank ? LINE_BANK_LOCK : 0;
    this.cpus = Array.from({ length: options.cpus }, (_, i) => new CpuState(carver, i, platform, checked));
    const processors = options.cpus - (options.devices ?? 0);
    this.processors = this.cpus.slice(0, processors);
    this.devices = this.cpus.slice(processors);
    this.sockets = platform.sockets ? new Sockets(platform, platform.sockets, processors) : null;
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

  /** Takes the home lock of a line if it is free. Returns true if it did. */
  tryLockHome(line: number): boolean {
    return !this.threaded || tryLock(this.presence, line * THREADED_WORDS + HOME_LOCK);
  }

  unlockHome(line: number): void {
    if (this.threaded) releaseLock(this.presence, line * THREADED_WORDS + HOME_LOCK);
  }

  /** Guards the memory side (shared L2, outer cache, memory) and the shadow of the bank of a line. */
  lockBank(line: number): void {
    if (this.threaded) acquireLock(this.bankLocks, this.bankWord(line));
  }

  unlockBank(line: number): void {
    if (this.threaded) releaseLock(this.bankLocks, this.bankWord(line));
  }

  private bankWord(line: number): number {
    return (line & this.bankMask) * this.bankStride + this.bankOffset;
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

  /** It has changed what the hardware has to do for a CPU: see `agentsChanged`. */
  noteAgents(cpu: CpuState): void {
    this.agentsChanged[cpu.index >> 5] |= 1 << (cpu.index & 31);
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

  /** Of those bits of `presence` the ones that are not `cpu`'s own. */
  presentElsewhere(cpu: CpuState, line: number, word: number): number {
    const bits = this.presentIn(this.presence, line, word);
    return word === cpu.index >> 5 ? bits & ~(1 << (cpu.index & 31)) : bits;
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
    if (this.threaded && !this.checked && this.events === null) {
      this.occupyBusOfThread(cpu, cycles);
      return;
    }
    const start = Math.max(cpu.clock, this.bus[0]);
    this.bus[0] = start + cycles;
    cpu.time[TIME.CLOCK] = start;
  }

  /**
   * On threads a word that each transaction writes costs each of them a trip between the host's cores. So a
   * thread has the interconnect for itself, and every so many transactions it adds up what all have used of it
   * over a stretch of its own time: as only one can use it at a time, it was busy no shorter than that. What
   * transactions wait for is then right on the average over a stretch, and not for each, which is all that
   * there is to be right: the clocks of threads drift apart by more than one of them takes. Machines that are
   * checked or listened to keep one word, and lockstep is exact.
   */
  private occupyBusOfThread(cpu: CpuState, cycles: number): void {
    const start = Math.max(cpu.clock, this.busUntil);
    if (this.busUses === 0 || start - this.busBegan > BUS_STRETCH_CYCLES) {
      this.busBegan = start;
      this.busUsedBefore = Atomics.load(this.global, GLOBAL.BUS_USED);
    }
    this.busUntil = start + cycles;
    this.busUnsaid += cycles;
    cpu.time[TIME.CLOCK] = start;
    if (++this.busUses % BUS_LOOK === 0 || cycles > BUS_SHORT_CYCLES) this.shareBus();
  }

  /** Tells the other threads how long this one has had the interconnect, and takes their use into account. */
  private shareBus(): void {
    const own = Math.floor(this.busUnsaid);
    this.busUnsaid -= own;
    const before = Atomics.add(this.global, GLOBAL.BUS_USED, own);
    // The word counts modulo 2^32.
    const used = (before + own - this.busUsedBefore) >>> 0;
    this.busUntil = Math.max(this.busUntil, this.busBegan + used);
  }
}
