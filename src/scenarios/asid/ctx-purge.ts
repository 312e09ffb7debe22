/**
 * Who purges a translation by number must know which number it was made under, and who frees a number must know that
 * nobody has taken it.
 *
 * purge: on IA-64 a purge names a page in the regions that are in the CPU's registers. A kernel thread keeps the
 * registers of the task that ran before it; when that task has moved to another CPU and got a new context there, the
 * kernel thread purges by the old one, which nobody uses.
 *
 * destroy: on SPARC a space that ends gives its context back, which may at that moment be taken from it.
 */
import type { Checker } from '../../checker/checker.ts';
import { type AsidAllocator, startTagged } from '../../kernel/asid/allocator.ts';
import { writeContext } from '../../kernel/asid/context-registers.ts';
import { srmmu } from '../../kernel/asid/srmmu.ts';
import { withoutPaging } from '../../kernel/boot-user.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { type SpinLock, spinLock, spinUnlock } from '../../kernel/spin-lock.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import type { Platform } from '../../machine/platform.ts';
import { CTL } from '../../machine/registers.ts';
import { TLBI_ALL, TLBI_VA } from '../../machine/tlb.ts';
import { chosenVariant } from '../chosen-variant.ts';
import { defineScenario } from '../define.ts';
import type { Variant, VariantRun } from '../scenario.ts';
import { bootRanBefore, layTasks, TASK_VA, type TaskLayout, usePage } from './tagged-tasks.ts';
import { tooFewNumbers } from './usable-numbers.ts';

/** Spaces by index: the one that is purged or ends; those that have run; two that have no number yet. */
const OWNED = 0;
const KERNEL_SIDE = 1;
const OTHER = 2;
const NEXT = 3;
const LATER = 4;
const ASIDS = 3;
/** Context that the first space begins with. */
const OWNED_NUMBER = 1;

interface Own {
  /** ia64_ctx: the number that was given last. */
  readonly lastPa: number;
  readonly lock: SpinLock;
}

interface PurgeVariant extends Variant {
  readonly deed: 'purge' | 'destroy';
  readonly flaw?: string;
}

/** These take what numbers there are. */
const destroys = {
  deed: 'destroy',
  unsupported: (_: Platform, run?: VariantRun) =>
    run && tooFewNumbers(srmmu.name, ASIDS, run.cpus, `use --cpus ${ASIDS - 1}`),
} as const;
const search = { runs: 3000, shrinkRuns: 20_000 } as const;

const variants: readonly PurgeVariant[] = [
  {
    name: 'correct',
    title: 'a kernel thread flushes everything, since its registers may not be those of the task any more',
    expect: 'clean',
    deed: 'purge',
    unsupported: withoutBroadcast,
  },
  {
    name: 'own-registers',
    title: 'a kernel thread purges by the context that its CPU is in',
    why: 'the kernel thread has been moved to another CPU, whose registers hold another context: it purges that one',
    expect: ['stale-translation'],
    deed: 'purge',
    unsupported: withoutBroadcast,
  },
  {
    name: 'destroy',
    title: 'a context is given back under the lock, after a flush',
    expect: 'clean',
    ...destroys,
  },
  {
    name: 'destroy-unflushed',
    title: 'a context is given back without a flush',
    why: 'the context is free for the next space, and the TLBs have entries of the last one under it',
    expect: ['invariant'],
    flaw: 'free-unflushed',
    search,
    ...destroys,
  },
  {
    name: 'destroy-unlocked',
    title: 'looks which context the space has before it takes the lock, as Linux does',
    why: 'the context is read and then the lock is taken: in between it has been taken from the space and given to another one, and is now put on the list of free ones while that one runs with it',
    expect: ['invariant'],
    flaw: 'destroy-unlocked',
    search,
    ...destroys,
  },
];

