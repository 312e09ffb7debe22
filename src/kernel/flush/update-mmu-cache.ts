/**
 * What updateMmuCache does where software keeps aliases apart: a page that is mapped at addresses which a
 * cache would keep different copies for is no longer cached through any of them, as long as one may be
 * written through. After make_coherent and adjust_pte in Linux arch/arm/mm/fault-armv.c, and, before shared
 * mappings were given addresses of one colour, srmmu_vac_update_mmu_cache in arch/sparc/mm/srmmu.c (2.2).
 *
 * Where aliasPolicy is 'colour', mmap avoids such addresses (`sharedAddress`), and what comes here are those that
 * a program insisted on (MAP_FIXED); where it is 'unmanaged', nothing is done.
 */
import { ATTRIBUTE_NORMAL, ATTRIBUTE_UNCACHED, attributesOf, PTE } from '../../machine/attributes.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { colours, PAGE_BYTES, type Platform } from '../../machine/platform.ts';
import { colourOf, dataAliases, tagsRepeat } from '../../machine/traits.ts';
import type { Kernel } from '../kernel.ts';
import { type Mapping, type SharedPage, withMappings } from '../rmap.ts';
import type { AliasTest, FlushInterfaces } from './interfaces.ts';

/** Places of this file that flush. */
export const ALIAS_SITES = {
  'alias.cache':
    'flushCachePage before a mapping becomes uncacheable: what it has in the cache reaches memory',
  'alias.tlb': 'flushTlbPage after that: nobody fills the cache through the mapping any more',
} as const;

/** What of the flush architecture is needed here. */
export interface AliasFlushes {
  readonly kernel: Kernel;
  at(site: string): Pick<FlushInterfaces, 'flushCachePage' | 'flushTlbPage'>;
  changeEntry(cpu: Cpu, mapping: Mapping, ptePa: number, old: number, entry: number): Steps;
  settled(cpu: Cpu, mapping: Mapping, ptePa: number): void;
}

interface Entry extends Mapping {
  readonly ptePa: number;
  readonly entry: number;
}

/** Would a cache keep different copies of a word for two addresses of a page? */
export function areBadAliases(platform: Platform, a: number, b: number): boolean {
  if (!dataAliases(platform) || a === b) return false;
  const { organisation, ways } = platform.l1d;
  // Virtual tags differ, but a set of one way has no room for the second copy.
  return (organisation === 'vivt' && ways > 1) || colourOf(platform, a) !== colourOf(platform, b);
}

/** The first address from `wanted` on that has the colour of `like`: how mmap places shared mappings (SHMLBA). */
export function sharedAddress(platform: Platform, wanted: number, like: number): number {
  const mask = colours(platform.l1d) * PAGE_BYTES - 1;
  return wanted + ((like - wanted) & mask);
}

/** The page has just been mapped at `added`, which is among its mappings already. */
export function* keepAliasesCoherent(
  cpu: Cpu,
  flushes: AliasFlushes,
  added: Mapping,
  page: SharedPage,
  { newOnly = false }: AliasTest,
): Steps {
  const { kernel } = flushes;
  const { platform } = kernel.machine;
  if (!dataAliases(platform) || platform.l1d.aliasPolicy === 'unmanaged') return;
  yield* withMappings(cpu, kernel, page, function* (mappings) {
    // Without tags nothing is left in the cache of a space that does not run.
    const reached = mappings.filter(({ space }) => space === added.space || !tagsRepeat(platform));
    const entries: Entry[] = [];
    for (const mapping of reached) {
      const ptePa = yield* kernel.tables.find(cpu, mapping.space.root, mapping.va);
      entries.push({ ...mapping, ptePa, entry: yield* kernel.tables.read(cpu, ptePa) });
    }
    const isNew = ({ space, va }: Mapping) => space === added.space && va === added.va;
    const aliased = entries.some(({ va }) => areBadAliases(platform, va, added.va));
    const written = entries.some((one) => (one.entry & PTE.WRITE) !== 0 && (!newOnly || isNew(one)));
    if (!aliased || !written) return;
    for (const one of entries) {
      if (attributesOf(one.entry) === ATTRIBUTE_NORMAL) yield* makeUncacheable(cpu, flushes, one, page.frame);
    }
  });
}

function* makeUncacheable(cpu: Cpu, flushes: AliasFlushes, mapping: Entry, frame: number): Steps {
  const { space, va, ptePa, entry } = mapping;
  yield* flushes.at('alias.cache').flushCachePage(cpu, { space, va, frame });
  const uncacheable = (entry | (ATTRIBUTE_UNCACHED << PTE.ATTRIBUTE_SHIFT)) >>> 0;
  yield* flushes.changeEntry(cpu, mapping, ptePa, entry, uncacheable);
  yield* flushes.at('alias.tlb').flushTlbPage(cpu, space, va);
  yield* cpu.dsb();
  flushes.settled(cpu, mapping, ptePa);
}
