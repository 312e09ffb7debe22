/**
 * Search by cost: every schedule that differs from the undisturbed one by no preemption, then by one, by two,
 * ..., and for each number of preemptions by no delay of the hardware, by one, ...; so that the first
 * counterexample has the fewest preemptions. After Musuvathi and Qadeer, "Iterative context bounding for
 * systematic testing of multithreaded programs", PLDI 2007, and for the hardware Emmi, Qadeer, Rakamaric,
 * "Delay-bounded scheduling", POPL 2011.
 */
import type { Execution } from './execution.ts';
import { agentOf, FIRST_AGENT, isDisturber } from './execution.ts';
import { Policy } from './policy.ts';

/** A schedule as what differs from the undisturbed one: step, choice, step, choice, ... */
export type Deviations = readonly number[];

/** A schedule to be run, found as a neighbour of one that was. */
export interface Neighbour {
  readonly deviations: Deviations;
  readonly preemptions: number;
  readonly delays: number;
}

/** Most that is searched for. */
export interface Costs {
  readonly preemptions: number;
  readonly delays: number;
}

export class BoundedRun {
  /** Choices of the run. */
  choices: number[] = [];
  /** Schedules with one more deviation, after the last of this one, within the costs. */
  neighbours: Neighbour[] = [];
  private readonly on: Execution;
  private readonly most: Costs;
  private readonly policy = new Policy();

  constructor(on: Execution, most: Costs) {
    this.on = on;
    this.most = most;
  }

  /** Runs one schedule to its end and finds its neighbours. */
  run(deviations: Deviations): void {
    const { on, policy } = this;
    this.choices = [];
    this.neighbours = [];
    policy.clear();
    on.restart();
    let next = 0;
    for (let step = 0; on.outcome === undefined; step++) {
      const otherwise = policy.choose(on);
      let choice = otherwise;
      if (next < deviations.length && deviations[next] === step) {
        choice = deviations[next + 1];
        next += 2;
      } else if (next === deviations.length) this.lookAround(deviations, step, otherwise);
      if (choice < 0) {
        on.conclude();
        break;
      }
      policy.note(on, choice, otherwise);
      this.choices.push(choice);
      on.take(choice);
    }
  }

  private lookAround(deviations: Deviations, step: number, otherwise: number): void {
    const { on, policy, most } = this;
    for (let i = 0; i < on.enabledCount; i++) {
      const choice = on.enabled[i];
      if (choice === otherwise) continue;
      // Two agents' actions that are due: their order is that of the CPUs that wait for them.
      if (choice >= FIRST_AGENT && otherwise >= FIRST_AGENT && !isDisturber(agentOf(choice))) continue;
      const { preemptions, delays } = policy.costOf(on, choice, otherwise);
      if (preemptions > most.preemptions || delays > most.delays) continue;
      this.neighbours.push({ deviations: [...deviations, step, choice], preemptions, delays });
    }
  }
}
