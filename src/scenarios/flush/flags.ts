/** Words by which the CPUs of a scenario say how far they are, so that their accesses are totally ordered. */
import type { BootMemory } from '../../kernel/boot-memory.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';

/** Physical address of each flag: 0 until it is raised. */
export type Flags<Name extends string> = Readonly<Record<Name, number>>;

export function layFlags<Name extends string>(boot: BootMemory, names: readonly Name[]): Flags<Name> {
  return Object.fromEntries(names.map((name) => [name, boot.line()])) as Record<Name, number>;
}

/** Raises a flag when everything before it is done. @param uncached no protocol keeps caches coherent */
export function* raiseFlag(cpu: Cpu, pa: number, uncached: boolean): Steps {
  yield* cpu.dsb();
  yield* cpu.storePhysical(pa, 1, 4, uncached);
  yield* cpu.dsb();
}

/** Waits for a flag that the CPU `from` raises. */
export function* awaitFlag(cpu: Cpu, pa: number, from: number, uncached: boolean): Steps {
  yield* cpu.waitUntil(pa, (flag) => flag === 1, { why: `CPU ${from} to get there`, from, uncached });
}
