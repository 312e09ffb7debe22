/**
 * Ticket locks in simulated memory, as Linux had them: the first word counts tickets taken, the second
 * the ticket that is served. First come, first served, so nobody starves.
 */
import type { Cpu, Steps } from '../machine/cpu.ts';

export interface SpinLock {
  readonly pa: number;
  /** Index into the machine's ghost words: when the lock was released last, and who holds it. */
  readonly ghost: number;
  readonly name: string;
}

/** Takes the lock; waits with interrupts as they are. */
export function* spinLock(cpu: Cpu, lock: SpinLock, uncached: boolean): Steps {
  const { times, holders, touchedLocks } = cpu.machine.state;
  const ticket = yield* cpu.modifyPhysical(lock.pa, (next) => (next + 1) >>> 0, uncached);
  const served = yield* cpu.loadPhysical(lock.pa + 4, 4, uncached);
  if (served !== ticket) {
    yield* cpu.waitUntil(lock.pa + 4, (now) => now === ticket, {
      why: `the ${lock.name} lock`,
      holder: lock.ghost,
      uncached,
    });
  }
  touchedLocks?.mark(lock.ghost);
  Atomics.store(holders, lock.ghost, cpu.index + 1);
  cpu.hw.mergeClock(times[lock.ghost]);
}

/** Releases the lock: everything stored before is visible before the release is. */
export function* spinUnlock(cpu: Cpu, lock: SpinLock, uncached: boolean): Steps {
  yield* cpu.dmb();
  const { times, holders, touchedLocks } = cpu.machine.state;
  touchedLocks?.mark(lock.ghost);
  times[lock.ghost] = cpu.clock;
  Atomics.store(holders, lock.ghost, 0);
  const ticket = yield* cpu.loadPhysical(lock.pa + 4, 4, uncached);
  yield* cpu.storePhysical(lock.pa + 4, ticket + 1, 4, uncached);
}
