/**
 * A page of an address space is unmapped on one CPU, and flushed by the number of the space, while another CPU rolls
 * over and gives the space a new number. Flushing by the old one is harmless, since nobody can have filled a TLB with
 * the page under the new one; but only if the page was gone for all to see before the old number was read.
 */

import type { Checker } from '../../checker/checker.ts';
import { type AsidAllocator, startTagged } from '../../kernel/asid/allocator.ts';
import { allocatorKind, allocatorNames } from '../../kernel/asid/kinds.ts';
import type { TaggedSpace } from '../../kernel/asid/tagged-space.ts';
import { withoutPaging } from '../../kernel/boot-user.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import type { Platform } from '../../machine/platform.ts';
import { TLBI_VA } from '../../machine/tlb.ts';
import { chosenVariant } from '../chosen-variant.ts';
import { defineScenario } from '../define.ts';
import type { Variant, VariantRun } from '../scenario.ts';
import { bootRanBefore, layTasks, TASK_VA, type TaskLayout, usePage } from './tagged-tasks.ts';
import { tooFewNumbers, withoutAsids } from './usable-numbers.ts';

/** Spaces by index: the one that loses its page; what CPU 0 runs; what CPU 1 runs; one that has no number yet. */
const UNMAPPED = 0;
const NEIGHBOUR = 2;
const NEWCOMER = 3;
/** Usable numbers: as many as spaces have one when the run begins. */
const NUMBERS = 3;
/** Bits of a number in the words of the allocators that a flush by broadcast is made for here. */
const NUMBER = 0xff;

type Order = 'allocator' | 'number-first' | 'barrier-late';

interface UnmapVariant extends Variant {
  readonly order: Order;
  readonly flaw?: string;
  /** Usable numbers; default: those of the spaces that have one. */
  readonly asids?: number;
}

const kinds: readonly UnmapVariant[] = [
  {
    name: 'correct',
    title: 'clears the entry, waits until that is visible, reads the number, flushes',
    expect: 'clean',
    order: 'allocator',
  },
  {
    name: 'number-first',
    title: 'reads the number, then clears the entry, and flushes by what it has read',
    why: 'the number is read, and the entry is still there: meanwhile the space gets a new number, runs on another CPU, and has the page under that. The flush by the old number does not reach it',
    expect: ['stale-translation'],
    search: { runs: 3000, shrinkRuns: 4000 },
    order: 'number-first',
    parameters: () => ({ allocator: 'arm64-bitmap' }),
    unsupported: withoutBroadcast,
  },
  {
    name: 'barrier-late',
    title: 'clears the entry, reads the number, and only then waits until the entry is visible',
    why: 'the cleared entry waits in the write buffer while the number is read: another CPU gives the space a new number and walks the old entry under it. The number is to be read after the DSB (5e10f9887ed8, arm64: mm: Fix TLBI vs ASID rollover)',
    expect: ['stale-translation'],
    search: { runs: 3000, shrinkRuns: 4000 },
    order: 'barrier-late',
    parameters: () => ({ allocator: 'arm64-bitmap' }),
    unsupported: (platform) =>
      withoutBroadcast(platform) ??
      (platform.writeBufferEntries === 0 ? `${platform.name} has no write buffer` : undefined),
  },
  {
    name: 'zero-if-inactive',
    title: 'forgets the number of a CPU that does not run the space, though it may be switching to it',
    why: 'the other CPU does not run the space yet, but has read its number and is about to: forgetting the number then comes too late for it, and it goes on with what it has in its TLB',
    expect: ['stale-translation', 'invariant'],
    order: 'allocator',
    parameters: () => ({ allocator: 'mips' }),
    flaw: 'zero-if-inactive',
    asids: 5,
    unsupported: ({ name, maxCpus }) => (maxCpus < 2 ? `${name} has one CPU` : undefined),
  },
];

const variants: readonly UnmapVariant[] = kinds.map((variant) => ({
  ...variant,
  unsupported: (platform, run) =>
    withoutAsids(platform) ?? variant.unsupported?.(platform, run) ?? tooFewOf(variant, run),
}));

