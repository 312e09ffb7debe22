/**
 * A network stack that copies nothing: what has arrived in a page of the kernel's is exchanged for the page
 * that holds what the user wants to send. The user reads at one and the same address what each page brings,
 * and writes its answer there; the kernel reads and fills the pages through its own mapping.
 *
 * The order of the flush interfaces leaves a gap: between the flush of the cache and that of the TLB a prefetcher
 * may go on through the old translation. What it brings back is no newer than memory, and a page that goes to
 * nobody else may have such lines; but this one comes back to its address after the kernel has filled it.
 */
import { type BootPage, bootInto } from '../../kernel/boot-process.ts';
import { withoutPaging } from '../../kernel/boot-user.ts';
import { coherencyHandler } from '../../kernel/coherency-exception.ts';
import type { FlushArchitecture } from '../../kernel/flush/architecture.ts';
import { type KernelLayout, layKernel, properKernel, READ_WRITE } from '../../kernel/kernel.ts';
import { FLIP_SITES, flipPage } from '../../kernel/page-flip.ts';
import { type Cpu, noSteps, type Steps } from '../../machine/cpu.ts';
import { PAGE_BYTES, type Platform } from '../../machine/platform.ts';
import { flushNeedsMapping } from '../../machine/traits.ts';
import type { Expectation } from '../scenario.ts';
import { clean, flushed, found, withoutAliases, writesBack } from './alias-facts.ts';
import { bootMapEven, oddPage } from './colours.ts';
import { defineFlushScenario } from './define-flush.ts';
import { dataCacheFact, fact } from './facts.ts';

interface Layout {
  readonly kernel: KernelLayout;
  readonly page: BootPage;
  /** Frame of the page that the kernel has first. */
  readonly buffer: number;
}

interface Sizes {
  readonly flips: number;
  readonly lines: number;
}

/**
 * Where the messages are in a page: each in lines of its own, so that reading one does not evict the other from
 * a small cache, and neither where tables have their entries.
 */
const SENT = 0x800;
const RECEIVED = 0xa00;

export default defineFlushScenario<Layout>({
  name: 'page-flip',
  title: 'A received page is exchanged for the one that the user sends',
  source:
    '"The Linux Cache Flush Architecture", open issues: page flipping for networking; FreeBSD sys/kern/kern_subr.c, vm_pgmoveco (zero-copy sockets)',
  module: import.meta.url,
  sites: FLIP_SITES,
  variants: [
    {
      name: 'all-flushes',
      title: 'flushes both sides of the exchange, and the TLB',
      expectOn: (platform) =>
        flushed(platform, 'whoever is given a page finds it in memory, and has no line of it from before'),
    },
    {
      name: 'given-in-cache',
      title: 'the page that the user is given is left in the lines of the kernel’s mapping',
      omit: ['flip.given-to-ram'],
      expectOn: (platform) => withoutAliases(platform) ?? givenInCache(platform),
    },
    {
      name: 'taken-in-cache',
      title: 'the page that the user gives away is left in the lines of its address',
      omit: ['flip.cache', 'flip.cache-again'],
      expectOn: (platform) => withoutAliases(platform) ?? takenInCache(platform),
    },
    {
      name: 'flushed-late',
      title: 'the user’s address is flushed when the entry has changed, and not before',
      omit: ['flip.cache'],
      expectOn: (platform) => withoutAliases(platform) ?? flushedLate(platform),
    },
    {
      name: 'prefetched-back',
      title:
        'the cache is flushed before the entry changes only: what is prefetched before the TLB flush stays',
      omit: ['flip.cache-again'],
      expectOn: (platform) => withoutAliases(platform) ?? prefetchedBack(platform),
    },
    {
      name: 'stale-tlb',
      title: 'the user’s translation is left in the TLB',
      omit: ['flip.tlb'],
      expectOn: (platform) =>
        found(
          ['flush-order', 'stale-translation'],
          `the user goes on using the page that is the kernel’s now, whatever the caches: ${fact(platform, 'mmu.tlb.data.entries')}`,
        ),
    },
  ],
  parameters: {
    flips: { title: 'pages exchanged one after the other', default: 6, min: 1, max: 100 },
    lines: { title: 'lines of a message', default: 3, min: 1, max: 8 },
  },
  cpus: 1,
  platform: 'arm926',

  setup(machine) {
    const { kernel, prepared } = layKernel(machine, ['process'], (boot, [space]) => {
      const page = bootMapEven(boot, space, oddPage(0), READ_WRITE);
      // Two pages on: another even one.
      return { page, buffer: boot.pages(2) + PAGE_BYTES };
    });
    bootInto(machine, 0, kernel.spaces[0]);
    return { kernel, ...prepared };
  },

  start({ machine, checker, cpu, layout }, { flips, lines }, flushesOf) {
    const kernel = properKernel(machine, layout.kernel, checker);
    const sizes = { flips: Number(flips), lines: Number(lines) };
    return {
      program: cpu.index === 0 ? talk(cpu, flushesOf(kernel), layout, sizes) : noSteps(),
      vectors: { ...withoutPaging(kernel), coherencyException: coherencyHandler },
    };
  },
});

