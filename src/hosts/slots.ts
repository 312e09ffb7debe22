/**
 * Lets only as many simulated CPUs run at a time as the machine has cores. A thread that the operating
 * system takes off its core in the middle of an access leaves a lock behind that everybody else needs;
 * with 16 threads on 2 cores that happens all the time. Here a thread gives its slot up where it holds no
 * lock, and the next in the queue gets it.
 */
import { acquireLock, releaseLock } from '../machine/locks.ts';

const LOCK = 0;
const FREE = 1;
const HEAD = 2;
const TAIL = 3;
/** A ring of CPU numbers, then one word per CPU that it sleeps on. */
const RING = 16;
const MAX_CPUS = 64;
const WORDS = RING + MAX_CPUS * 2;

export class Slots {
  readonly words: Int32Array;

  constructor(words: Int32Array) {
    this.words = words;
  }

  /** @param free how many CPUs may run at a time */
  static create(free: number): Slots {
    const slots = new Slots(new Int32Array(new SharedArrayBuffer(WORDS * 4)));
    slots.words[FREE] = free;
    return slots;
  }

  /** Waits in the queue for a slot. */
  acquire(cpu: number): void {
    const w = this.words;
    acquireLock(w, LOCK);
    if (w[FREE] > 0) {
      w[FREE]--;
      releaseLock(w, LOCK);
      return;
    }
    const bed = RING + MAX_CPUS + cpu;
    Atomics.store(w, bed, 0);
    w[RING + (w[TAIL]++ & (MAX_CPUS - 1))] = cpu;
    releaseLock(w, LOCK);
    while (Atomics.load(w, bed) === 0) Atomics.wait(w, bed, 0);
  }

  /** Hands the slot to the next in the queue. */
  release(): void {
    const w = this.words;
    acquireLock(w, LOCK);
    if (w[HEAD] === w[TAIL]) {
      w[FREE]++;
      releaseLock(w, LOCK);
      return;
    }
    const next = w[RING + (w[HEAD]++ & (MAX_CPUS - 1))];
    releaseLock(w, LOCK);
    const bed = RING + MAX_CPUS + next;
    Atomics.store(w, bed, 1);
    Atomics.notify(w, bed, 1);
  }

  /** True if somebody waits for a slot. */
  get wanted(): boolean {
    return Atomics.load(this.words, HEAD) !== Atomics.load(this.words, TAIL);
  }
}
