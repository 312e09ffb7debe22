/** What the runs of a stress take turns with: a scenario may name settings that it is to be tried with. */
import type { Platform } from '../machine/platform.ts';
import type { Parameters } from '../program/workload.ts';
import { type Scenario, ScenarioError, type Variant } from '../scenarios/scenario.ts';
import { makePlan, type Plan } from './plan.ts';

export interface Asked {
  readonly scenario: Scenario;
  readonly variant: Variant;
  /** Undefined: the scenario's choice. */
  readonly platform?: Platform | undefined;
  readonly cpus?: number | undefined;
  /** Parameters, as values or as somebody has typed them. */
  readonly given: Parameters;
}

interface Turns {
  /** Run number n is one of plan n modulo their number; empty if none can run. */
  readonly plans: readonly Plan[];
  /** Why the last one that cannot run cannot, in one line. */
  readonly reason: string | undefined;
}

/** The plans of a stress: one for each setting of `stressOver`, unless a parameter of it is given. */
export function turnsOf({ scenario, variant, platform, cpus, given }: Asked): Turns {
  const over = scenario.stressOver?.filter((set) =>
    Object.keys(set).every((key) => given[key] === undefined),
  );
  const plans: Plan[] = [];
  let reason: string | undefined;
  for (const set of over && over.length > 0 ? over : [{}]) {
    try {
      plans.push(makePlan({ scenario, variant, platform, cpus, given: { ...set, ...given } }));
    } catch (error) {
      if (!(error instanceof ScenarioError)) throw error;
      reason = error.message;
    }
  }
  return { plans, reason };
}
