/**
 * Initiators take pages away, each its own, by one mechanism; the other users of the space have used all pages, and do
 * so again afterwards; bystanders run another process. All meet between the phases of a round, so that nothing but
 * the shootdown is measured, and whoever is not measured sleeps. The tables are then put back as they were, with the
 * same frames, so that what users lose is translations and not data.
 */
import type { BootMemory } from '../../../kernel/boot-memory.ts';
import { bootInto, bootMap } from '../../../kernel/boot-process.ts';
import { withoutPaging } from '../../../kernel/boot-user.ts';
import { FIRST_CALL, Kernel, layKernel, READ_WRITE } from '../../../kernel/kernel.ts';
import {
  EARLY_CALL_VECTOR,
  type EarlyCallLayout,
  EarlyCalls,
  layEarlyCalls,
} from '../../../kernel/shootdown/early-call.ts';
import { flushHere } from '../../../kernel/shootdown/flush-here.ts';
import { LazyBatch, type LazyBatchLayout, layLazyBatch } from '../../../kernel/shootdown/lazy-batch.ts';
import type { ShootdownName } from '../../../kernel/shootdown/mechanisms.ts';
import { properFlush } from '../../../kernel/tlb-flush.ts';
import type { Cpu, Vectors } from '../../../machine/cpu.ts';
import type { Machine } from '../../../machine/machine.ts';
import { PAGE_BYTES } from '../../../machine/platform.ts';
import type { ProgramContext, StartedProgram, Workload } from '../../../program/workload.ts';
import { layMeeting, Meeting } from './meeting.ts';
import { ShootdownCpu } from './shootdown-cpu.ts';
import { firstBystander, OWN, SHARED, type ShootdownBench, type ShootdownLayout } from './shootdown-spec.ts';

/** Between two initiators' pages: the largest number of pages, so that each has tables of its own. */
const STRIDE = 512 * PAGE_BYTES;
export function shootdownWorkload(bench: ShootdownBench): Workload<ShootdownLayout> {
  return {
    setup: (machine) => setup(machine, bench),
    start: (context) => start(context, bench),
    speculation: () => [SHARED, OWN],
  };
}

function setup(machine: Machine, bench: ShootdownBench): ShootdownLayout {
  const { cpus } = machine.options;
  const { kernel, prepared } = layKernel(machine, ['process', 'other'], (boot, [space, other]) => {
    const taken = Array.from({ length: bench.initiators }, (_, i) =>
      bootMap(boot, space, SHARED + i * STRIDE, bench.pages, READ_WRITE),
    );
    for (const one of [space, other])
      if (bench.ownPages > 0) bootMap(boot, one, OWN, bench.ownPages, READ_WRITE);
    return { ...layMechanism(boot, cpus, bench.mechanism), meeting: layMeeting(boot), taken };
  });
  const [space, other] = kernel.spaces;
  for (let cpu = 0; cpu < cpus; cpu++) {
    bootInto(machine, cpu, cpu < firstBystander(cpus, bench) ? space : other);
  }
  return { kernel, ...prepared };
}

function layMechanism(boot: BootMemory, cpus: number, name: ShootdownName) {
  return {
    early: name === 'early-ack' ? layEarlyCalls(boot, cpus) : null,
    lazy: name === 'lazy' ? layLazyBatch(boot, cpus) : null,
  };
}

const NOBODY: EarlyCallLayout = { queuePa: [], linePa: [] };
const NOTHING: LazyBatchLayout = { openPa: [], statePa: [] };

function start(
  { machine, checker, cpu, layout }: ProgramContext<ShootdownLayout>,
  bench: ShootdownBench,
): StartedProgram {
  const { passes } = bench;
  const passesThere = bench.wrong === 'forgets-flush' ? 0 : passes;
  const called = (by: Cpu, kind: number, va: number, third: number) =>
    flushHere(passesThere, by, kind, va, third & 0xffff, third >>> 16);
  const kernel = new Kernel(machine, layout.kernel, properFlush('cross-call'), checker, [called]);
  const { uncached, calls } = kernel;
  const early = new EarlyCalls(layout.early ?? NOBODY, uncached, called);
  const lazy = new LazyBatch(layout.lazy ?? NOTHING, uncached, passes);
  const parts = { machine, calls, flushNumber: FIRST_CALL, early, lazy, uncached, passes };
  const vectors: Vectors = {
    ...withoutPaging(kernel),
    interrupt: (by, vector) =>
      vector === EARLY_CALL_VECTOR ? early.handle(by as Cpu) : kernel.interrupt(by as Cpu, vector),
  };
  const meeting = new Meeting(cpu, layout.meeting, uncached);
  return { program: new ShootdownCpu(cpu, bench, layout, kernel, parts, meeting, checker).run(), vectors };
}
