/**
 * The commonest primitives as iterators of their own: what `yield*` drives is one small object instead of
 * a generator, which halves the cost of a step. Semantically each is the generator
 *
 *     for (;;) { yield STEP; try it; if it is done return; do what it needs first }
 *
 * and the slow part, which does what the access needs first, is a real generator.
 */
import type { Steps } from './steps.ts';

/** Tries an access once: a value from 0 up is its result, below 0 says what it needs first. */
type Attempt = (a: number, b: number, c: number, epoch: number) => number;
/** Does what the access needs before it is tried again; true if that began a new access. */
type Prepare = (a: number, code: number) => Steps<boolean>;

/** The result that tells `yield*` to go on: consumed at once, so one object serves all. */
const AGAIN: IteratorResult<number, number> = { value: 0, done: false };
const finished = { value: 0, done: true as const };

class Operation implements Iterator<number, number, void> {
  private readonly a: number;
  private readonly b: number;
  private readonly c: number;
  private readonly attempt: Attempt;
  private readonly prepare: Prepare;
  private readonly epochNow: () => number;
  private epoch: number;
  private started = false;
  private preparing: Steps<boolean> | null = null;

  constructor(a: number, b: number, c: number, attempt: Attempt, prepare: Prepare, epochNow: () => number) {
    this.a = a;
    this.b = b;
    this.c = c;
    this.attempt = attempt;
    this.prepare = prepare;
    this.epochNow = epochNow;
    this.epoch = epochNow();
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(): IteratorResult<number, number> {
    if (!this.started) {
      this.started = true;
      return AGAIN;
    }
    if (this.preparing !== null) return this.goOnPreparing(this.preparing);
    const got = this.attempt(this.a, this.b, this.c, this.epoch);
    if (got < 0) return this.goOnPreparing(this.prepare(this.a, got));
    finished.value = got;
    return finished;
  }

  private goOnPreparing(preparing: Steps<boolean>): IteratorResult<number, number> {
    this.preparing = preparing;
    const step = preparing.next();
    if (step.done !== true) return step;
    this.preparing = null;
    if (step.value) this.epoch = this.epochNow();
    return AGAIN;
  }
}

/** An operation in the type that programs `yield*`. */
export function operation(
  a: number,
  b: number,
  c: number,
  attempt: Attempt,
  prepare: Prepare,
  epochNow: () => number,
): Steps<number> {
  return new Operation(a, b, c, attempt, prepare, epochNow) as unknown as Steps<number>;
}
