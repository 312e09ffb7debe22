/**
 * Page flipping: what the network has put into a page of the kernel's is given to a user by exchanging it
 * for the user's own page, which the kernel takes for what it receives next, or sends. Nothing is copied.
 * The open issues of "The Linux Cache Flush Architecture" ask what this needs; zero-copy sockets of FreeBSD
 * did it (sys/kern/kern_subr.c, vm_pgmoveco), but freed the user's page.
 */
import { frameAddress } from '../machine/attributes.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import type { FlushArchitecture } from './flush/architecture.ts';
import type { Mapping } from './rmap.ts';
import { spinLock, spinUnlock } from './spin-lock.ts';

/** Places of this file that flush. */
export const FLIP_SITES = {
  'flip.given-to-ram':
    'flushPageToRam of the page that the user is given: it is in memory, and no line of the kernel’s mapping is left',
  'flip.cache':
    'flushCachePage of the user’s address before its entry changes, while every machine can: what the user stored is in memory',
  'flip.tlb': 'flushTlbPage after the entry has changed: the user has no way to the page that it gave away',
  'flip.cache-again':
    'flushCachePage once more after that: what a prefetch brought back through the old translation is gone',
} as const;

/**
 * Exchanges the page at a user's address for one of the kernel's, whole.
 * @param ptePa the entry of the user's page
 * @param given physical address of the kernel's page
 * @returns that of the page which is the kernel's now
 */
export function* flipPage(
  cpu: Cpu,
  flushes: FlushArchitecture,
  mapping: Mapping & { readonly ptePa: number },
  given: number,
): Steps<number> {
  const { kernel } = flushes;
  const { space, va, ptePa } = mapping;
  yield* spinLock(cpu, space.lock, kernel.uncached);
  const old = yield* kernel.tables.read(cpu, ptePa);
  const taken = frameAddress(old);
  yield* flushes.at('flip.given-to-ram').flushPageToRam(cpu, given);
  yield* flushes.at('flip.cache').flushCachePage(cpu, { space, va, frame: taken });
  yield* flushes.changeEntry(cpu, mapping, ptePa, old, (given | (old & 0xfff)) >>> 0);
  yield* flushes.at('flip.tlb').flushTlbPage(cpu, space, va);
  yield* cpu.dsb();
  flushes.settled(cpu, mapping, ptePa);
  yield* flushes.at('flip.cache-again').flushCachePage(cpu, { space, va, frame: taken });
  yield* spinUnlock(cpu, space.lock, kernel.uncached);
  return taken;
}
