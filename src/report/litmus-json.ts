/** Outcomes of litmus tests as JSON. */
import { conditionText } from '../litmus/notation.ts';
import { type Outcome, observationWord } from '../litmus/outcome.ts';
import type { Comparison } from '../litmus/outcomes.ts';

/**
 * @param comparison null if no reference knows the test, undefined if none was asked for
 * @param seed of runs, if the states are what was seen in runs
 */
export function litmusReport(
  file: string,
  outcome: Outcome,
  comparison: Comparison | null | undefined,
  seed: number | undefined,
) {
  const { test, states, positive, negative, holds, flags, explored, complete } = outcome;
  return {
    file,
    name: test.name,
    architecture: test.architecture,
    condition: conditionText(test.condition),
    holds,
    observation: observationWord(outcome),
    positive,
    negative,
    states: states.map(({ text, count, isWitness }) => ({ state: text, count, witness: isWitness })),
    flags,
    ...(seed === undefined ? { explored, complete } : { seed, runs: explored }),
    ...(comparison !== undefined && { comparison }),
  };
}
