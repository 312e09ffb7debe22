/** One point of an experiment as plain data: what goes to a worker of the pool, or is measured right here. */
import { ScenarioError } from '../../scenarios/scenario.ts';
import { type Place, whyNot } from '../experiments/experiment.ts';
import { findExperiment } from '../experiments/index.ts';

export interface PointTask extends Place {
  readonly experiment: string;
}

/** What came of a point: figures, a reason why there cannot be any, or what went wrong. */
export type PointOutcome =
  | { readonly measures: Readonly<Record<string, number>> }
  | { readonly na: string }
  | { readonly error: string };

/** Measures a point in this thread. @throws ScenarioError if there is no such experiment */
export async function measurePoint({ experiment: name, ...place }: PointTask): Promise<PointOutcome> {
  const experiment = findExperiment(name);
  const reason = whyNot(experiment, place.platform, place.parameters);
  if (reason !== undefined) return { na: reason };
  try {
    return { measures: await experiment.measure(place) };
  } catch (error) {
    // What a point asks for cannot be had: no fault, and no reason to lose the others.
    if (error instanceof ScenarioError) return { na: error.message };
    return { error: error instanceof Error ? error.message : String(error) };
  }
}
