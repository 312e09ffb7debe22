/**
 * States that a scenario declares reachable, counted over many runs. Programs mark them with
 * `Checker.reached`; equivalent schedules mark the same ones, so a complete search that marks none proves that
 * there is none.
 */
import type { Execution } from './execution.ts';

/** A state, and the first run that came to it. */
export interface Reached {
  readonly name: string;
  /** Runs that came to it. */
  readonly count: number;
  /** Of the first one; empty if there is none. */
  readonly choices: readonly number[];
  /** Sampling: its seed. */
  readonly seed?: number;
}

const REACHED = 'reached ';

/** How a run ends that was to come to this state and did: see `signatureOf`. */
export function reachedSignature(state: string): string {
  return REACHED + state;
}

/** The state of such a signature; undefined for others. */
export function goalOf(signature: string): string | undefined {
  return signature.startsWith(REACHED) ? signature.slice(REACHED.length) : undefined;
}

/** True if the run has come to the state that its job looks for. */
export function hasReachedGoal({ job: { goal }, reachable, reachedBits }: Execution): boolean {
  if (goal === undefined || reachedBits === 0) return false;
  const number = reachable.indexOf(goal);
  return number >= 0 && (reachedBits & (1 << number)) !== 0;
}

export class ReachedTally {
  private readonly first = new Map<string, { choices: readonly number[]; count: number; seed?: number }>();
  /** A run has come to the state that the job looks for. */
  isGoalReached = false;

  /** Notes what the run that has just ended came to. */
  note(on: Execution, choices: readonly number[], seed?: number): void {
    const bits = on.reachedBits;
    if (bits === 0) return;
    for (const [number, name] of on.reachable.entries()) {
      if ((bits & (1 << number)) === 0) continue;
      const known = this.first.get(name);
      if (known) known.count++;
      else this.first.set(name, { choices: [...choices], count: 1, ...(seed !== undefined && { seed }) });
    }
    this.isGoalReached ||= hasReachedGoal(on);
  }

  list(): Reached[] {
    return [...this.first].map(([name, known]) => ({ name, ...known }));
  }
}

/** Two lists as one, the first runs from the earlier one. */
export function joinReached(earlier: readonly Reached[], later: readonly Reached[]): Reached[] {
  const joined = new Map(earlier.map((each) => [each.name, each]));
  for (const each of later) {
    const known = joined.get(each.name);
    joined.set(each.name, { ...(known ?? each), count: (known?.count ?? 0) + each.count });
  }
  return [...joined.values()];
}
