/**
 * Maps a page that others map as well (MAP_SHARED, shmat): makes the entry and tells the machine of it, as
 * set_pte_at and update_mmu_cache at the end of do_fault in Linux mm/memory.c.
 */
import type { Cpu, Steps } from '../machine/cpu.ts';
import type { FlushArchitecture } from './flush/architecture.ts';
import type { AliasTest } from './flush/interfaces.ts';
import { ALIAS_SITES } from './flush/update-mmu-cache.ts';
import { addMapping, type Mapping, type SharedPage } from './rmap.ts';
import { spinLock, spinUnlock } from './spin-lock.ts';

/** Places that flush when a page is mapped once more. */
export const MAP_SHARED_SITES = {
  'map.update':
    'updateMmuCache after the entry was made: other mappings of the page are kept coherent with it',
  ...ALIAS_SITES,
} as const;

/**
 * @param ptePa the page's entry, which is empty
 * @param permissions PTE bits
 */
export function* mapShared(
  cpu: Cpu,
  flushes: FlushArchitecture,
  mapping: Mapping & { readonly ptePa: number },
  page: SharedPage,
  permissions: number,
  test: AliasTest = {},
): Steps {
  const { kernel } = flushes;
  const { space, ptePa } = mapping;
  yield* spinLock(cpu, space.lock, kernel.uncached);
  yield* flushes.changeEntry(cpu, mapping, ptePa, 0, (page.frame | permissions) >>> 0);
  yield* addMapping(cpu, kernel, page, mapping);
  yield* flushes.at('map.update').updateMmuCache(cpu, mapping, page, test);
  yield* cpu.dsb();
  yield* spinUnlock(cpu, space.lock, kernel.uncached);
}
