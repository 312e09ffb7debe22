/**
 * Which of the states that a scenario declares reachable a run has come to. All of it is kept in the machine's
 * buffer: every thread of a run sees it, and it goes back with the machine. Programs must not act on it.
 */
import { EVENT } from '../machine/events.ts';
import { GLOBAL, STOP_NONE, STOP_REACHED } from '../machine/registers.ts';
import type { MachineState } from '../machine/state.ts';

/** States that a scenario may declare: a bit each. */
export const MOST_STATES = 32;

export class ReachableStates {
  private readonly where: MachineState;
  private readonly numbers: ReadonlyMap<string, number>;
  private readonly goal: string | undefined;

  /** @param goal state that ends the run */
  constructor(where: MachineState, names: readonly string[], goal: string | undefined) {
    this.where = where;
    this.numbers = new Map(names.map((name, number) => [name, number]));
    this.goal = goal;
  }

  /**
   * The run has come to a state that the scenario declares reachable: said by the program in whose step that
   * becomes so, out of what it knows itself, or by `finish`.
   * @throws Error if the scenario does not declare it
   */
  reached(state: string): void {
    const { global, events } = this.where;
    const number = this.numberOf(state);
    const bit = 1 << number;
    if ((Atomics.or(global, GLOBAL.REACHED, bit) & bit) !== 0) return;
    events?.push(EVENT.REACHED, -1, number, 0, 0);
    if (state === this.goal) Atomics.compareExchange(global, GLOBAL.STOP, STOP_NONE, STOP_REACHED);
  }

  /** A stretch of this program begins in which others are to be seen: `reachedWithin` counts until `leaves`. */
  enters(state: string): void {
    this.move(state, 1);
  }

  leaves(state: string): void {
    this.move(state, -1);
  }

  /**
   * `reached`, if some CPU is within the stretch of that state now. Threads look a little after the step that
   * it is about.
   */
  reachedWithin(state: string): void {
    const { global, events } = this.where;
    const number = this.numberOf(state);
    // Found on or off, it could have been the other.
    events?.push(EVENT.WINDOW, -1, number, 0, 0);
    if (Atomics.load(global, GLOBAL.WINDOWS + number) > 0) this.reached(state);
  }

  private move(state: string, change: 1 | -1): void {
    const { global, events } = this.where;
    const number = this.numberOf(state);
    events?.push(EVENT.WINDOW, -1, number, 1, 0);
    Atomics.add(global, GLOBAL.WINDOWS + number, change);
  }

  private numberOf(state: string): number {
    const number = this.numbers.get(state);
    if (number !== undefined) return number;
    throw new Error(`the scenario declares no state '${state}': add it to 'reachable'`);
  }
}

/** Names of the states that the run on a machine has come to. @param names all that are declared */
export function reachedOf({ global }: MachineState, names: readonly string[]): string[] {
  const bits = global[GLOBAL.REACHED];
  return names.filter((_, number) => (bits & (1 << number)) !== 0);
}
