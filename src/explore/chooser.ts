import type { Execution } from './execution.ts';

/** Chooses a whole run, step by step. */
export interface Chooser {
  /** One of the enabled choices; there is at least one. */
  next(on: Execution): number;
}

/** Runs from the beginning to the end and returns the choices. */
export function runWith(on: Execution, chooser: Chooser): number[] {
  const choices: number[] = [];
  on.restart();
  while (on.outcome === undefined) {
    const choice = chooser.next(on);
    choices.push(choice);
    on.take(choice);
  }
  return choices;
}
