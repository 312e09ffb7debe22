/** What scenarios about ASIDs share: tasks with one page each at the same address, whose frames say whose they are. */
import { ASID_RULE } from '../../checker/asid-rules.ts';
import type { Checker } from '../../checker/checker.ts';
import {
  type AllocatorKind,
  type BootAsids,
  layTagged,
  type TaggedLayout,
} from '../../kernel/asid/allocator.ts';
import { bootOwnPage, type TaggedPage, type TaggedSpace } from '../../kernel/asid/tagged-space.ts';
import type { BootMemory } from '../../kernel/boot-memory.ts';
import { bootInto } from '../../kernel/boot-process.ts';
import { bootTouched } from '../../kernel/boot-user.ts';
import { READ_WRITE } from '../../kernel/kernel.ts';
import type { SpinLock } from '../../kernel/spin-lock.ts';
import { type Cpu, SegmentationFault, type Steps } from '../../machine/cpu.ts';
import type { Machine } from '../../machine/machine.ts';
import { CTL } from '../../machine/registers.ts';

/** Page of every task. */
export const TASK_VA = 0x4000_0000;

export interface TaskLayout<T = undefined> {
  readonly tagged: TaggedLayout;
  readonly pages: readonly TaggedPage[];
  /** What the scenario has laid for itself. */
  readonly own: T;
}

export interface TaskOptions {
  readonly names: readonly string[];
  readonly asids: number;
  readonly at: BootAsids;
}

/** Lays tasks that an allocator tags, and puts each CPU into the one that it runs, with a warm TLB. */
export function layTasks<T>(
  machine: Machine,
  kind: AllocatorKind,
  { names, asids, at }: TaskOptions,
  prepare: (boot: BootMemory, lock: (name: string) => SpinLock) => T,
): TaskLayout<T> {
  const { layout: tagged, prepared } = layTagged(machine, kind, { asids, names }, (boot, spaces, lock) => ({
    pages: spaces.map((space) => bootOwnPage(boot, space, TASK_VA, READ_WRITE)),
    own: prepare(boot, lock),
  }));
  kind.boot(machine, tagged.words, tagged.spaces, asids, at);
  for (const [cpu, space] of at.running.entries()) {
    bootRan(machine, cpu, tagged.spaces[space], at.numbers[space], prepared.pages[space]);
  }
  return { tagged, ...prepared };
}

/** Leaves what a task has left in the TLB of a CPU that has run it with a number. The CPU is in that task now. */
function bootRan(machine: Machine, cpu: number, space: TaggedSpace, number: number, page: TaggedPage): void {
  bootInto(machine, cpu, space);
  const { ctl } = machine.state.cpus[cpu];
  ctl[CTL.ASID] = number;
  ctl[CTL.LAST_VA] = TASK_VA;
  bootTouched(machine, cpu, page);
}

/** Lets a CPU have run one task of the layout before the one that it is in. */
export function bootRanBefore(
  machine: Machine,
  cpu: number,
  { tagged, pages }: TaskLayout<unknown>,
  index: number,
  number: number,
): void {
  const { ctl } = machine.state.cpus[cpu];
  const [root, asid] = [ctl[CTL.ROOT], ctl[CTL.ASID]];
  bootRan(machine, cpu, tagged.spaces[index], number, pages[index]);
  ctl[CTL.ROOT] = root;
  ctl[CTL.ASID] = asid;
}

/**
 * The running task uses its page, which may be unmapped by then. Interrupts come before or after: where within its
 * walk they come makes no difference.
 */
export function* usePage(cpu: Cpu, space: TaggedSpace, checker: Checker | null): Steps {
  yield* cpu.compute(1);
  cpu.maskInterrupts();
  try {
    const found = yield* cpu.load(TASK_VA);
    if (found !== space.index + 1) checker?.violated(cpu.hw, ASID_RULE.WRONG_FRAME, found, space.index + 1);
  } catch (error) {
    if (!(error instanceof SegmentationFault)) throw error;
  }
  cpu.unmaskInterrupts();
}
