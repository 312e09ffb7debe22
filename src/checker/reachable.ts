/**
 * Which of the states that a scenario declares reachable a run has come to. All of it is kept in the machine's
 * buffer: every thread of a run sees it, and it goes back with the machine. Programs must not act on it.
 */
import { EVENT } from '../machine/events.ts';
import { GLOBAL, STOP_NONE, STOP_REACHED } from '../machine/registers.ts';
import type { MachineState } from '../machine/state.ts';

/** States that a scenario may declare: a bit each. */
export const MOST_STATES = 32;

export class Reachable {
  private readonly m: MachineState;
  private readonly numbers: ReadonlyMap<string, number>;
  private readonly goal: string | undefined;

  /** @param goal state that ends the run */
  constructor(state: MachineState, names: readonly string[], goal: string | undefined) {
    this.m = state;
    this.numbers = new Map(names.map((name, number) => [name, number]));
    this.goal = goal;
  }

  reached(name: string): void {
    const { global, events } = this.m;
    const bit = 1 << this.numberOf(name);
    if ((Atomics.or(global, GLOBAL.REACHED, bit) & bit) !== 0) return;
    events?.push(EVENT.REACHED, -1, this.numberOf(name), 0, 0);
    if (name === this.goal) Atomics.compareExchange(global, GLOBAL.STOP, STOP_NONE, STOP_REACHED);
  }

  /** @param change 1: one more CPU is in the stretch; -1: one less */
  move(name: string, change: 1 | -1): void {
    const number = this.numberOf(name);
    this.m.events?.push(EVENT.WINDOW, -1, number, 1, 0);
    Atomics.add(this.m.global, GLOBAL.WINDOWS + number, change);
  }

  reachedWithin(name: string): void {
    const number = this.numberOf(name);
    // Found off or on, it could have been the other.
    this.m.events?.push(EVENT.WINDOW, -1, number, 0, 0);
    if (Atomics.load(this.m.global, GLOBAL.WINDOWS + number) > 0) this.reached(name);
  }

  /** @throws Error that says how to declare it */
  private numberOf(name: string): number {
    const number = this.numbers.get(name);
    if (number !== undefined) return number;
    throw new Error(`the scenario declares no state '${name}': add it to 'reachable'`);
  }
}

/** Names of the states that the run on a machine has come to. @param names all that are declared */
export function reachedOf({ global }: MachineState, names: readonly string[]): string[] {
  const bits = global[GLOBAL.REACHED];
  return names.filter((_, number) => (bits & (1 << number)) !== 0);
}
