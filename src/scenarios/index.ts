/** All scenarios. */
import { randomCoherency } from './random-coherency/scenario.ts';
import { type Scenario, ScenarioError } from './scenario.ts';
import { tlbShootdown } from './tlb-shootdown/scenario.ts';

export const scenarios: readonly Scenario[] = [tlbShootdown, randomCoherency];

/** @throws ScenarioError naming the scenarios there are */
export function findScenario(name: string): Scenario {
  const scenario = scenarios.find((s) => s.name === name);
  if (scenario) return scenario;
  throw new ScenarioError(
    `there is no scenario '${name}': use one of ${scenarios.map((s) => s.name).join(', ')}`,
  );
}
