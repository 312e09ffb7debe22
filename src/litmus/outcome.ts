/** What a run of a test says: its final states as text, and what becomes of its condition. */
import type { LitmusTest } from './ast.ts';
import { satisfies } from './condition.ts';
import type { LitmusResult } from './engine.ts';
import { observationOf, stateText } from './final-state.ts';
import { textFlags } from './text-flags.ts';

interface OutcomeState {
  readonly text: string;
  readonly count: number;
  /** It satisfies the condition's proposition, whatever quantifier stands before it. */
  readonly isWitness: boolean;
}

export interface Outcome {
  readonly test: LitmusTest;
  /** Sorted by their text, each once. */
  readonly states: readonly OutcomeState[];
  /** Counts of states that satisfy the proposition, and of the others. */
  readonly positive: number;
  readonly negative: number;
  /** Whether the condition holds. */
  readonly holds: boolean;
  readonly flags: readonly string[];
  readonly explored: number;
  readonly complete: boolean;
  /** Of wall time. */
  readonly seconds: number;
}

export function outcomeOf(test: LitmusTest, result: LitmusResult, seconds: number): Outcome {
  const observation = observationOf(test);
  const { proposition, quantifier } = test.condition;
  const states = new Map<string, OutcomeState>();
  for (const { state, count } of result.states) {
    if (test.filter !== undefined && !satisfies(test.filter, state, observation.types)) continue;
    const text = stateText(observation, state);
    const known = states.get(text);
    const isWitness = known?.isWitness ?? satisfies(proposition, state, observation.types);
    states.set(text, { text, isWitness, count: (known?.count ?? 0) + count });
  }
  const sorted = [...states.values()].sort((one, other) => (one.text < other.text ? -1 : 1));
  const sum = (isWitness: boolean) =>
    sorted.reduce((total, state) => total + (state.isWitness === isWitness ? state.count : 0), 0);
  const positive = sum(true);
  const negative = sum(false);
  const holds = { exists: positive > 0, 'not exists': positive === 0, forall: negative === 0 }[quantifier];
  const { explored, complete } = result;
  const flags = [...new Set([...result.flags, ...textFlags(test)])].sort();
  return { test, states: sorted, positive, negative, holds, flags, explored, complete, seconds };
}

/** Whether states that satisfy the proposition were found: in all runs, in some or in none. */
export function observationWord({ positive, negative }: Outcome): 'Always' | 'Sometimes' | 'Never' {
  if (positive === 0) return 'Never';
  return negative === 0 ? 'Always' : 'Sometimes';
}
