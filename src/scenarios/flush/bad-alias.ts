/**
 * A program maps the same pages twice (MAP_SHARED, shmat) and uses both addresses in turn. Where they are
 * bad aliases the cache has a copy of a line for each, and a store through one is not seen through the other.
 * updateMmuCache, which the kernel calls for every entry it makes, looks for the page's other mappings and
 * takes all of them out of the cache; or mmap places them so that they share their lines.
 *
 * One page may be written through both of its mappings, one only through the older, one only through the newer.
 */
import { bootEntryOf, bootInto, bootMap } from '../../kernel/boot-process.ts';
import { withoutPaging } from '../../kernel/boot-user.ts';
import { coherencyHandler } from '../../kernel/coherency-exception.ts';
import type { FlushArchitecture } from '../../kernel/flush/architecture.ts';
import { areBadAliases, sharedAddress } from '../../kernel/flush/update-mmu-cache.ts';
import { type KernelLayout, layKernel, properKernel, READ_WRITE, USED } from '../../kernel/kernel.ts';
import { MAP_SHARED_SITES, mapShared } from '../../kernel/map-shared.ts';
import { layTables } from '../../kernel/page-table.ts';
import { bootMapping, laySharedPage, type SharedPage } from '../../kernel/rmap.ts';
import { PTE } from '../../machine/attributes.ts';
import { type Cpu, noSteps, type Steps } from '../../machine/cpu.ts';
import { PAGE_BYTES, type Platform } from '../../machine/platform.ts';
import type { Expectation } from '../scenario.ts';
import { clean, found, withoutAliases, writesBack } from './alias-facts.ts';
import { oddPage } from './colours.ts';
import { defineFlushScenario } from './define-flush.ts';
import { dataCacheFact, fact } from './facts.ts';

interface Layout {
  readonly kernel: KernelLayout;
  readonly pages: readonly TwiceMapped[];
}

interface TwiceMapped {
  readonly page: SharedPage;
  readonly older: number;
  readonly newer: number;
  /** Entry of the newer mapping. */
  readonly ptePa: number;
  /** PTE bits of the two. */
  readonly olderRights: number;
  readonly newerRights: number;
}

/** Rights of the older and the newer mapping of each page. */
const RIGHTS = [
  [READ_WRITE, READ_WRITE],
  [READ_WRITE, USED],
  [USED, READ_WRITE],
] as const;

/**
 * The words in use: in lines of their own, so that not all of them are evicted before anyone looks, and not where
 * tables have their entries, which small caches would evict them for.
 */
const WORDS = [0x200, 0x240, 0x280, 0x2c0];
const OLDER = oddPage(0);
/** Another colour than that of an odd page, wherever there are two. */
const NEWER = OLDER + 43 * PAGE_BYTES;

