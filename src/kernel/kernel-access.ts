/**
 * Memory management that reads and writes a user's page through the kernel's own mapping, with the flushes of
 * Linux: ptrace as in 2.4 (kernel/ptrace.c, access_one_page), and read and write of a file whose page is mapped
 * writable (mm/filemap.c, do_generic_file_read and generic_perform_write, as from 2.6 on).
 */
import type { Cpu, Steps } from '../machine/cpu.ts';
import type { FlushArchitecture } from './flush/architecture.ts';
import type { UserPage } from './flush/interfaces.ts';

/** Places of `peek` and `poke` that flush. */
export const PTRACE_SITES = {
  'peek.cache': 'flushCachePage before the kernel reads: what the user stored is in memory',
  'peek.to-ram': 'flushPageToRam after it has read: no line stays that hides what the user stores next',
  'poke.cache':
    'flushCachePage before the kernel writes: no line of the user is written over it, or read instead',
  'poke.to-ram': 'flushPageToRam after it has written: the user finds it in memory',
} as const;

/** Places of `readFile` and `writeFile` that flush. */
export const FILE_SITES = {
  'read.before': 'flushDcachePage before the kernel reads: no line of either side hides what a user stored',
  'write.before': 'flushDcachePage before the kernel writes: no line of a user is written over it',
  'write.after': 'flushDcachePage after it has written: whoever has the page mapped finds it in memory',
} as const;

/** Reads words of a page that is mapped in one place. @param offsets bytes from the beginning of the page */
export function* peek(
  cpu: Cpu,
  flushes: FlushArchitecture,
  page: UserPage,
  offsets: readonly number[],
): Steps {
  yield* flushes.at('peek.cache').flushCachePage(cpu, page);
  for (const offset of offsets) yield* cpu.loadPhysical(page.frame + offset);
  yield* flushes.at('peek.to-ram').flushPageToRam(cpu, page.frame);
}

/** Changes part of words of such a page, as setting a breakpoint does: each is read first. */
export function* poke(
  cpu: Cpu,
  flushes: FlushArchitecture,
  page: UserPage,
  offsets: readonly number[],
  byte: number,
): Steps {
  yield* flushes.at('poke.cache').flushCachePage(cpu, page);
  for (const offset of offsets) {
    const word = yield* cpu.loadPhysical(page.frame + offset);
    yield* cpu.storePhysical(page.frame + offset, ((word & ~0xff) | byte) >>> 0);
  }
  yield* flushes.at('poke.to-ram').flushPageToRam(cpu, page.frame);
}

/** A page of a file, and where it is mapped. */
export interface FilePage {
  readonly frame: number;
  readonly mappings: readonly UserPage[];
}

/** read(2): words of the page cache go to a buffer. */
export function* readFile(
  cpu: Cpu,
  flushes: FlushArchitecture,
  { frame, mappings }: FilePage,
  offsets: readonly number[],
): Steps {
  yield* flushes.at('read.before').flushDcachePage(cpu, frame, mappings);
  for (const offset of offsets) yield* cpu.loadPhysical(frame + offset);
}

/** write(2): a word from a buffer goes to several places of the page cache. */
export function* writeFile(
  cpu: Cpu,
  flushes: FlushArchitecture,
  { frame, mappings }: FilePage,
  offsets: readonly number[],
  word: number,
): Steps {
  yield* flushes.at('write.before').flushDcachePage(cpu, frame, mappings);
  for (const offset of offsets) yield* cpu.storePhysical(frame + offset, word);
  yield* flushes.at('write.after').flushDcachePage(cpu, frame, mappings);
}
