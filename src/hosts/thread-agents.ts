/**
 * The hardware's agents as a thread plays them: every few steps one does something of its own at random, and
 * when the thread's CPU waits they do all that it could be waiting for.
 */
import type { RandomGenerator } from 'pure-rand/types/RandomGenerator';
import type { AgentName } from '../machine/platform.ts';
import { CTL, RUN_BARRIER } from '../machine/registers.ts';
import { progressAgents } from './job.ts';
import type { Session } from './session.ts';
import type { Turns } from './turns.ts';

export class ThreadAgents {
  private readonly session: Session;
  private readonly index: number;
  private readonly turns: Turns | null;
  private readonly random: RandomGenerator;
  private readonly disturbers: readonly AgentName[];

  /** @param turns in serialized runs: it must be held whenever agents act */
  constructor(session: Session, index: number, turns: Turns | null, random: RandomGenerator) {
    this.session = session;
    this.index = index;
    this.turns = turns;
    this.random = random;
    this.disturbers = session.machine.agents.names.filter((name) => !progressAgents.includes(name));
  }

  private perform(choice: number): void {
    if (this.turns === null) this.session.machine.agents.perform(choice);
    else this.turns.perform(choice);
  }

  /** Every few steps the hardware does something of its own. */
  maybeAct(): void {
    const bits = this.random.next() >>> 0;
    if ((bits & 3) !== 0) return;
    const { agents } = this.session.machine;
    const { names } = agents;
    if (names.length === 0) return;
    const { cpus } = this.session.machine.state;
    const own = cpus[this.index];
    if ((bits & 0xfc) === 0 && this.disturbers.length > 0) {
      const agent = this.disturbers[(bits >>> 8) % this.disturbers.length];
      const choice = agents.enabledFrom(agent, own, bits >>> 16, 8);
      if (choice >= 0) this.perform(choice);
      return;
    }
    const agent = progressAgents[(bits >>> 8) % progressAgents.length];
    // A broadcast is delivered by the interconnect: any thread may play its part.
    const cpu = agent === 'broadcast' ? cpus[(bits >>> 16) % cpus.length] : own;
    const choice = agents.enabledFrom(agent, cpu, bits >>> 24, 32);
    if (choice >= 0) this.perform(choice);
  }

  /**
   * Does one thing that this thread's CPU could be waiting for, or that others could wait for it to do.
   * Returns false if there is none.
   */
  settleOne(): boolean {
    const { agents, state } = this.session.machine;
    const hw = state.cpus[this.index];
    let choice = agents.enabledFrom('drain', hw, 0, 1);
    if (choice < 0) choice = agents.enabledFrom('ipi', hw, 0, 32);
    if (choice < 0 && Atomics.load(hw.ctl, CTL.RUN) === RUN_BARRIER) choice = this.undelivered();
    if (choice < 0) return false;
    this.perform(choice);
    return true;
  }

  private undelivered(): number {
    for (const cpu of this.session.machine.state.cpus) {
      const choice = this.session.machine.agents.enabledFrom('broadcast', cpu, 0, 1);
      if (choice >= 0) return choice;
    }
    return -1;
  }
}
