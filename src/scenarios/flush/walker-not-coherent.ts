/**
 * The kernel maps memory for itself, by sections and by pages, and uses it at once. Where the table walker does
 * not look into the cache that the entry was stored to, the line of the entry must be cleaned first; and where a
 * store waits in a write buffer, a barrier must come before the use. Otherwise the walker finds the address as it
 * was, without a mapping.
 */
import { bootInto } from '../../kernel/boot-process.ts';
import { withoutPaging } from '../../kernel/boot-user.ts';
import { coherencyHandler } from '../../kernel/coherency-exception.ts';
import type { FlushArchitecture } from '../../kernel/flush/architecture.ts';
import { type KernelLayout, layKernel, properKernel, USED } from '../../kernel/kernel.ts';
import {
  layUnmappedPage,
  layUnmappedSection,
  MAP_STATIC_SITES,
  mapStatic,
  type StaticMapping,
} from '../../kernel/map-static.ts';
import { type Cpu, noSteps, type Steps } from '../../machine/cpu.ts';
import { PAGE_BYTES, type Platform } from '../../machine/platform.ts';
import type { Expectation } from '../scenario.ts';
import { clean, found } from './alias-facts.ts';
import { defineFlushScenario } from './define-flush.ts';
import { fact } from './facts.ts';

interface Layout {
  readonly kernel: KernelLayout;
  readonly sections: readonly StaticMapping[];
  readonly pages: readonly StaticMapping[];
}

/** Where sections and pages are mapped: the kernel's part of the address space, above its linear mapping. */
const SECTIONS = 0xd000_0000;
const PAGES = 0xe000_0000;
/** Apart, so that no two entries share a line. */
const SECTION_STRIDE = 1 << 24;
const PAGE_STRIDE = 16 * PAGE_BYTES;
/** How many of each: a random eviction may clean the line of one in time. */
const COUNT = 8;

export default defineFlushScenario<Layout>({
  name: 'walker-not-coherent',
  title: 'The walker reads a table entry from below the cache that it was stored to',
  source:
    'Linux arch/arm/mm/mmu.c: __map_init_section has flush_pmd_entry, create_36bit_mapping has not (seen at commit 00c010e130e58301); barriers: Linux commit 7f0b1bf04511 (arm64: Fix barriers used for page table modifications), arch/arm/include/asm/cacheflush.h (flush_cache_vmap)',
  module: import.meta.url,
  sites: MAP_STATIC_SITES,
  variants: [
    {
      name: 'right',
      title: 'each entry is cleaned, and a barrier follows',
      expectOn: (platform) =>
        clean(
          `the entry is where walks read it before the address is used: ${fact(platform, 'mmu.walkerReads')}`,
        ),
    },
    {
      name: 'no-clean',
      title: 'no entry is cleaned',
      omit: ['map.section-clean', 'map.page-clean'],
      expectOn: withoutClean,
    },
    {
      name: 'section-no-clean',
      title: 'as create_36bit_mapping: entries of pages are cleaned, those of sections are not',
      omit: ['map.section-clean'],
      expectOn: withoutClean,
    },
    {
      name: 'clean-without-barrier',
      title: 'no barrier between the entry, cleaned or not, and the use of the address',
      omit: ['map.barrier'],
      platform: 'neoverse',
      expectOn: withoutBarrier,
      unsupported: barrierUnknown,
    },
  ],
  cpus: 1,
  platform: 'arm1136',

  setup(machine) {
    const { kernel, prepared } = layKernel(machine, ['kernel'], (boot, [space]) => {
      const frame = boot.pages(1);
      const numbers = Array.from({ length: COUNT }, (_, i) => i);
      return {
        sections: numbers.map((i) =>
          layUnmappedSection(boot, space, SECTIONS + i * SECTION_STRIDE + frame, frame, USED),
        ),
        pages: numbers.map((i) => layUnmappedPage(boot, space, PAGES + i * PAGE_STRIDE, frame, USED)),
      };
    });
    bootInto(machine, 0, kernel.spaces[0]);
    return { kernel, ...prepared };
  },

  start({ machine, checker, cpu, layout }, _, flushesOf) {
    const kernel = properKernel(machine, layout.kernel, checker);
    return {
      program: cpu.index === 0 ? mapAndUse(cpu, flushesOf(kernel), layout) : noSteps(),
      vectors: { ...withoutPaging(kernel), coherencyException: coherencyHandler },
    };
  },
});

