/** From a replay token to a run that takes its choices, of a scenario that may have changed since. */
import { Execution } from '../explore/execution.ts';
import { goalOf } from '../explore/reached.ts';
import type { Replay } from '../explore/token.ts';
import { findVariant, type Scenario } from '../scenarios/scenario.ts';
import { jobOf, makePlan, type Plan, platformOf, workloadOf } from './plan.ts';
import { ANYTHING, exploreLimits } from './search.ts';

/** @throws ScenarioError if it cannot be run like that any more */
export async function fromToken(scenario: Scenario, token: Replay): Promise<{ plan: Plan; on: Execution }> {
  const { variant, platform, cpus, parameters } = token;
  const isFixed = scenario.adapt?.(variant, parameters).platform !== undefined;
  const plan = makePlan({
    scenario,
    variant: findVariant(scenario, variant),
    platform: isFixed ? undefined : platformOf(platform, 'the platform in the token'),
    cpus,
    given: parameters,
  });
  const job = jobOf(plan, exploreLimits(plan, token.maxSteps, goalOf(token.signature)), token.seed);
  return { plan, on: new Execution(job, await workloadOf(plan, job), ANYTHING) };
}
