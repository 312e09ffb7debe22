/**
 * What the hardware does at its own time: drain a buffered store, evict a line, prefetch the next one,
 * walk speculatively, deliver a broadcast or an IPI. Each is one atomic transition that a scheduler may
 * choose like a CPU step, and has a number: below FIRST_ACTION a choice is the CPU that takes a step, from there on
 * ((1 + agent) * 64 + cpu) * 65536 + parameter, with 512 * 65536 more for each 64 CPUs that the number of the CPU
 * goes beyond 64.
 */
import { ATTRIBUTE_NORMAL, frameAddress } from './attributes.ts';
import type { Cache } from './cache.ts';
import type { Coherence } from './coherence.ts';
import type { CpuState } from './cpu-state.ts';
import type { DataPort } from './data-port.ts';
import type { GuestWalk } from './guest-walk.ts';
import { Interrupts } from './interrupts.ts';
import { type AgentName, agentNames, PAGE_BYTES } from './platform.ts';
import { Progress } from './progress.ts';
import { CTL, TIME } from './registers.ts';
import type { MachineState } from './state.ts';
import type { StoreBuffer } from './store-buffer.ts';
import { ENTRY } from './tlb.ts';
import type { TlbMaintenance } from './tlb-maintenance.ts';
import type { Translation } from './translation.ts';
import type { VirtualCoherency } from './virtual-coherency.ts';
import { walkWhole } from './whole-walk.ts';

const PARAMETERS = 65536;
/** Agents, and what the numbers of CPUs have, by which a choice counts CPUs in its head. */
const CPU_FIELD = 64;
const AGENT_FIELD = 8;
/** The least choice that is an agent's action: below it a choice is the number of a CPU. */
export const FIRST_ACTION = CPU_FIELD * PARAMETERS;

/** A choice taken apart. */
export interface AgentAction {
  readonly agent: AgentName;
  readonly cpu: number;
  readonly parameter: number;
}

export function encodeAction(agent: AgentName, cpu: number, parameter: number): number {
  const beyond = Math.floor(cpu / CPU_FIELD) * AGENT_FIELD;
  return ((beyond + 1 + agentNames.indexOf(agent)) * CPU_FIELD + (cpu % CPU_FIELD)) * PARAMETERS + parameter;
}

/** Name of the agent of a choice that is an agent's action. */
export function agentOfAction(choice: number): AgentName {
  return agentNames[(Math.floor(choice / FIRST_ACTION) % AGENT_FIELD) - 1];
}

export function decodeAction(choice: number): AgentAction {
  const head = Math.floor(choice / PARAMETERS);
  return {
    agent: agentOfAction(choice),
    cpu: (head % CPU_FIELD) + Math.floor(head / (CPU_FIELD * AGENT_FIELD)) * CPU_FIELD,
    parameter: choice % PARAMETERS,
  };
}

interface Parts {
  readonly coherence: Coherence;
  readonly port: DataPort;
  readonly stores: StoreBuffer;
  readonly tlb: TlbMaintenance;
  readonly interrupts: Interrupts;
  readonly translation: Translation;
  readonly guests: GuestWalk | null;
  readonly aliases: VirtualCoherency | null;
}

export class Agents {
  /** Agents that this platform has, without those that the run switched off. */
  readonly names: readonly AgentName[];
  /** Virtual addresses that speculation may go to, beside the line after the last access. */
  speculation: readonly number[] = [];
  /** Told of every action, in the thread that performs it and just before it does. */
  observer: ((choice: number) => void) | null = null;

  /** What those that move a run on have to do, kept for schedulers: for machines of one thread. */
  readonly progress: Progress;

  private readonly m: MachineState;
  private readonly parts: Parts;
  /** By CPU, the choice with parameter 0 of each agent that moves a run on; -1: the platform has none. */
  private readonly firstChoices: readonly { drain: number; broadcast: number; ipi: number }[];

  constructor(state: MachineState, parts: Parts) {
    this.m = state;
    this.parts = parts;
    this.names = state.platform.agents;
    const first = (agent: AgentName, cpu: number) =>
      this.names.includes(agent) ? encodeAction(agent, cpu, 0) : -1;
    this.firstChoices = state.cpus.map((_, cpu) => ({
      drain: first('drain', cpu),
      broadcast: first('broadcast', cpu),
      ipi: first('ipi', cpu),
    }));
    this.progress = new Progress(state, parts, (agent, cpu) => encodeAction(agent, cpu, 0));
  }

  /** Number of parameters that an agent of a CPU can be chosen with now; 0: nothing to do at all. */
  parameters(agent: AgentName, cpu: CpuState): number {
    switch (agent) {
      case 'drain':
        return cpu.buffered > 0 ? 1 : 0;
      case 'broadcast':
        return this.parts.tlb.unacted(cpu) > 0 ? 1 : 0;
      case 'ipi':
        return Interrupts.inFlight(cpu) !== 0 ? 32 : 0;
      default:
        // Devices have no caches, and do nothing that they were not told to do.
        return cpu.index < this.m.processors.length ? this.disturbances(agent, cpu) : 0;
    }
  }