/** The verdict where the line of an entry is not cleaned before the address is used. */
export function withoutClean(platform: Platform): Expectation {
  const { mmu } = platform;
  if (mmu.refill === 'software') {
    return clean(
      `the refill handler reads tables as the kernel stores them: ${fact(platform, 'mmu.refill')}`,
    );
  }
  switch (mmu.pageTables) {
    case 'clean':
      return found(
        ['walker-old-entry'],
        `the entry is dirty in the cache, and walks go past it: ${fact(platform, 'mmu.walkerReads')}`,
      );
    case 'uncached':
      return clean(
        `entries are stored past the caches, so there is nothing to clean: ${fact(platform, 'mmu.pageTables')}`,
      );
    case 'cached':
      return mmu.walkerReads === 'l2'
        ? clean(`stores go through to the level that walks read: ${fact(platform, 'l1d.write')}`)
        : clean(`walks see what the kernel has in its cache: ${fact(platform, 'mmu.walkerReads')}`);
  }
}

const SWAPPED =
  'Linux stores entries by swap, and for another reason, the referenced and modified bits (arch/sparc/include/asm/pgtable_32.h, srmmu_swap)';
/** Platforms whose walks pass by the write buffer here, though no source says that those of the hardware do. */
const UNSOURCED: Readonly<Record<string, string>> = {
  'x86-64':
    'the Intel manuals (vol. 3, 4.10.4.3) ask for no invalidation when an entry becomes valid, and walks of most x86 processors were measured to see their own CPU’s stores (H. Wong, "TLB and Pagewalk Coherence in x86 Processors", 2015)',
  sun4m: SWAPPED,
  sun4d: SWAPPED,
  hypersparc: SWAPPED,
};

/** Why nothing can be said of a missing barrier on a platform, or undefined if something can. */
function barrierUnknown({ name, mmu }: Platform): string | undefined {
  if (mmu.pageTables === 'clean') {
    return `the clean that ${name} makes is complete when its step is done: lines on their way to memory, which the barrier waits for, are not modelled`;
  }
  const known = UNSOURCED[name];
  return known === undefined
    ? undefined
    : `no source says that walks of ${name} miss what waits in the write buffer of their own CPU: ${known}`;
}

function withoutBarrier(platform: Platform): Expectation {
  const { mmu, writeBufferEntries } = platform;
  if (mmu.refill === 'software') {
    return clean(
      `the refill handler’s loads are given what still waits in the write buffer: ${fact(platform, 'mmu.refill')}`,
    );
  }
  if (writeBufferEntries === 0) return clean(`stores do not wait: ${fact(platform, 'writeBufferEntries')}`);
  return found(
    ['walker-old-entry'],
    `the store may still wait in the write buffer, which the walker does not look into (that barriers are needed: Linux commit 7f0b1bf04511; for ARMv7 flush_cache_vmap): ${fact(platform, 'writeBufferEntries')}`,
  );
}

function* mapAndUse(cpu: Cpu, flushes: FlushArchitecture, { sections, pages }: Layout): Steps {
  for (const section of sections) {
    yield* mapStatic(cpu, flushes, section, 'map.section-clean');
    yield* cpu.load(section.va);
  }
  for (const page of pages) {
    yield* mapStatic(cpu, flushes, page, 'map.page-clean');
    yield* cpu.load(page.va);
  }
}
