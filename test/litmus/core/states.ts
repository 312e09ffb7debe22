import { exploreWith } from '../../../src/litmus/core/explore.ts';
import { type LitmusProfile, neoverseLitmus } from '../../../src/litmus/core/profile.ts';
import type { LitmusResult } from '../../../src/litmus/engine.ts';
import { normalisedState, observationOf, stateText } from '../../../src/litmus/final-state.ts';
import { parseLitmus } from '../../../src/litmus/parse-litmus.ts';

export const limits = { maxStates: 1_000_000, maxSeconds: 30 };

export function explored(text: string, profile: LitmusProfile = neoverseLitmus): LitmusResult {
  return exploreWith(parseLitmus(text), limits, profile);
}

/** Final states as text, sorted. */
export function statesOf(text: string, profile: LitmusProfile = neoverseLitmus): string[] {
  const observation = observationOf(parseLitmus(text));
  const { states, complete } = explored(text, profile);
  if (!complete) throw new Error('the search did not end');
  return [...new Set(states.map(({ state }) => normalisedState(stateText(observation, state))))].sort();
}

/** A plain test of threads given as columns of instructions. */
export function plain(threads: readonly (readonly string[])[], condition: string, initial = ''): string {
  const registers = threads.map((_, thread) => `${thread}:X1=x; ${thread}:X3=y;`).join(' ');
  const rows = Array.from({ length: Math.max(...threads.map(({ length }) => length)) }, (_, row) =>
    threads.map((code) => code[row] ?? '').join(' | '),
  );
  const names = threads.map((_, thread) => `P${thread}`).join(' | ');
  return `AArch64 test\n{ ${registers} ${initial} }\n${names} ;\n${rows.join(' ;\n')} ;\n${condition}\n`;
}