export default defineScenario<TaskLayout<Own>>({
  name: 'ctx-purge',
  title: 'A context is purged, or given back, by a number that is not the space’s any more',
  source:
    'Linux cfbb1426bd76 "[IA64] Hole in IA64 TLB flushing from system threads"; arch/sparc/mm/srmmu.c, destroy_context and alloc_context at 00c010e130e5',
  module: import.meta.url,
  variants,
  parameters: { uses: { title: 'uses of the page by its task', default: 2, min: 1, max: 1000 } },
  reachable: {
    'renumbered-meanwhile': {
      title: 'the task gets its new context between the change of the table and the purge',
      variants: ['correct', 'own-registers'],
    },
    stolen: {
      title: 'the context is taken from the space while it gives it back',
      variants: ['destroy', 'destroy-unflushed', 'destroy-unlocked'],
    },
  },
  cpus: 2,
  platform: (variant) => (variant.startsWith('destroy') ? 'x86-64' : 'neoverse'),
  small: { parameters: { uses: 1 } },

  setup(machine, settings) {
    const { deed } = variantOf(settings);
    const names = ['owned', 'kernel', 'other', 'next', 'later'];
    const at = {
      numbers: [OWNED_NUMBER, 2, 3, 0, 0],
      running: [deed === 'purge' ? OWNED : KERNEL_SIDE, OTHER],
    };
    const layout = layTasks(machine, srmmu, { names, asids: ASIDS, at }, (boot, lock) => ({
      lastPa: boot.line(),
      lock: lock('context number'),
    }));
    machine.poke(layout.own.lastPa, ASIDS);
    bootRanBefore(machine, 1, layout, OWNED, at.numbers[OWNED]);
    return layout;
  },

  start({ machine, checker, cpu, layout }, settings) {
    const { name, deed, flaw } = variantOf(settings);
    const { kernel, allocator } = startTagged(machine, srmmu, layout.tagged, checker, {
      asids: ASIDS,
      ...(flaw !== undefined && { flaw }),
      rolledOver() {},
    });
    const uses = Number(settings.uses);
    const program = {
      purge: () =>
        cpu.index === 0
          ? purge(cpu, kernel, layout, checker, name === 'own-registers')
          : moveHere(cpu, kernel, layout, checker, uses),
      destroy: () =>
        cpu.index === 0 ? end(cpu, allocator, layout, checker) : begin(cpu, allocator, layout, checker),
    }[deed];
    return { program: program(), vectors: withoutPaging(kernel) };
  },

  // Only where the last access went, which is the page: no two walks that are the same.
  speculation: () => [],
});

function variantOf(settings: { readonly variant: string }): PurgeVariant {
  return chosenVariant(variants, settings.variant);
}

/** A kernel thread that runs on the tables of the task takes a page from it, as kswapd does. */
function* purge(
  cpu: Cpu,
  { tables }: Kernel,
  { pages }: TaskLayout<Own>,
  checker: Checker | null,
  byRegisters: boolean,
): Steps {
  const { ptePa } = pages[OWNED];
  checker?.enters('renumbered-meanwhile');
  yield* tables.write(cpu, ptePa, 0);
  yield* cpu.dsb();
  if (byRegisters) yield* cpu.tlbiBroadcast(TLBI_VA, TASK_VA, 1, cpu.hw.ctl[CTL.ASID]);
  else yield* cpu.tlbiBroadcast(TLBI_ALL, 0, 1, 0);
  yield* cpu.dsb();
  yield* cpu.isb();
  checker?.leaves('renumbered-meanwhile');
  checker?.contract(cpu, ptePa);
}

/** The task goes on here. Its flush_tlb_mm has given it a new context (get_new_mmu_context of IA-64). */
function* moveHere(
  cpu: Cpu,
  { uncached }: Kernel,
  { tagged, own }: TaskLayout<Own>,
  checker: Checker | null,
  uses: number,
): Steps {
  const space = tagged.spaces[OWNED];
  yield* spinLock(cpu, own.lock, uncached);
  const number = (yield* cpu.loadPhysical(own.lastPa, 4, uncached)) + 1;
  yield* cpu.storePhysical(own.lastPa, number, 4, uncached);
  yield* cpu.storePhysical(space.contextPa, number, 4, uncached);
  yield* spinUnlock(cpu, own.lock, uncached);
  const registers = { order: 'one', reservedRoot: tagged.reservedRoot } as const;
  yield* writeContext(cpu, registers, space.root, number);
  checker?.reachedWithin('renumbered-meanwhile');
  for (let i = 0; i < uses; i++) yield* usePage(cpu, space, checker);
}

/** The last task of a space has ended; this CPU goes on with one that has no context yet. */
function* end(
  cpu: Cpu,
  allocator: AsidAllocator,
  { tagged }: TaskLayout<Own>,
  checker: Checker | null,
): Steps {
  const { spaces } = tagged;
  checker?.enters('stolen');
  yield* allocator.destroyContext?.(cpu, spaces[OWNED]) ?? cpu.compute(1);
  checker?.leaves('stolen');
  yield* allocator.switchMm(cpu, spaces[LATER]);
  yield* usePage(cpu, spaces[LATER], checker);
}

/** Another CPU needs a context at that time. */
function* begin(
  cpu: Cpu,
  allocator: AsidAllocator,
  { tagged }: TaskLayout<Own>,
  checker: Checker | null,
): Steps {
  yield* allocator.switchMm(cpu, tagged.spaces[NEXT]);
  if (cpu.hw.ctl[CTL.ASID] === OWNED_NUMBER) checker?.reachedWithin('stolen');
  yield* usePage(cpu, tagged.spaces[NEXT], checker);
}

function withoutBroadcast({ name, broadcast, mmu }: Platform): string | undefined {
  if (mmu.splitContextSwitch)
    return `${name} has two registers for base and ASID: use one that has one, as IA-64 does`;
  return broadcast ? undefined : `${name} has no TLB invalidates by broadcast, as IA-64 has`;
}
