/**
 * A CPU switches back to an address space whose entries it has kept, while another changes a translation of that
 * space. The one asks whether it has missed a flush, the other who runs the space; unless each leaves its mark before
 * it asks, both may be told "no", and a CPU works on a page that was copied meanwhile, even after it has taken the
 * mutex that the one who copied it has given back.
 */

import type { Checker } from '../../checker/checker.ts';
import { type AsidAllocator, startTagged } from '../../kernel/asid/allocator.ts';
import type { TaggedSpace } from '../../kernel/asid/tagged-space.ts';
import { x86Pcid } from '../../kernel/asid/x86-pcid.ts';
import { withoutPaging } from '../../kernel/boot-user.ts';
import { type Kernel, READ_WRITE } from '../../kernel/kernel.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { defineScenario } from '../define.ts';
import type { Variant } from '../scenario.ts';
import { bootRanBefore, layTasks, TASK_VA, type TaskLayout, usePage } from './tagged-tasks.ts';

/** Spaces by index: the one whose page is copied, and what CPU 1 runs at first. */
const SHARED = 0;
const OTHER = 1;

/** TLB_NR_DYN_ASIDS. */
const SLOTS = 6;

interface Own {
  /** Frame of the copy. */
  readonly copy: number;
  /** 1 when the mutex is given back. */
  readonly mutexPa: number;
}

const variants: readonly Variant[] = [
  { name: 'correct', title: 'each leaves its mark, then a barrier, then asks', expect: 'clean' },
  {
    name: 'mark-late',
    title: 'the flush asks who runs the space, and marks the slots of the others afterwards (FreeBSD)',
    why: 'the flush has asked who runs the space; before it leaves its mark another CPU comes back to the space, finds no mark, and keeps the old entries of its slot. Mark first, then a barrier, then ask (FreeBSD EN-22:04.pcid)',
    expect: ['stale-translation'],
  },
  {
    name: 'skip-switching',
    title: 'the flush leaves out a CPU that is switching to the space',
    why: 'a CPU that is between two spaces may have looked at the generation of the flush already, and be about to use the space: it must be asked too (fea4e317f9e7)',
    expect: ['stale-translation'],
  },
  {
    name: 'switching-late',
    title: 'the CPU says that it switches after it has asked what it has missed',
    why: 'the CPU reads the generation, then a flush asks it and is told that it runs something else, and only then it says that it is switching: each has missed the other',
    expect: ['stale-translation'],
  },
  {
    name: 'switching-buffered',
    title: 'the CPU says so before, and what it says waits in its write buffer while it asks',
    why: 'it says so in the right order, but the store waits in its write buffer while the generation is read: a full barrier belongs in between (83b0177a6c48)',
    expect: ['stale-translation'],
    unsupported: ({ name, writeBufferEntries }) =>
      writeBufferEntries === 0 ? `${name} has no write buffer` : undefined,
  },
];

export default defineScenario<TaskLayout<Own>>({
  name: 'pcid-reorder',
  title: 'A CPU switches back to an address space while a flush of it looks for who runs it',
  source:
    'FreeBSD EN-22:04.pcid (r368649 "amd64 pmap: fix PCID mode invalidations"); Linux fea4e317f9e7 "x86/mm: Eliminate window where TLB flushes may be inadvertently skipped", 83b0177a6c48 "x86/mm: Fix SMP ordering in switch_mm_irqs_off()"',
  module: import.meta.url,
  variants,
  parameters: {
    lazy: {
      title: '1: CPU 1 runs a kernel thread on the tables of the space, not another task',
      default: 0,
      min: 0,
      max: 1,
    },
    uses: { title: 'uses of the page after the hand-over', default: 2, min: 1, max: 1000 },
  },
  reachable: {
    'switches-meanwhile': {
      title: 'a CPU has come back to the space between the change of its table and the end of the flush',
    },
  },
  cpus: 2,
  platform: 'x86-64',
  small: { parameters: { uses: 1 } },

  setup(machine, { lazy }) {
    const at = { numbers: [1, 2], running: [SHARED, lazy === 1 ? SHARED : OTHER] };
    const layout = layTasks(machine, x86Pcid, { names: ['shared', 'other'], asids: SLOTS, at }, (boot) => ({
      copy: boot.pages(1),
      mutexPa: boot.line(),
    }));
    machine.poke(layout.own.copy, SHARED + 1);
    bootRanBefore(machine, 1, layout, SHARED, at.numbers[SHARED]);
    return layout;
  },

  start({ machine, checker, cpu, layout }, { variant, lazy, uses }) {
    const { kernel, allocator } = startTagged(machine, x86Pcid, layout.tagged, checker, {
      asids: SLOTS,
      flaw: variant,
      rolledOver() {},
    });
    const program =
      cpu.index === 0
        ? copyOnWrite(cpu, kernel, allocator, layout, checker)
        : comeBack(cpu, kernel, allocator, layout, checker, { isLazy: lazy === 1, uses: Number(uses) });
    return { program, vectors: withoutPaging(kernel) };
  },

  // Only where the last access went, which is the page: no two walks that are the same.
  speculation: () => [],
});

function sharedSpace({ tagged }: TaskLayout<Own>): TaggedSpace {
  return tagged.spaces[SHARED];
}

/** The end of a copy-on-write fault, by a task that holds a mutex; then it gives the mutex back. */
function* copyOnWrite(
  cpu: Cpu,
  { tables, uncached }: Kernel,
  allocator: AsidAllocator,
  layout: TaskLayout<Own>,
  checker: Checker | null,
): Steps {
  const { ptePa } = layout.pages[SHARED];
  checker?.enters('switches-meanwhile');
  yield* tables.write(cpu, ptePa, (layout.own.copy | READ_WRITE) >>> 0);
  yield* allocator.flushTlbPage(cpu, sharedSpace(layout), TASK_VA);
  checker?.leaves('switches-meanwhile');
  checker?.contract(cpu, ptePa);
  yield* cpu.dmb();
  yield* cpu.storePhysical(layout.own.mutexPa, 1, 4, uncached);
}

/** Another thread of the space, which sleeps at first; then it takes the mutex and works on the page. */
function* comeBack(
  cpu: Cpu,
  { uncached }: Kernel,
  allocator: AsidAllocator,
  layout: TaskLayout<Own>,
  checker: Checker | null,
  { isLazy, uses }: { isLazy: boolean; uses: number },
): Steps {
  const space = sharedSpace(layout);
  if (isLazy) {
    yield* allocator.enterLazy?.(cpu) ?? cpu.compute(1);
    yield* cpu.compute(1);
  }
  yield* allocator.switchMm(cpu, space);
  checker?.reachedWithin('switches-meanwhile');
  yield* cpu.waitUntil(layout.own.mutexPa, (free) => free === 1, { why: 'the mutex', from: 0, uncached });
  for (let i = 0; i < uses; i++) yield* usePage(cpu, space, checker);
}
