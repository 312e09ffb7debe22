/**
 * The walk of get_user_pages_fast: which frame is a page mapped to, found out without any lock. Interrupts
 * are masked, so that a freer who sends an IPI to everybody waits for the walk; a freer who sends none must
 * wait in another way. After Linux mm/gup.c. The reference that Linux takes on the frame, and its second
 * look at the entry, are left out: the frame is not what is freed here.
 */
import { frameAddress, PTE } from '../machine/attributes.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import type { Mm } from './mm.ts';
import type { TableFree } from './table-free.ts';

/**
 * Looks up what a page is mapped to.
 * @param delay steps that the CPU loses before it reads the last level: masked interrupts keep neither an NMI
 *   nor a hypervisor out
 * @returns the last-level entry, or 0 if nothing is mapped at `va`
 */
export function* gupFast(cpu: Cpu, mm: Mm, tableFree: TableFree, va: number, delay: number): Steps<number> {
  const { uncached } = mm.kernel;
  cpu.maskInterrupts();
  yield* tableFree.enterWalk(cpu, uncached);
  const entry = yield* walk(cpu, mm, va, delay);
  yield* tableFree.leaveWalk(cpu, uncached);
  cpu.unmaskInterrupts();
  return entry;
}

function* walk(cpu: Cpu, { kernel, space, checker }: Mm, va: number, delay: number): Steps<number> {
  const { tables, machine } = kernel;
  const { translation } = machine;
  let table = space.root;
  let generation = checker?.generationOf(table) ?? 0;
  for (let level = 0; ; level++) {
    if (level === translation.depth) for (let i = 0; i < delay; i++) yield* cpu.compute(1);
    const at = translation.entryAddress(table, level, va);
    const entry = yield* tables.read(cpu, at);
    checker?.tableRead(cpu.hw, va, at, generation);
    if ((entry & PTE.VALID) === 0) return 0;
    if (level === translation.depth || (entry & PTE.TABLE) === 0) return entry;
    table = frameAddress(entry);
    generation = checker?.generationOf(table) ?? 0;
  }
}
