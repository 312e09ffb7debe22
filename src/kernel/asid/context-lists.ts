/**
 * Lists of contexts in simulated memory (struct ctx_list of Linux arch/sparc/mm/srmmu.c): an array of entries by
 * number, each in one of two doubly linked rings. Entry 0 is the head of the used ones, the entry after the last
 * context that of the free ones; contexts are appended at the end, so the first is the oldest.
 */
import type { Cpu, Steps } from '../../machine/cpu.ts';
import type { Machine } from '../../machine/machine.ts';

/** Words of an entry, in bytes from it. */
export const CONTEXT = {
  NEXT: 0,
  PREVIOUS: 4,
  /** Index + 1 of the space that has it. */
  OWNER: 8,
  BYTES: 16,
  /** Head of the list of used contexts. */
  USED: 0,
} as const;

/** @param owners of contexts 1 and on: index + 1 of a space, or 0 for those that are free */
export function bootContextLists(machine: Machine, pool: number, owners: readonly number[]): void {
  const free = owners.length + 1;
  const numbers = owners.map((_, i) => i + 1);
  ring(machine, pool, [CONTEXT.USED, ...numbers.filter((number) => owners[number - 1] !== 0)]);
  ring(machine, pool, [free, ...numbers.filter((number) => owners[number - 1] === 0)]);
  for (const number of numbers) machine.poke(at(pool, number) + CONTEXT.OWNER, owners[number - 1]);
}

function ring(machine: Machine, pool: number, members: readonly number[]): void {
  for (const [i, number] of members.entries()) {
    const next = members[(i + 1) % members.length];
    machine.poke(at(pool, number) + CONTEXT.NEXT, next);
    machine.poke(at(pool, next) + CONTEXT.PREVIOUS, number);
  }
}

/** What comes after a context or a head: the head again at the end of the list. The lock is held. */
export function* firstContext(
  cpu: Cpu,
  pool: number,
  after: number,
  uncached: boolean,
): Steps<{ readonly number: number; readonly owner: number }> {
  const number = yield* cpu.loadPhysical(at(pool, after) + CONTEXT.NEXT, 4, uncached);
  const owner = yield* cpu.loadPhysical(at(pool, number) + CONTEXT.OWNER, 4, uncached);
  return { number, owner };
}

/** Takes a context out of its list. The lock is held. */
export function* removeContext(cpu: Cpu, pool: number, number: number, uncached: boolean): Steps {
  const next = yield* cpu.loadPhysical(at(pool, number) + CONTEXT.NEXT, 4, uncached);
  const previous = yield* cpu.loadPhysical(at(pool, number) + CONTEXT.PREVIOUS, 4, uncached);
  yield* cpu.storePhysical(at(pool, next) + CONTEXT.PREVIOUS, previous, 4, uncached);
  yield* cpu.storePhysical(at(pool, previous) + CONTEXT.NEXT, next, 4, uncached);
}

/** Appends a context to the list of `head`. The lock is held. */
export function* appendContext(
  cpu: Cpu,
  pool: number,
  head: number,
  number: number,
  owner: number,
  uncached: boolean,
): Steps {
  const last = yield* cpu.loadPhysical(at(pool, head) + CONTEXT.PREVIOUS, 4, uncached);
  yield* cpu.storePhysical(at(pool, number) + CONTEXT.OWNER, owner, 4, uncached);
  yield* cpu.storePhysical(at(pool, number) + CONTEXT.NEXT, head, 4, uncached);
  yield* cpu.storePhysical(at(pool, number) + CONTEXT.PREVIOUS, last, 4, uncached);
  yield* cpu.storePhysical(at(pool, last) + CONTEXT.NEXT, number, 4, uncached);
  yield* cpu.storePhysical(at(pool, head) + CONTEXT.PREVIOUS, number, 4, uncached);
}

function at(pool: number, number: number): number {
  return pool + number * CONTEXT.BYTES;
}
