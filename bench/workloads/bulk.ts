/**
 * Bulk accesses: each CPU touches private memory, and now and then lines that it shares with one other
 * CPU, in one address space. Wall time is taken inside the CPU's thread, after a warm-up.
 */

import type { AddressSpace } from '../../src/kernel/address-space.ts';
import { Kernel, type KernelLayout, layKernel, READ_WRITE } from '../../src/kernel/kernel.ts';
import { layTables } from '../../src/kernel/page-table.ts';
import type { Cpu, Steps } from '../../src/machine/cpu.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { PAGE_BYTES } from '../../src/machine/platform.ts';
import type { Parameters, ProgramContext, StartedProgram, Workload } from '../../src/program/workload.ts';

const BASE = 0x4000_0000;
/** Bytes that a pair of CPUs shares: 16 lines of 64 bytes. */
const SHARED_BYTES = 1024;
const LINE_BYTES = 64;
const TRACE_ACCESSES = 1 << 16;

export interface BulkParameters {
  /** Accesses per CPU after the warm-up. */
  readonly accesses: number;
  readonly privateBytes: number;
  readonly storePercent: number;
  readonly sharedPercent: number;
  /** Accesses that a visit to a shared line makes: 1 scatters them, a critical section makes several. */
  readonly burst: number;
}

interface Layout {
  readonly kernel: KernelLayout;
  readonly readyPa: number;
}

/** Notes: when a CPU began and ended its accesses, milliseconds of a clock that all threads share. */
export const NOTE_BEGAN = 8;
export const NOTE_ENDED = 9;

export function createWorkload(parameters: Parameters): Workload<Layout> {
  const p = parameters as unknown as BulkParameters;
  return {
    setup: (machine) => setup(machine, p),
    start: (context) => start(context, p),
  };
}

function setup(machine: Machine, p: BulkParameters): Layout {
  const pages = 16 + (machine.options.cpus * p.privateBytes) / PAGE_BYTES;
  const { kernel, prepared } = layKernel(machine, ['process'], (boot, [space]) => {
    layTables(boot, space.root, BASE, pages);
    return { readyPa: boot.line() };
  });
  return { kernel, ...prepared };
}

function start(context: ProgramContext<Layout>, p: BulkParameters): StartedProgram {
  const { machine, layout, checker, cpu } = context;
  const policy = { mechanism: machine.platform.shootdown, barrierBefore: true, barrierAfter: true };
  const kernel = new Kernel(machine, layout.kernel, policy, checker);
  return { program: program(cpu, kernel, layout.kernel.spaces[0], layout, p), vectors: kernel };
}

function* program(cpu: Cpu, kernel: Kernel, space: AddressSpace, layout: Layout, p: BulkParameters): Steps {
  const { cpus } = cpu.machine.options;
  yield* kernel.switchMm(cpu, space);
  if (cpu.index === 0) {
    const pages = 16 + (cpus * p.privateBytes) / PAGE_BYTES;
    yield* kernel.mmap(cpu, space, BASE, pages, READ_WRITE);
  }
  yield* arrive(cpu, layout, cpus);
  const trace = makeTrace(cpu.index, p);
  for (let i = 0; i < 8; i++) yield* cpu.touch(trace);
  // All are warm before any is timed: they share the cores.
  yield* arrive(cpu, layout, cpus * 2);
  const { notes } = cpu.hw;
  notes[NOTE_BEGAN] = performance.timeOrigin + performance.now();
  for (let done = 0; done < p.accesses; done += trace.length) yield* cpu.touch(trace);
  notes[NOTE_ENDED] = performance.timeOrigin + performance.now();
}

function* arrive(cpu: Cpu, layout: Layout, arrivals: number): Steps {
  yield* cpu.modifyPhysical(layout.readyPa, (n) => n + 1);
  yield* cpu.waitUntil(layout.readyPa, (n) => n >= arrivals, { why: 'the other CPUs' });
}

/** Random word accesses of one CPU, in the form that `touch` takes. */
export function makeTrace(cpu: number, p: BulkParameters): Uint32Array {
  const own = BASE + 16 * PAGE_BYTES + cpu * p.privateBytes;
  const pair = BASE + ((cpu >> 1) & 31) * SHARED_BYTES;
  let state = 88_172_645 + cpu * 7919;
  const random = (below: number) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
  const trace = new Uint32Array(TRACE_ACCESSES);
  const store = () => (random(100) < p.storePercent ? 1 : 0);
  for (let i = 0; i < trace.length; ) {
    if (random(10_000) * p.burst < p.sharedPercent * 100) {
      const line = pair + random(SHARED_BYTES / LINE_BYTES) * LINE_BYTES;
      for (let n = 0; n < p.burst && i < trace.length; n++) {
        trace[i++] = (line + random(LINE_BYTES >> 2) * 4) | store();
      }
    } else trace[i++] = (own + random(p.privateBytes >> 2) * 4) | store();
  }
  return trace;
}