  private disturbances(agent: AgentName, cpu: CpuState): number {
    switch (agent) {
      case 'evict':
        return cpu.l1d.lines + (cpu.l2?.lines ?? 0);
      default:
        return cpu.ctl[CTL.RUN] === 4 ? 0 : this.speculation.length + 1;
    }
  }

  /**
   * First choice of an agent at or after `parameter`, wrapping, that would change something; -1 if none
   * of the next `tries` would.
   */
  enabledFrom(agent: AgentName, cpu: CpuState, parameter: number, tries: number): number {
    const count = this.parameters(agent, cpu);
    if (count === 0) return -1;
    if (agent === 'evict') return this.filledFrom(cpu, parameter % count, Math.min(count, tries));
    for (let i = 0; i < count && i < tries; i++) {
      const p = (parameter + i) % count;
      if (this.changesSomething(agent, cpu, p)) return encodeAction(agent, cpu.index, p);
    }
    return -1;
  }

  /** `enabledFrom` for evictions: random schedulers look at many CPUs whose caches are nearly empty. */
  private filledFrom(cpu: CpuState, from: number, tries: number): number {
    const { l1d, l2 } = cpu;
    const { lines } = l1d;
    const count = lines + (l2 === null ? 0 : l2.lines);
    let p = from;
    for (let i = 0; i < tries; i++) {
      const line = p < lines || l2 === null ? l1d.pa[p] : l2.pa[p - lines];
      if (line >= 0) return encodeAction('evict', cpu.index, p);
      if (++p === count) p = 0;
    }
    return -1;
  }

  /**
   * Appends every enabled choice of an agent of a CPU to `list` from position `at` on; returns the end.
   * An agent's evictions are looked for where lines have been filled since the machine was rewound.
   */
  listEnabled(agent: AgentName, cpu: CpuState, list: number[], at: number): number {
    let end = at;
    if (agent === 'evict' && cpu.l1d.touched) {
      for (const slot of filledSlots(cpu.l1d)) list[end++] = encodeAction('evict', cpu.index, slot);
      if (!cpu.l2) return end;
      for (const slot of filledSlots(cpu.l2)) {
        list[end++] = encodeAction('evict', cpu.index, cpu.l1d.lines + slot);
      }
      return end;
    }
    const count = this.parameters(agent, cpu);
    for (let p = 0; p < count; p++) {
      if (this.changesSomething(agent, cpu, p)) list[end++] = encodeAction(agent, cpu.index, p);
    }
    return end;
  }

  /** `listEnabled` for the agents that move a run on: after every step of an exploration, so without detours. */
  listProgress(cpu: CpuState, list: number[], at: number): number {
    const { drain, broadcast, ipi } = this.firstChoices[cpu.index];
    let end = at;
    if (drain >= 0 && cpu.buffered > 0) list[end++] = drain;
    if (broadcast >= 0 && this.parts.tlb.unacted(cpu) > 0) list[end++] = broadcast;
    if (ipi < 0) return end;
    for (let bits = Interrupts.inFlight(cpu); bits !== 0; bits &= bits - 1) {
      list[end++] = ipi + (31 - Math.clz32(bits & -bits));
    }
    return end;
  }

  /** True if the action of a choice would change something. */
  isEnabled(choice: number): boolean {
    const { agent, cpu: index, parameter } = decodeAction(choice);
    const cpu = this.m.cpus[index];
    if (cpu === undefined || !this.names.includes(agent)) return false;
    return parameter < this.parameters(agent, cpu) && this.changesSomething(agent, cpu, parameter);
  }

  private changesSomething(agent: AgentName, cpu: CpuState, parameter: number): boolean {
    switch (agent) {
      case 'drain':
      case 'broadcast':
        return true;
      case 'ipi':
        return (Interrupts.inFlight(cpu) & (1 << parameter)) !== 0;
      case 'evict': {
        const lines = cpu.l1d.lines;
        if (parameter < lines) return cpu.l1d.pa[parameter] >= 0;
        return (cpu.l2?.pa[parameter - lines] ?? -1) >= 0;
      }
      case 'prefetch':
        return this.prefetchTarget(cpu, parameter) >= 0;
      default:
        return this.walkTarget(cpu, parameter) !== undefined;
    }
  }