export default defineScenario<TaskLayout>({
  name: 'unmap-vs-rollover',
  title: 'A page is flushed by the number of its space, which gets another one meanwhile',
  source:
    'Linux 5e10f9887ed8 "arm64: mm: Fix TLBI vs ASID rollover"; Catalin Marinas, kernel-tla 50c387f, asidalloc.tla (try_to_unmap)',
  module: import.meta.url,
  variants,
  parameters: {
    allocator: {
      title: 'whose algorithm; variants that are about one use that one',
      default: 'arm64-bitmap',
      values: allocatorNames,
    },
    rounds: { title: 'times that the space is run', default: 1, min: 1, max: 1000 },
    uses: { title: 'uses of its page each time', default: 6, min: 1, max: 1000 },
  },
  reachable: {
    rollover: { title: 'numbers have run out', variants: ['correct', 'number-first', 'barrier-late'] },
    'renumbered-meanwhile': {
      title: 'the space begins to run between the change of its table and the flush',
    },
  },
  cpus: 2,
  platform: (variant) => (variant === 'zero-if-inactive' ? 'x86-64' : 'neoverse'),
  small: { parameters: { uses: 1 } },

  setup(machine, settings) {
    const { kind, asids } = choicesOf(settings);
    const names = ['unmapped', 'unmapper', 'neighbour', 'newcomer'];
    const at = { numbers: [1, 2, 3, 0], running: [1, 2] };
    const layout = layTasks(machine, kind, { names, asids, at }, () => undefined);
    bootRanBefore(machine, 1, layout, UNMAPPED, at.numbers[UNMAPPED]);
    return layout;
  },

  start({ machine, checker, cpu, layout }, settings) {
    const { kind, variant, asids } = choicesOf(settings);
    const { kernel, allocator } = startTagged(machine, kind, layout.tagged, checker, {
      asids,
      ...(variant.flaw && { flaw: variant.flaw }),
      rolledOver(times) {
        if (times === 1) checker?.reached('rollover');
      },
    });
    const { spaces } = layout.tagged;
    const program =
      cpu.index === 0
        ? unmap(cpu, kernel, allocator, layout, checker, variant.order)
        : rollOver(cpu, allocator, spaces, checker, {
            rounds: Number(settings.rounds),
            uses: Number(settings.uses),
          });
    return { program, vectors: withoutPaging(kernel) };
  },

  // Only where the last access went, which is the page: no two walks that are the same.
  speculation: () => [],
});

/** The numbers are those of the spaces, since they are to run out: so it is the CPUs that are too many. */
function tooFewOf(variant: UnmapVariant, run?: VariantRun): string | undefined {
  if (run === undefined) return undefined;
  const { cpus, parameters } = run;
  const numbers = variant.asids ?? NUMBERS;
  return tooFewNumbers(String(parameters.allocator), numbers, cpus, `use --cpus ${numbers - 1}`);
}

function choicesOf(settings: { readonly variant: string; readonly [name: string]: unknown }) {
  const variant = chosenVariant(variants, settings.variant);
  const kind = allocatorKind(String({ ...settings, ...variant.parameters?.(2) }.allocator));
  return { variant, kind, asids: variant.asids ?? NUMBERS };
}

/** try_to_unmap: no task of the space runs on this CPU. */
function* unmap(
  cpu: Cpu,
  { tables, uncached }: Kernel,
  allocator: AsidAllocator,
  { tagged, pages }: TaskLayout,
  checker: Checker | null,
  order: Order,
): Steps {
  const space = tagged.spaces[UNMAPPED];
  const { ptePa } = pages[UNMAPPED];
  const readNumber = () => cpu.loadPhysical(space.contextPa, 4, uncached);
  let id = order === 'number-first' ? yield* readNumber() : 0;
  checker?.enters('renumbered-meanwhile');
  yield* tables.write(cpu, ptePa, 0);
  if (order === 'allocator') yield* allocator.flushTlbPage(cpu, space, TASK_VA);
  else {
    if (order === 'barrier-late') id = yield* readNumber();
    yield* cpu.dsb();
    yield* cpu.tlbiBroadcast(TLBI_VA, TASK_VA, 1, id & NUMBER);
    yield* cpu.dsb();
    yield* cpu.isb();
  }
  checker?.leaves('renumbered-meanwhile');
  checker?.contract(cpu, ptePa);
}

/** A new space is run, for which there is no number left, and then the one that loses its page. */
function* rollOver(
  cpu: Cpu,
  allocator: AsidAllocator,
  spaces: readonly TaggedSpace[],
  checker: Checker | null,
  { rounds, uses }: { rounds: number; uses: number },
): Steps {
  for (let round = 0; round < rounds; round++) {
    yield* allocator.switchMm(cpu, spaces[round % 2 === 0 ? NEWCOMER : NEIGHBOUR]);
    yield* allocator.switchMm(cpu, spaces[UNMAPPED]);
    checker?.reachedWithin('renumbered-meanwhile');
    for (let i = 0; i < uses; i++) yield* usePage(cpu, spaces[UNMAPPED], checker);
  }
}

function withoutBroadcast({ name, broadcast }: Platform): string | undefined {
  return broadcast
    ? undefined
    : `${name} has no TLB invalidates by broadcast: every CPU reads the number itself`;
}
