/** Programs of a few CPUs over an allocator of ASIDs, with tasks of one page each. */
import type { Checker } from '../../src/checker/checker.ts';
import type { RunResult } from '../../src/hosts/job.ts';
import { runLockstep } from '../../src/hosts/lockstep.ts';
import { RandomWalk } from '../../src/hosts/schedulers/random.ts';
import {
  type AllocatorKind,
  type AsidAllocator,
  startTagged,
  type TaggedLayout,
} from '../../src/kernel/asid/allocator.ts';
import type { AsidInvariants } from '../../src/kernel/asid/asid-invariants.ts';
import type { TaggedPage, TaggedSpace } from '../../src/kernel/asid/tagged-space.ts';
import { withoutPaging } from '../../src/kernel/boot-user.ts';
import type { Kernel } from '../../src/kernel/kernel.ts';
import type { Cpu, Steps } from '../../src/machine/cpu.ts';
import type { Machine } from '../../src/machine/machine.ts';
import type { Platform } from '../../src/machine/platform.ts';
import type { Workload } from '../../src/program/workload.ts';
import { layTasks, TASK_VA, type TaskLayout } from '../../src/scenarios/asid/tagged-tasks.ts';

export interface TaggedRoom {
  readonly machine: Machine;
  readonly kernel: Kernel;
  readonly allocator: AsidAllocator;
  readonly spaces: readonly TaggedSpace[];
  readonly pages: readonly TaggedPage[];
  readonly checker: Checker | null;
  readonly invariants: AsidInvariants | null;
}

export type TaggedProgram = (cpu: Cpu, room: TaggedRoom) => Steps;

export interface TaggedRun {
  readonly platform: Platform;
  readonly programs: readonly TaggedProgram[];
  /** By space: number at boot. */
  readonly numbers: readonly number[];
  readonly asids: number;
  readonly flaw?: string;
  readonly seed?: number;
  prepare?(machine: Machine, spaces: readonly TaggedSpace[]): void;
}

/** CPU n begins in space n. @returns the result, and how often the allocator said that it rolled over */
export function runTagged<Words>(
  kind: AllocatorKind<Words>,
  { platform, programs, numbers, asids, flaw = '', seed = 1, prepare }: TaggedRun,
): { result: RunResult; rollovers: number[]; machine: Machine; layout: TaggedLayout<Words> } {
  const rollovers: number[] = [];
  const machines: Machine[] = [];
  const layouts: TaggedLayout<Words>[] = [];
  const workload: Workload<TaskLayout> = {
    setup(machine) {
      machines.push(machine);
      const at = { numbers, running: programs.map((_, cpu) => cpu) };
      const names = numbers.map((_, i) => `task ${i}`);
      const layout = layTasks(machine, kind as AllocatorKind, { names, asids, at }, () => undefined);
      layouts.push(layout.tagged as TaggedLayout<Words>);
      prepare?.(machine, layout.tagged.spaces);
      return layout;
    },
    start({ machine, cpu, checker, layout }) {
      const { kernel, allocator, invariants } = startTagged(
        machine,
        kind as AllocatorKind,
        layout.tagged,
        checker,
        {
          asids,
          flaw,
          rolledOver: (times) => rollovers.push(times),
        },
      );
      const { spaces } = layout.tagged;
      const room = { machine, kernel, allocator, spaces, pages: layout.pages, checker, invariants };
      return { program: programs[cpu.index](cpu, room), vectors: withoutPaging(kernel) };
    },
    speculation: () => [TASK_VA],
  };
  const source = { module: import.meta.url, parameters: {} };
  const limits = { quantumCycles: 10_000, maxSteps: 1_000_000, maxSeconds: 60 };
  const job = { platform, cpus: programs.length, source, seed, checked: true, ...limits };
  const result = runLockstep(job, workload, new RandomWalk(seed));
  return { result, rollovers, machine: machines[0], layout: layouts[0] };
}

/** A word as the CPUs see it when a run has ended. */
export function wordAt(machine: Machine, pa: number): number {
  return machine.port.load(machine.state.cpus[0], pa, pa, 4, 0) >>> 0;
}

/** Unmaps the page of a space and flushes it. */
export function* unmapPage(
  cpu: Cpu,
  { kernel, allocator, spaces, pages, checker }: TaggedRoom,
  index: number,
): Steps {
  yield* kernel.tables.write(cpu, pages[index].ptePa, 0);
  yield* allocator.flushTlbPage(cpu, spaces[index], TASK_VA);
  checker?.contract(cpu, pages[index].ptePa);
}
