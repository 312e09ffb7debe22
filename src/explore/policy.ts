/**
 * The schedule that nothing interferes with: hardware acts as soon as it can, and a CPU goes on until it has
 * to wait. What a schedule costs is counted against it: a preemption takes a CPU off that could have gone on,
 * and a delay makes the hardware wait.
 */
import { MOST_CPUS } from '../machine/state.ts';
import { agentOf, type Execution, FIRST_AGENT, isDisturber } from './execution.ts';

export class Policy {
  /** CPU that moved last, -1 before the first step. */
  lastCpu = -1;
  preemptions = 0;
  /** Agents' actions that came late or need not have come at all. */
  delays = 0;
  /** Agents' actions that wait until nothing else can happen. */
  private readonly held = new Set<number>();

  clear(): void {
    this.lastCpu = -1;
    this.preemptions = 0;
    this.delays = 0;
    this.held.clear();
  }

  /** What happens next if nothing interferes; -1 if only what disturbs could: CPUs wait for ever. */
  choose(on: Execution): number {
    const { enabled, enabledCount } = on;
    let next = -1;
    let late = -1;
    for (let i = 0; i < enabledCount; i++) {
      const choice = enabled[i];
      if (choice < FIRST_AGENT) {
        if (choice === this.lastCpu) next = choice;
        else if (next !== this.lastCpu || next < 0) next = this.nearer(next, choice);
      } else if (isDisturber(agentOf(choice))) continue;
      else if (!this.held.has(choice)) return choice;
      else if (late < 0) late = choice;
    }
    return next >= 0 ? next : late;
  }

  /** Of two CPUs the one that is next after the last in turn; -1 is no CPU. */
  private nearer(a: number, b: number): number {
    if (a < 0) return b;
    const distance = (cpu: number) =>
      cpu > this.lastCpu ? cpu - this.lastCpu : cpu - this.lastCpu + MOST_CPUS;
    return distance(a) < distance(b) ? a : b;
  }

  /** Notes a choice before it is taken, with what it costs against what `choose` would have said. */
  note(on: Execution, choice: number, otherwise: number): void {
    const { preemptions, delays } = this.costOf(on, choice, otherwise);
    if (delays > this.delays && choice < FIRST_AGENT) for (const due of this.due(on)) this.held.add(due);
    this.preemptions = preemptions;
    this.delays = delays;
    if (choice >= FIRST_AGENT) this.held.delete(choice);
    else this.lastCpu = choice;
  }

  /** Costs of the schedule so far if it goes on with `choice`. */
  costOf(on: Execution, choice: number, otherwise: number): { preemptions: number; delays: number } {
    let { preemptions, delays } = this;
    if (choice === otherwise) return { preemptions, delays };
    if (choice >= FIRST_AGENT) {
      if (isDisturber(agentOf(choice))) delays++;
    } else {
      delays += this.due(on).length;
      if (choice !== this.lastCpu && this.isEnabled(on, this.lastCpu)) preemptions++;
    }
    return { preemptions, delays };
  }

  /** Agents' actions that would come now. */
  private due(on: Execution): number[] {
    const due: number[] = [];
    for (let i = 0; i < on.enabledCount; i++) {
      const choice = on.enabled[i];
      if (choice < FIRST_AGENT || isDisturber(agentOf(choice)) || this.held.has(choice)) continue;
      due.push(choice);
    }
    return due;
  }

  private isEnabled(on: Execution, cpu: number): boolean {
    for (let i = 0; i < on.enabledCount && on.enabled[i] < FIRST_AGENT; i++) {
      if (on.enabled[i] === cpu) return true;
    }
    return false;
  }
}
