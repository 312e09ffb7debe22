/**
 * Locks of the simulator itself (not of the simulated kernel): one 32-bit word each in the machine's
 * buffer. 0 free, 1 held, 2 held and somebody sleeps. They spin first, because the sections that they
 * guard last well under a microsecond while waking a sleeping thread costs more than ten; the sleep is
 * for a holder that the operating system has taken off its core.
 *
 * Order, which excludes deadlock: home lock of a line, then one CPU's lock, then one memory bank. Never
 * two of a kind at once.
 */

/** Attempts before sleeping: some 20 us, more than a sleep and a wake-up cost. */
const SPINS = 3000;

/** Takes the lock word at `index`, spinning, then sleeping. */
export function acquireLock(words: Int32Array, index: number): void {
  if (Atomics.compareExchange(words, index, 0, 1) === 0) return;
  acquireContended(words, index);
}

/** Takes the lock word at `index` if it is free. Returns true if it did. */
export function tryLock(words: Int32Array, index: number): boolean {
  return Atomics.compareExchange(words, index, 0, 1) === 0;
}

function acquireContended(words: Int32Array, index: number): void {
  for (let i = 0; i < SPINS; i++) {
    if (Atomics.load(words, index) === 0 && Atomics.compareExchange(words, index, 0, 1) === 0) return;
  }
  while (Atomics.exchange(words, index, 2) !== 0) Atomics.wait(words, index, 2);
}

/** Frees the lock word at `index` and wakes one sleeper. */
export function releaseLock(words: Int32Array, index: number): void {
  if (Atomics.exchange(words, index, 0) === 2) Atomics.notify(words, index, 1);
}