  /** Performs a choice. Does nothing if the state that enabled it is gone. */
  perform(choice: number): void {
    const { agent, cpu: index, parameter } = decodeAction(choice);
    const cpu = this.m.cpus[index];
    this.observer?.(choice);
    const { stores, tlb, interrupts } = this.parts;
    switch (agent) {
      case 'drain':
        this.m.lockCpu(cpu);
        if (cpu.buffered > 0) stores.drainOne(cpu);
        this.m.unlockCpu(cpu);
        return;
      case 'broadcast':
        tlb.deliverStep(cpu);
        return;
      case 'ipi':
        interrupts.deliverStep(cpu, parameter);
        return;
      case 'evict':
        this.evict(cpu, parameter);
        return;
      case 'prefetch':
        this.prefetch(cpu, parameter);
        return;
      case 'walk':
        this.walk(cpu, parameter);
    }
  }

  /** True if an agent that moves the run on has something to do for a CPU. */
  hasProgress(cpu: CpuState): boolean {
    return cpu.buffered > 0 || this.parts.tlb.unacted(cpu) > 0 || Interrupts.inFlight(cpu) !== 0;
  }

  private evict(cpu: CpuState, parameter: number): void {
    const { coherence } = this.parts;
    this.m.lockCpu(cpu);
    const lines = cpu.l1d.lines;
    if (parameter < lines) {
      if (cpu.l1d.pa[parameter] >= 0) coherence.evictL1(cpu, parameter);
    } else if (cpu.l2 && cpu.l2.pa[parameter - lines] >= 0) {
      coherence.evictL2(cpu, cpu.l2, parameter - lines);
    }
    this.m.unlockCpu(cpu);
  }

  private candidate(cpu: CpuState, parameter: number): number {
    if (parameter > 0) return this.speculation[parameter - 1];
    const next = (cpu.ctl[CTL.LAST_VA] >>> 0) + this.m.platform.lineBytes;
    // A prefetcher does not cross a page.
    return next % PAGE_BYTES < this.m.platform.lineBytes ? -1 : next;
  }

  /** Physical address that a prefetch would bring in, or -1. Looks at entries only: no side effects. */
  private prefetchTarget(cpu: CpuState, parameter: number): number {
    const va = this.candidate(cpu, parameter);
    if (va < 0 || cpu.ctl[CTL.CACHE_ON] === 0 || cpu.ctl[CTL.MMU_ON] === 0) return -1;
    const { translation } = this.parts;
    const tlb = cpu.dtlb;
    const at = tlb.lookup(va >>> 12, translation.tagOf(cpu));
    if (at < 0) return -1;
    const pte = tlb.entries[at + ENTRY.PTE];
    if (translation.effectiveAttributes(cpu, pte, false) !== ATTRIBUTE_NORMAL) return -1;
    const below = (1 << (tlb.entries[at + ENTRY.SIZE] + 12)) - 1;
    const pa = ((frameAddress(pte) & ~below) | (va & below)) >>> 0;
    // Speculation raises no exceptions.
    if (this.parts.aliases?.wouldRaise(cpu, va, pa, false)) return -1;
    return cpu.l1d.lookup(va, pa >>> this.m.lineShift, cpu.ctl[CTL.ASID]) < 0 ? pa : -1;
  }

  private prefetch(cpu: CpuState, parameter: number): void {
    this.m.lockCpu(cpu);
    const pa = this.prefetchTarget(cpu, parameter);
    if (pa >= 0) {
      const clock = cpu.clock;
      this.parts.port.prefetch(cpu, this.candidate(cpu, parameter), pa);
      cpu.time[TIME.CLOCK] = clock;
    }
    this.m.unlockCpu(cpu);
  }

  /** Page that a speculative walk would cache a translation for. */
  private walkTarget(cpu: CpuState, parameter: number): number | undefined {
    const va = this.candidate(cpu, parameter);
    if (va < 0 || cpu.ctl[CTL.MMU_ON] === 0) return undefined;
    const { translation } = this.parts;
    return cpu.dtlb.lookup(va >>> 12, translation.tagOf(cpu)) < 0 ? va : undefined;
  }

  /** A whole walk at once, with the table base and ASID that are in the registers now. */
  private walk(cpu: CpuState, parameter: number): void {
    const { translation } = this.parts;
    const va = this.walkTarget(cpu, parameter);
    // The walker is busy with a walk of the program: a second one would need its own registers.
    if (va === undefined || cpu.ctl[CTL.WALK_ACTIVE] !== 0) return;
    walkWhole(this.m, translation, this.parts.guests, cpu, va, false);
  }
}

/** Slots of a rewound cache that hold a line, in ascending order. */
function filledSlots(cache: Cache): number[] {
  const { touched, ways, pa } = cache;
  const slots: number[] = [];
  if (!touched) return slots;
  for (let i = 0; i < touched.count; i++) {
    const base = touched.list[i] * ways;
    for (let slot = base; slot < base + ways; slot++) if (pa[slot] >= 0) slots.push(slot);
  }
  return slots.sort((a, b) => a - b);
}