function givenInCache(platform: Platform): Expectation {
  const reason = writesBack(platform)
    ? 'what the kernel has received is dirty in its own lines, and the user reads memory'
    : 'memory has what the kernel received, but its lines stay and hide what the user stores to the page until it comes back';
  return found(['stale-data'], `${reason}: ${dataCacheFact(platform)}`);
}

function takenInCache(platform: Platform): Expectation {
  if (flushNeedsMapping(platform)) {
    return found(
      ['flush-order', 'stale-data'],
      `once the entry has changed no flush finds the lines any more: ${fact(platform, 'maintenance.unmapped')}`,
    );
  }
  const reason =
    platform.l1d.organisation === 'vivt'
      ? 'lines of the old page answer for the new one, which has the same virtual address'
      : 'what the user stored is dirty under its own index, and the kernel reads memory';
  return found(['stale-data'], `${reason}: ${dataCacheFact(platform)}`);
}

function flushedLate(platform: Platform): Expectation {
  if (flushNeedsMapping(platform)) return takenInCache(platform);
  return clean(
    `nobody uses the address in between, and a flush finds the lines by their tags or through a mapping made for it: ${fact(platform, 'maintenance.unmapped')}`,
  );
}

function prefetchedBack(platform: Platform): Expectation {
  const { agents } = platform;
  if (!agents.includes('prefetch')) {
    return clean(`nothing comes back that no program asks for: ${fact(platform, 'agents')}`);
  }
  return found(
    ['stale-data'],
    `a line that came back after the flush is older than what the kernel receives into the page next: ${fact(platform, 'agents')}`,
  );
}

/** The user and the kernel exchange messages: each reads what the other wrote, then writes the next one. */
function* talk(cpu: Cpu, flushes: FlushArchitecture, { kernel, page, buffer }: Layout, sizes: Sizes): Steps {
  const [space] = kernel.spaces;
  const mapping = { space, va: page.va, ptePa: page.ptePa };
  const { flips, lines } = sizes;
  const sent = words(cpu, SENT, lines);
  const received = words(cpu, RECEIVED, lines);
  let own = buffer;
  for (let flip = 1; flip <= flips; flip++) {
    for (const at of sent) {
      // Some caches allocate a line for a load only.
      yield* cpu.load(page.va + at);
      yield* cpu.store(page.va + at, (flip << 16) | at);
    }
    // Its last access is where a prefetcher goes on from.
    yield* cpu.load(page.va + received[0]);
    for (const at of received) {
      yield* cpu.loadPhysical(own + at);
      yield* cpu.storePhysical(own + at, (flip << 16) | at);
    }
    yield* cpu.dsb();
    own = yield* flipPage(cpu, flushes, mapping, own);
    for (const at of sent) yield* cpu.loadPhysical(own + at);
    for (const at of received) yield* cpu.load(page.va + at);
  }
}

/** Offsets of the words of a message, one a line. */
function words({ machine }: Cpu, first: number, lines: number): number[] {
  return Array.from({ length: lines }, (_, i) => first + i * machine.platform.lineBytes);
}
