/**
 * One thread gives a page back to the kernel and touches it again, over and over (MADV_DONTNEED); the other threads of
 * its process have the page in their TLBs and spin. After the measurement in Nadav Amit's cover letter.
 */
import { type BootPage, bootAllInto, bootMap } from '../../../kernel/boot-process.ts';
import { FIRST_CALL, Kernel, type KernelLayout, layKernel, READ_WRITE } from '../../../kernel/kernel.ts';
import {
  EARLY_CALL_VECTOR,
  type EarlyCallLayout,
  EarlyCalls,
  layEarlyCalls,
} from '../../../kernel/shootdown/early-call.ts';
import { flushHere } from '../../../kernel/shootdown/flush-here.ts';
import { LazyBatch } from '../../../kernel/shootdown/lazy-batch.ts';
import { type ShootdownName, type ShootdownParts, shootDown } from '../../../kernel/shootdown/mechanisms.ts';
import { properFlush } from '../../../kernel/tlb-flush.ts';
import { frameAddress } from '../../../machine/attributes.ts';
import type { Cpu, Fault, Steps, Vectors } from '../../../machine/cpu.ts';
import type { ProgramContext, StartedProgram, Workload } from '../../../program/workload.ts';
import { KERNEL_WORK } from './kernel-work.ts';
import { layMeeting, Meeting, type MeetingLayout } from './meeting.ts';

export interface MadviseBench {
  readonly mechanism: ShootdownName;
  readonly rounds: number;
  readonly passes: number;
}

/** Figures in the notes of CPU 0. */
export const MADVISE_NOTE = { CYCLES: 0 } as const;

const VA = 0x4000_0000;
const WARM_ROUNDS = 2;

interface Layout {
  readonly kernel: KernelLayout;
  readonly early: EarlyCallLayout;
  readonly meeting: MeetingLayout;
  readonly page: BootPage;
}

export function madviseWorkload(bench: MadviseBench): Workload<Layout> {
  return {
    setup(machine) {
      const { cpus } = machine.options;
      const { kernel, prepared } = layKernel(machine, ['process'], (boot, [space]) => ({
        page: bootMap(boot, space, VA, 1, READ_WRITE)[0],
        early: layEarlyCalls(boot, cpus),
        meeting: layMeeting(boot),
      }));
      bootAllInto(machine, kernel.spaces[0]);
      return { kernel, ...prepared };
    },
    start: (context) => start(context, bench),
  };
}

function start(context: ProgramContext<Layout>, bench: MadviseBench): StartedProgram {
  const { machine, checker, cpu, layout } = context;
  const { passes } = bench;
  const called = (by: Cpu, kind: number, va: number, third: number) =>
    flushHere(passes, by, kind, va, third & 0xffff, third >>> 16);
  const kernel = new Kernel(machine, layout.kernel, properFlush('cross-call'), checker, [called]);
  const { uncached, calls } = kernel;
  const early = new EarlyCalls(layout.early, uncached, called);
  const lazy = new LazyBatch({ openPa: [], statePa: [] }, uncached, passes);
  const parts: ShootdownParts = { machine, calls, flushNumber: FIRST_CALL, early, lazy, uncached, passes };
  const vectors: Vectors = {
    refill: (by, fault) => kernel.refill(by as Cpu, fault),
    interrupt: (by, vector) =>
      vector === EARLY_CALL_VECTOR ? early.handle(by as Cpu) : kernel.interrupt(by as Cpu, vector),
    fault: (by, fault) => populate(by as Cpu, fault, kernel, layout.page),
  };
  const meeting = new Meeting(cpu, layout.meeting, uncached);
  const program =
    cpu.index === 0 ? giveBack(cpu, bench, kernel, parts, layout.page, meeting) : spin(cpu, bench, meeting);
  return { program, vectors };
}

/** A fault of the initiator on its page: a fresh frame, zeroed. */
function* populate(cpu: Cpu, { va }: Fault, kernel: Kernel, page: BootPage): Steps<boolean> {
  if (va !== page.va) return false;
  yield* cpu.compute(KERNEL_WORK.anonymousFault + KERNEL_WORK.zeroPage);
  const frame = yield* kernel.frames.allocate(cpu);
  const ptePa = yield* kernel.tables.find(cpu, kernel.spaces[0].root, va);
  yield* kernel.tables.write(cpu, ptePa, (frame | READ_WRITE) >>> 0);
  // The return from the fault drains the write buffer: the walk that follows must find the entry.
  yield* cpu.dmb();
  return true;
}

function* giveBack(
  cpu: Cpu,
  { mechanism, rounds }: MadviseBench,
  kernel: Kernel,
  parts: ShootdownParts,
  { va }: BootPage,
  meeting: Meeting,
): Steps {
  const [space] = kernel.spaces;
  for (let round = 0; round < WARM_ROUNDS + rounds; round++) {
    yield* meeting.meet();
    // Until whoever has met sleeps.
    yield* cpu.compute(2000 * cpu.machine.options.cpus);
    const began = cpu.clock;
    yield* cpu.compute(KERNEL_WORK.systemCall + KERNEL_WORK.zapPage);
    const ptePa = yield* kernel.tables.find(cpu, space.root, va);
    const old = yield* kernel.tables.exchange(cpu, ptePa, () => 0);
    yield* shootDown(parts, mechanism, cpu, space, va, 1);
    yield* kernel.frames.free(cpu, frameAddress(old));
    yield* cpu.store(va, round);
    if (round >= WARM_ROUNDS) cpu.hw.notes[MADVISE_NOTE.CYCLES] += cpu.clock - began;
    yield* meeting.meet();
  }
}

function* spin(cpu: Cpu, { rounds }: MadviseBench, meeting: Meeting): Steps {
  for (let round = 0; round < WARM_ROUNDS + rounds; round++) {
    yield* cpu.load(VA);
    yield* meeting.meet();
    yield* meeting.meet();
  }
}
