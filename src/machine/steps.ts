/**
 * What a program is: a generator that yields before each step it takes.
 */

/** Yielded before a step that can be taken at once. */
export const STEP = 0;
/** Yielded by a CPU that waits: not to be resumed before something has happened. */
export const BLOCK = 1;

/** A program, or a part of one, that returns a `T`. */
export type Steps<T = void> = Generator<number, T, void>;

/** A program, or a part of one, that does nothing. */
export function* noSteps(): Steps {}
