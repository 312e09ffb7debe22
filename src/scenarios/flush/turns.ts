/**
 * CPUs and devices that act one after the other, each when a word says so that all of them read and write past the
 * caches: all accesses of such programs are totally ordered.
 */
import type { Cpu, Steps } from '../../machine/cpu.ts';

export interface Turn {
  /** Index of the CPU, or device, whose turn it is. */
  readonly who: number;
  /** Runs in that CPU's thread alone. */
  readonly act: () => Steps;
}

/** The turns of this CPU; it stays, open to interrupts, until the last one is over. @param pa of the word, in a line of its own */
export function* takeTurns(cpu: Cpu, pa: number, turns: readonly Turn[]): Steps {
  for (const [n, { who, act }] of turns.entries()) {
    if (who !== cpu.index) continue;
    if (n > 0) yield* awaitTurn(cpu, pa, turns, n);
    yield* act();
    yield* cpu.dsb();
    yield* cpu.storePhysical(pa, n + 1, 4, true);
  }
  yield* awaitTurn(cpu, pa, turns, turns.length);
}

function* awaitTurn(cpu: Cpu, pa: number, turns: readonly Turn[], n: number): Steps {
  const from = turns[n - 1].who;
  yield* cpu.waitUntil(pa, (now) => now === n, { why: `CPU ${from} to take its turn`, from, uncached: true });
}
