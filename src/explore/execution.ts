/**
 * One scenario on one lockstep machine, run again and again under different schedules. Going back costs what
 * the last run touched. What a schedule may choose from is every CPU that can take a step and every agent
 * that could act, within the budgets of those that only disturb.
 */
import type { Job, Outcome, RunResult } from '../hosts/job.ts';
import { Lockstep } from '../hosts/lockstep.ts';
import type { SchedulerView } from '../hosts/schedulers/scheduler.ts';
import { agentOfAction, FIRST_ACTION } from '../machine/agents.ts';
import { EventLog } from '../machine/events.ts';
import { Interrupts } from '../machine/interrupts.ts';
import type { AgentName } from '../machine/platform.ts';
import { GLOBAL, STOP_DEADLOCK } from '../machine/registers.ts';
import { Rewind } from '../machine/rewind.ts';
import type { Workload } from '../program/workload.ts';

/** How often each agent that only disturbs may act in one run. */
export interface Budgets {
  readonly walk: number;
  readonly prefetch: number;
  readonly evict: number;
}

/** Choices from here on are agents' actions; below, CPUs. */
export const FIRST_AGENT = FIRST_ACTION;

const DISTURBERS = ['walk', 'prefetch', 'evict'] as const;

export class Execution {
  readonly job: Job;
  readonly view: SchedulerView;
  /** What the run has done so far. Another log takes its place only through `logTo`. */
  events = new EventLog();
  /** Choices that are enabled now, CPUs first; the first `enabledCount` are valid. */
  readonly enabled: number[] = [];
  enabledCount = 0;
  /** How the run ended; undefined while it goes on. */
  outcome: Outcome | undefined;
  /** Choices taken since the start. */
  choices = 0;
  /** How far agents that only disturb have used their budgets up. */
  private readonly used = { walk: 0, prefetch: 0, evict: 0 };
  readonly budgets: Budgets;
  private readonly lockstep: Lockstep;
  private readonly rewind: Rewind;
  private readonly drains: boolean;
  private readonly disturbers: readonly (keyof Budgets)[];

  /** Builds the machine, runs the set-up, and starts the programs. */
  constructor(job: Job, workload: Workload, budgets: Budgets) {
    this.job = job;
    this.budgets = budgets;
    this.lockstep = new Lockstep(job, workload);
    const { machine, view } = this.lockstep;
    this.view = view;
    machine.state.events = this.events;
    this.rewind = new Rewind(machine);
    const { names } = machine.agents;
    this.drains = names.includes('drain');
    this.disturbers = DISTURBERS.filter((name) => names.includes(name) && budgets[name] > 0);
    this.begin();
  }

  /** Starts again from the beginning. */
  restart(): void {
    this.rewind.restore();
    this.begin();
  }

  /** Starts again, and has the events of this and all later runs taken down by another log. */
  logTo(events: EventLog): void {
    this.events = events;
    this.lockstep.machine.state.events = events;
    this.restart();
  }

  /** Are events taken down from here on? Nobody who only wants to know how runs end needs them. */
  listen(on: boolean): void {
    this.lockstep.machine.state.events = on ? this.events : null;
  }

  /**
   * Takes a choice that is known to have been taken here before, and not to have been the last: what could be
   * chosen next is not looked up.
   */
  retake(choice: number): void {
    this.note(choice);
    this.lockstep.take(choice);
    this.choices++;
  }

  /** States that the scenario declares reachable. */
  get reachable(): readonly string[] {
    return this.lockstep.reachable;
  }

  /** Those of them that this run has come to, a bit each. */
  get reachedBits(): number {
    return this.lockstep.machine.state.global[GLOBAL.REACHED];
  }

  /** What the set-up has laid out, as the scenario returned it. */
  get layout(): unknown {
    return this.lockstep.layout;
  }

  private begin(): void {
    this.events.clear();
    this.choices = 0;
    this.outcome = undefined;
    for (const name of DISTURBERS) this.used[name] = 0;
    this.lockstep.start();
    this.listEnabled();
  }

  /**
   * Takes a choice. It need not be among `enabled` as long as it can be taken: replays bring their own.
   * What it did is in `events` from where that ended before.
   */
  take(choice: number): void {
    this.note(choice);
    this.outcome = this.lockstep.take(choice);
    this.choices++;
    if (this.outcome === undefined) this.listEnabled();
    else this.enabledCount = 0;
    // Nothing can move: what is left is to say so.
    if (this.outcome === undefined && this.enabledCount === 0) this.outcome = this.lockstep.take(-1);
  }

  private note(choice: number): void {
    if (choice < FIRST_AGENT) return;
    const name = agentOf(choice);
    if (isDisturber(name)) this.used[name]++;
  }

  /** True if the choice can be taken now. */
  canTake(choice: number): boolean {
    if (choice < 0) return false;
    const { runners, agents } = this.view;
    if (choice < FIRST_AGENT) return choice < runners.length && runners[choice].isReady();
    return agents.isEnabled(choice);
  }

  /** The schedule ends here: so does the run, in a deadlock if CPUs wait for each other. */
  conclude(): void {
    if (this.outcome !== undefined) return;
    if (this.isStuck) this.lockstep.take(-1);
    else this.lockstep.lookForCycles();
    const isDeadlock = this.lockstep.machine.state.global[GLOBAL.STOP] === STOP_DEADLOCK;
    this.outcome = isDeadlock ? 'deadlock' : 'step-limit';
    this.enabledCount = 0;
  }

  /** Can nothing happen any more but what only disturbs, and need not happen at all? */
  private get isStuck(): boolean {
    const enabled = this.enabled.slice(0, this.enabledCount);
    return enabled.every((choice) => choice >= FIRST_AGENT && isDisturber(agentOf(choice)));
  }

  /** What came of the run that has ended. */
  result(): RunResult {
    return this.lockstep.result(this.outcome ?? 'step-limit');
  }

  /**
   * A CPU at a barrier drains its stores itself when it is scheduled; here the write buffer does, so that a
   * store's draining depends on nothing but the store.
   */
  private waitsForBuffer(cpu: number): boolean {
    if (!this.drains || !this.view.runners[cpu].isDraining) return false;
    const hw = this.view.cpus[cpu];
    return hw.buffered > 0 && !Interrupts.mayTake(hw);
  }

  private listEnabled(): void {
    const { runners, cpus, agents } = this.view;
    let n = 0;
    for (let cpu = 0; cpu < runners.length; cpu++) {
      if (runners[cpu].isReady() && !this.waitsForBuffer(cpu)) this.enabled[n++] = cpu;
    }
    for (let cpu = 0; cpu < runners.length; cpu++) {
      n = agents.listProgress(cpus[cpu], this.enabled, n);
    }
    for (const name of this.disturbers) {
      if (this.used[name] >= this.budgets[name]) continue;
      for (const cpu of cpus) n = agents.listEnabled(name, cpu, this.enabled, n);
    }
    this.enabledCount = n;
  }
}

/** Name of the agent of a choice. */
export function agentOf(choice: number): AgentName {
  return agentOfAction(choice);
}

/** Does the agent only disturb, so that its actions are budgeted? */
export function isDisturber(name: AgentName): name is keyof Budgets & AgentName {
  return name === 'walk' || name === 'prefetch' || name === 'evict';
}
