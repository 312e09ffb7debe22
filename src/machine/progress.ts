/**
 * What the agents that move a run on (buffered stores drain, broadcasts and IPIs arrive) have to do, and when:
 * kept by CPU until something changes there, because a scheduler asks before every step. For machines of one
 * thread, where MachineState says what has changed.
 */
import type { CpuState } from './cpu-state.ts';
import type { AgentName } from './platform.ts';
import { CTL, TIME } from './registers.ts';
import type { MachineState } from './state.ts';
import type { StoreBuffer } from './store-buffer.ts';
import type { TlbMaintenance } from './tlb-maintenance.ts';

const NEVER = Number.POSITIVE_INFINITY;

interface Parts {
  readonly stores: StoreBuffer;
  readonly tlb: TlbMaintenance;
}

export class Progress {
  /** Result of `findEarliest`: the action and its time in cycles; -1 if there is none. */
  earliestChoice = -1;
  earliestCycles = 0;

  private readonly m: MachineState;
  private readonly parts: Parts;
  /** By CPU: the choice with parameter 0 of each agent. */
  private readonly codes: readonly { drain: number; broadcast: number; ipi: number }[];
  /** By CPU: when its first action comes, and which one it is. */
  private readonly due: Float64Array;
  private readonly firstDue: Int32Array;

  /** @param first the choice with parameter 0 of an agent of a CPU */
  constructor(state: MachineState, parts: Parts, first: (agent: AgentName, cpu: number) => number) {
    const { length } = state.cpus;
    this.m = state;
    this.parts = parts;
    this.due = new Float64Array(length).fill(NEVER);
    this.firstDue = new Int32Array(length);
    this.codes = state.cpus.map((_, cpu) => ({
      drain: first('drain', cpu),
      broadcast: first('broadcast', cpu),
      ipi: first('ipi', cpu),
    }));
  }

  /** Finds the action that comes first. */
  findEarliest(): void {
    const { due } = this;
    const { agentsChanged } = this.m;
    if ((agentsChanged[0] | agentsChanged[1] | agentsChanged[2] | agentsChanged[3]) !== 0) this.lookAgain();
    let earliest = NEVER;
    let first = -1;
    for (let i = 0; i < due.length; i++) {
      if (due[i] >= earliest) continue;
      earliest = due[i];
      first = i;
    }
    this.earliestCycles = earliest;
    this.earliestChoice = first < 0 ? -1 : this.firstDue[first];
  }

  private lookAgain(): void {
    const { agentsChanged, cpus } = this.m;
    for (let word = 0; word < agentsChanged.length; word++) {
      let bits = agentsChanged[word];
      agentsChanged[word] = 0;
      for (; bits !== 0; bits &= bits - 1) {
        const index = word * 32 + 31 - Math.clz32(bits & -bits);
        if (index < cpus.length) this.lookAt(cpus[index]);
      }
    }
  }

  private lookAt(cpu: CpuState): void {
    const { stores, tlb } = this.parts;
    const { index } = cpu;
    const codes = this.codes[index];
    this.due[index] = NEVER;
    if (cpu.buffered > 0) this.takeEarlier(index, stores.dueCycles(cpu), codes.drain);
    if (tlb.unacted(cpu) > 0) this.takeEarlier(index, tlb.dueCycles(cpu), codes.broadcast);
    // With one thread no atomic operation is needed.
    const flying = cpu.ctl[CTL.IRQ_IN_FLIGHT];
    if (flying === 0) return;
    const lowest = 31 - Math.clz32(flying & -flying);
    this.takeEarlier(index, cpu.time[TIME.IRQ + lowest], codes.ipi + lowest);
  }

  private takeEarlier(index: number, due: number, choice: number): void {
    if (due >= this.due[index]) return;
    this.due[index] = due;
    this.firstDue[index] = choice;
  }
}
