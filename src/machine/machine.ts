/**
 * The whole simulated hardware on one SharedArrayBuffer: creates it, attaches to it from another thread,
 * resets it. The parts are in files of their own.
 */
import { Agents } from './agents.ts';
import { BulkPort } from './bulk-port.ts';
import { CacheMaintenance } from './cache-maintenance.ts';
import { Carver, type Region } from './carver.ts';
import { Coherence } from './coherence.ts';
import { DataPort } from './data-port.ts';
import { DevicePort } from './device-port.ts';
import { FetchPort } from './fetch-port.ts';
import { GuestWalk } from './guest-walk.ts';
import { Interrupts } from './interrupts.ts';
import { MemorySide } from './memory-side.ts';
import type { Platform } from './platform.ts';
import { CTL } from './registers.ts';
import { MachineState, MOST_CPUS, MOST_THREADS, type StateOptions } from './state.ts';
import { StoreBuffer } from './store-buffer.ts';
import { TlbMaintenance } from './tlb-maintenance.ts';
import { Translation } from './translation.ts';
import { VirtualCoherency } from './virtual-coherency.ts';

export type MachineOptions = StateOptions;

export class Machine {
  readonly platform: Platform;
  readonly options: MachineOptions;
  readonly buffer: SharedArrayBuffer;
  readonly state: MachineState;
  readonly memory: MemorySide;
  readonly coherence: Coherence;
  readonly port: DataPort;
  readonly fetchPort: FetchPort;
  readonly devices: DevicePort;
  readonly stores: StoreBuffer;
  readonly translation: Translation;
  /** Where guests run. */
  readonly guests: GuestWalk | null;
  readonly tlb: TlbMaintenance;
  readonly caches: CacheMaintenance;
  readonly interrupts: Interrupts;
  readonly agents: Agents;
  readonly bulk: BulkPort;
  /** Where accesses may raise virtual coherency exceptions. */
  readonly aliases: VirtualCoherency | null;

  private constructor(platform: Platform, options: MachineOptions, buffer: SharedArrayBuffer) {
    this.platform = platform;
    this.options = options;
    this.buffer = buffer;
    const state = new MachineState(new Carver(buffer), platform, options);
    this.state = state;
    this.memory = new MemorySide(state);
    this.coherence = new Coherence(state, this.memory);
    this.port = new DataPort(state, this.coherence, this.memory);
    this.fetchPort = new FetchPort(state, this.coherence, this.memory);
    this.devices = new DevicePort(state, this.coherence, this.memory, this.port);
    this.aliases = platform.l2?.primaryIndex ? new VirtualCoherency(state, this.coherence) : null;
    this.fetchPort.aliases = this.aliases;
    this.stores = new StoreBuffer(state, this.port);
    this.translation = new Translation(state, this.port, this.coherence, this.memory);
    this.translation.aliases = this.aliases;
    this.guests = platform.virtualization ? new GuestWalk(state, this.translation) : null;
    this.tlb = new TlbMaintenance(state, this.coherence);
    this.caches = new CacheMaintenance(state, this.coherence, this.memory);
    this.interrupts = new Interrupts(state, this.coherence);
    this.agents = new Agents(state, this);
    this.bulk = new BulkPort(this);
    const done = (cpu: MachineState['cpus'][number]) => this.tlb.complete(cpu);
    this.port.accessDone = done;
    this.fetchPort.accessDone = done;
    this.stores.drained = done;
    this.tlb.awaitDrain = (cpu) => {
      if (cpu.buffered > 0) this.stores.drainOne(cpu);
    };
  }

  /**
   * A new machine, reset.
   * @param seed starts random replacement; any integer
   * @throws Error if the processors are not 1 to platform.maxCpus, or with the devices more than 128, on threads 64
   */
  static create(platform: Platform, options: MachineOptions, seed: number): Machine {
    const { cpus, devices = 0 } = options;
    const processors = cpus - devices;
    if (!Number.isInteger(processors) || processors < 1 || processors > platform.maxCpus) {
      throw new Error(
        `${platform.name}: ${processors} CPUs asked for, the platform has 1 to ${platform.maxCpus}`,
      );
    }
    const most = options.threaded ? MOST_THREADS : MOST_CPUS;
    if (devices < 0 || cpus > most) {
      const where = options.threaded ? ' on threads' : '';
      throw new Error(
        `${platform.name}: ${processors} CPUs and ${devices} devices asked for: together they may be at most ${most}${where}`,
      );
    }
    const measure = new Carver();
    new MachineState(measure, platform, options);
    const machine = new Machine(platform, options, new SharedArrayBuffer(measure.sizeBytes));
    machine.powerOn(seed);
    return machine;
  }

  /** The same machine seen from another thread; platform and options must be those it was created with. */
  static attach(buffer: SharedArrayBuffer, platform: Platform, options: MachineOptions): Machine {
    return new Machine(platform, options, buffer);
  }

  /** Where everything is in the buffer. */
  static layout(platform: Platform, options: MachineOptions): readonly Region[] {
    const measure = new Carver();
    new MachineState(measure, platform, options);
    return measure.regions;
  }

  /** Power-on state: memory zero, caches and TLBs empty, translation off, caches on. */
  reset(seed: number): void {
    new Uint8Array(this.buffer).fill(0);
    this.powerOn(seed);
  }

  /** What must not be zero; the rest is, and untouched memory costs nothing. */
  private powerOn(seed: number): void {
    const { state } = this;
    state.shared?.reset(seed);
    state.outer?.reset(seed + 1);
    for (const cpu of state.cpus) {
      const own = seed + 7919 * (cpu.index + 1);
      for (const [i, cache] of [cpu.l1d, cpu.l1i, cpu.l2].entries()) cache?.reset(own + i);
      for (const tlb of cpu.tlbs) tlb.reset(own);
      cpu.walkCache?.reset();
      // What a device does like a CPU goes past the caches, too.
      cpu.ctl[CTL.CACHE_ON] = state.devices.includes(cpu) ? 0 : 1;
    }
  }

  /** Writes a word of memory as the boot loader does: before anything is cached. */
  poke(pa: number, word: number): void {
    this.state.memory[pa >>> 2] = word;
    if (this.state.shadow) this.state.shadow.value[pa >>> 2] = word;
  }

  /** Word of memory proper, whatever the caches hold. */
  peek(pa: number): number {
    return this.state.memory[pa >>> 2] >>> 0;
  }
}
