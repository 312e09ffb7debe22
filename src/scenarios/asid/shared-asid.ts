/**
 * Two CPUs look for a free number at the same time, without the lock, and give the same one to two address spaces. As
 * long as each runs on its own CPU nobody notices; when one CPU runs both, the second finds the translations of the
 * first. Seen twice: by the rule that a number has one user, and by what a task loads where nobody looks at rules.
 */
import type { Checker } from '../../checker/checker.ts';
import { type AsidAllocator, startTagged } from '../../kernel/asid/allocator.ts';
import { srmmu } from '../../kernel/asid/srmmu.ts';
import type { TaggedSpace } from '../../kernel/asid/tagged-space.ts';
import { withoutPaging } from '../../kernel/boot-user.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { chosenVariant } from '../chosen-variant.ts';
import { defineScenario } from '../define.ts';
import type { Variant } from '../scenario.ts';
import { layTasks, type TaskLayout, usePage } from './tagged-tasks.ts';

/** Two spaces run at first; two more get their numbers at the same time, of which there are enough. */
const ASIDS = 4;

interface SharedVariant extends Variant {
  readonly isLocked: boolean;
  /** The rules that an allocator keeps are looked at. */
  readonly isWatched: boolean;
}

const variants: readonly SharedVariant[] = [
  {
    name: 'correct',
    title: 'numbers are handed out under a lock',
    expect: 'clean',
    isLocked: true,
    isWatched: true,
  },
  {
    name: 'unlocked',
    title: 'numbers are handed out without a lock',
    why: 'two CPUs take the same number from the list, and whoever is second writes its tables into the context table: from then on the first space runs on those',
    expect: ['invariant'],
    isLocked: false,
    isWatched: true,
  },
  {
    name: 'unlocked-used',
    title: 'the same, and a task that runs with the number of another finds the memory of that one',
    why: 'two CPUs take the same number from the list: each finds what the other has in the TLB and in the context table',
    expect: ['invariant'],
    isLocked: false,
    isWatched: false,
  },
];

export default defineScenario<TaskLayout>({
  name: 'shared-asid',
  title: 'Two address spaces are given one number',
  source:
    'Linux arch/sparc/mm/srmmu.c, alloc_context: what srmmu_context_spinlock is for; Catalin Marinas, kernel-tla, asidalloc.tla, UniqueASIDAllCPUs and UniqueASIDPerCPU',
  module: import.meta.url,
  variants,
  parameters: {},
  reachable: {
    'two-at-once': { title: 'a CPU has been given a number while the other was being given one' },
  },
  cpus: 2,
  platform: 'x86-64',

  setup(machine) {
    const names = ['first', 'second', 'third', 'fourth'];
    const at = { numbers: [1, 2, 0, 0], running: [0, 1] };
    return layTasks(machine, srmmu, { names, asids: ASIDS, at }, () => undefined);
  },

  start({ machine, checker, cpu, layout }, settings) {
    const { isLocked, isWatched } = chosenVariant(variants, settings.variant);
    const { kernel, allocator } = startTagged(machine, srmmu, layout.tagged, isWatched ? checker : null, {
      asids: ASIDS,
      ...(!isLocked && { flaw: 'unlocked' }),
      rolledOver() {},
    });
    const { spaces } = layout.tagged;
    const turns = cpu.index === 0 ? [spaces[2]] : [spaces[3], spaces[2]];
    return { program: runInTurn(cpu, allocator, turns, checker), vectors: withoutPaging(kernel) };
  },

  // Only where the last access went, which is the page: no two walks that are the same.
  speculation: () => [],
});

function* runInTurn(
  cpu: Cpu,
  allocator: AsidAllocator,
  turns: readonly TaggedSpace[],
  checker: Checker | null,
): Steps {
  for (const [turn, space] of turns.entries()) {
    if (turn === 0) checker?.enters('two-at-once');
    yield* allocator.switchMm(cpu, space);
    if (turn === 0) {
      checker?.leaves('two-at-once');
      checker?.reachedWithin('two-at-once');
    }
    yield* usePage(cpu, space, checker);
  }
}