export default defineFlushScenario<Layout>({
  name: 'bad-alias',
  title: 'A program uses a page through two addresses that a cache keeps apart',
  source:
    '"The Linux Cache Flush Architecture", update_mmu_cache; Linux arch/arm/mm/fault-armv.c (make_coherent); Linux 2.2 arch/sparc/mm/srmmu.c (srmmu_vac_update_mmu_cache); arch/sparc/include/asm/shmparam_32.h (SHMLBA)',
  module: import.meta.url,
  sites: MAP_SHARED_SITES,
  variants: [
    {
      name: 'uncached',
      title: 'updateMmuCache makes all mappings of the page uncacheable',
      expectOn: (platform) =>
        withoutAliases(platform) ??
        unmanaged(platform) ??
        clean(
          `no line of the page is left and none is filled any more, so both addresses reach memory, although ${dataCacheFact(platform)}`,
        ),
    },
    {
      name: 'colouring',
      title: 'mmap gives the second mapping an address of the first one’s colour; no updateMmuCache',
      omit: ['map.update'],
      expectOn: (platform) => {
        const mapped = sharedAddress(platform, NEWER, OLDER);
        return (
          withoutAliases(platform) ??
          (areBadAliases(platform, OLDER, mapped)
            ? found(
                ['stale-data'],
                `virtual tags of two addresses differ whatever their colour, and a set has room for both: ${dataCacheFact(platform)}`,
              )
            : clean(
                `addresses of one colour have one index, so the second copy has no place of its own: ${dataCacheFact(platform)}`,
              ))
        );
      },
    },
    {
      name: 'no-update-mmu-cache',
      title: 'nobody looks for other mappings',
      omit: ['map.update'],
      expectOn: (platform) => withoutAliases(platform) ?? apart(platform),
    },
    {
      name: 'dirty-left-behind',
      title: 'the mappings become uncacheable while lines of them are dirty',
      omit: ['alias.cache'],
      expectOn: (platform) => withoutAliases(platform) ?? unmanaged(platform) ?? dirtyLeft(platform),
    },
    {
      name: 'tests-new-only',
      title: 'as the document’s code: only whether the new mapping is writable; a read-only one is let pass',
      expectOn: (platform) => withoutAliases(platform) ?? apart(platform),
    },
  ],
  parameters: {
    rounds: { title: 'times that each page is used through both addresses', default: 3, min: 1, max: 100 },
  },
  cpus: 1,
  platform: 'arm926',

  setup(machine, { variant }) {
    const { platform } = machine;
    const { kernel, prepared } = layKernel(machine, ['process'], (boot, [space], lock) =>
      RIGHTS.map(([olderRights, newerRights], i): TwiceMapped => {
        const older = oddPage(i);
        const wanted = NEWER + 2 * i * PAGE_BYTES;
        const newer = variant === 'colouring' ? sharedAddress(platform, wanted, older) : wanted;
        const [{ frame }] = bootMap(boot, space, older, 1, olderRights);
        layTables(boot, space.root, newer, 1);
        const page = laySharedPage(boot, frame, lock('shared page'));
        bootMapping(machine, page, 0, older);
        return { page, older, newer, ptePa: bootEntryOf(machine, space, newer), olderRights, newerRights };
      }),
    );
    bootInto(machine, 0, kernel.spaces[0]);
    return { kernel, pages: prepared };
  },

  start({ machine, checker, cpu, layout }, { variant, rounds }, flushesOf) {
    const kernel = properKernel(machine, layout.kernel, checker);
    const newOnly = variant === 'tests-new-only';
    return {
      program: cpu.index === 0 ? useBoth(cpu, flushesOf(kernel), layout, Number(rounds), newOnly) : noSteps(),
      vectors: { ...withoutPaging(kernel), coherencyException: coherencyHandler },
    };
  },
});

/** The verdict where the kernel is told to leave aliases alone. */
function unmanaged(platform: Platform): Expectation | undefined {
  return platform.l1d.aliasPolicy === 'unmanaged' ? apart(platform) : undefined;
}

function dirtyLeft(platform: Platform): Expectation {
  if (!writesBack(platform)) {
    return clean(
      `memory has every store already, and nobody looks at the lines: ${fact(platform, 'l1d.write')}`,
    );
  }
  return found(
    ['stale-data', 'lost-write'],
    `an uncached load passes by the dirty line, and its eviction overwrites what was stored past it: ${dataCacheFact(platform)}`,
  );
}

/** The verdict where both addresses stay cached. */
function apart(platform: Platform): Expectation {
  return found(
    ['stale-data'],
    `a store through one address leaves the other’s line as it was: ${dataCacheFact(platform)}`,
  );
}

function* useBoth(
  cpu: Cpu,
  flushes: FlushArchitecture,
  { kernel, pages }: Layout,
  rounds: number,
  newOnly: boolean,
): Steps {
  const [space] = kernel.spaces;
  for (const { page, older, newer, ptePa, olderRights, newerRights } of pages) {
    yield* storeIfAllowed(cpu, older, olderRights, 1);
    yield* mapShared(cpu, flushes, { space, va: newer, ptePa }, page, newerRights, { newOnly });
    for (let value = 2; value < 2 + 2 * rounds; value += 2) {
      yield* loadAll(cpu, newer);
      yield* storeIfAllowed(cpu, older, olderRights, value);
      yield* loadAll(cpu, newer);
      yield* storeIfAllowed(cpu, newer, newerRights, value + 1);
      yield* loadAll(cpu, older);
    }
  }
}

function* loadAll(cpu: Cpu, page: number): Steps {
  for (const at of WORDS) yield* cpu.load(page + at);
}

function* storeIfAllowed(cpu: Cpu, page: number, rights: number, value: number): Steps {
  // Some caches allocate a line for a load only.
  yield* loadAll(cpu, page);
  if ((rights & PTE.WRITE) === 0) return;
  for (const at of WORDS) yield* cpu.store(page + at, value);
  // A load by the other address would be given what still waits in the write buffer.
  yield* cpu.dsb();
}
