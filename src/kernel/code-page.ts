/**
 * Instructions that are stored before they are run: by the kernel into text that runs (a breakpoint, a jump label:
 * Linux access_process_vm with copy_to_user_page, text_poke), by the kernel into a page that a process is to
 * execute (exec, a page fault), and by the kernel on a user's stack, to return from a signal handler (setup_rt_frame).
 */
import { PTE } from '../machine/attributes.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import type { FlushArchitecture } from './flush/architecture.ts';
import type { CodeOmissions } from './flush/code-interfaces.ts';
import type { UserPage } from './flush/interfaces.ts';
import { spinLock, spinUnlock } from './spin-lock.ts';

/** Places that flush for new instructions. */
export const CODE_SITES = {
  'code.text':
    'flushIcacheRange after the kernel has changed text that runs: all CPUs run the new instructions',
  'code.page':
    'flushIcachePage before a page that the kernel has filled is mapped executable: they are what is run',
  'code.becomes-executable':
    'flushIcachePage before a page that was written as data becomes executable: what was stored is what is run',
  'code.tlb': 'flushTlbPage after the rights of a page have changed: nobody uses the old ones',
  'code.cacheflush': 'flushIcacheUserRange, which a program asks for when it has stored instructions',
  'code.trampoline': 'flushSignalTrampoline after the kernel has stored instructions on a user’s stack',
} as const;

/** Byte offsets of the instruction words in use, and what each of them is to be. */
export interface Code {
  readonly offsets: readonly number[];
  readonly word: number;
}

/** Stores instructions through the kernel's own mapping. */
export function* fillCode(cpu: Cpu, frame: number, { offsets, word }: Code): Steps {
  for (const offset of offsets) {
    // Some caches allocate a line for a load only.
    yield* cpu.loadPhysical(frame + offset);
    yield* cpu.storePhysical(frame + offset, word);
  }
  yield* cpu.dsb();
}

/** Changes instructions of a page that is being executed, on whatever CPU. */
export function* patchText(
  cpu: Cpu,
  flushes: FlushArchitecture,
  frame: number,
  code: Code,
  omit: CodeOmissions,
): Steps {
  yield* fillCode(cpu, frame, code);
  const first = frame + code.offsets[0];
  const sizeBytes = frame + (code.offsets.at(-1) ?? 0) + 4 - first;
  yield* flushes.at('code.text').flushIcacheRange(cpu, first, sizeBytes, omit);
}

/**
 * Maps a page with other rights, or for the first time. Instructions are looked after only where the page is
 * executable now and was not before: what is stored to it as long as it is data concerns no instruction cache.
 * @param rights PTE bits
 */
export function* changeRights(
  cpu: Cpu,
  flushes: FlushArchitecture,
  page: UserPage & { readonly ptePa: number },
  rights: number,
  omit: CodeOmissions,
): Steps {
  const { kernel } = flushes;
  const { space, va, frame, ptePa } = page;
  yield* spinLock(cpu, space.lock, kernel.uncached);
  const old = yield* kernel.tables.read(cpu, ptePa);
  const isFirst = (old & PTE.VALID) === 0;
  if ((rights & PTE.EXECUTE) !== 0 && (old & PTE.EXECUTE) === 0) {
    const site = isFirst ? 'code.page' : 'code.becomes-executable';
    yield* flushes.at(site).flushIcachePage(cpu, { space, va, frame, executable: true }, omit);
  }
  yield* flushes.changeEntry(cpu, page, ptePa, old, (frame | rights) >>> 0);
  if (!isFirst) yield* flushes.at('code.tlb').flushTlbPage(cpu, space, va);
  yield* cpu.dsb();
  flushes.settled(cpu, page, ptePa);
  yield* spinUnlock(cpu, space.lock, kernel.uncached);
  yield* returnToUser(cpu);
}

/** Stores the instructions that return from a signal handler, through the user's mapping of its stack. */
export function* deliverSignal(
  cpu: Cpu,
  flushes: FlushArchitecture,
  { space, va }: UserPage,
  { offsets, word }: Code,
): Steps {
  for (const offset of offsets) {
    yield* cpu.load(va + offset);
    yield* cpu.store(va + offset, word);
  }
  yield* cpu.dsb();
  const sizeBytes = (offsets.at(-1) ?? 0) + 4 - offsets[0];
  yield* flushes.at('code.trampoline').flushSignalTrampoline(cpu, space, va + offsets[0], sizeBytes);
  yield* returnToUser(cpu);
}

/** The return from an exception synchronizes the context: nothing of what was fetched ahead is run. */
function returnToUser(cpu: Cpu): Steps {
  return cpu.isb();
}
