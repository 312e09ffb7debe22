/** Kernel code as scenarios have it: locks, list walks, page-table reads, user accesses, now and then a flush. */

import { Kernel, type KernelLayout, layKernel, READ_WRITE } from '../../src/kernel/kernel.ts';
import { layTables } from '../../src/kernel/page-table.ts';
import { type SpinLock, spinLock, spinUnlock } from '../../src/kernel/spin-lock.ts';
import type { Cpu, Steps } from '../../src/machine/cpu.ts';
import { PAGE_BYTES } from '../../src/machine/platform.ts';
import type { Parameters, ProgramContext, StartedProgram, Workload } from '../../src/program/workload.ts';

const BASE = 0x4000_0000;
const PAGES = 8;

interface Layout {
  readonly kernel: KernelLayout;
  readonly readyPa: number;
  readonly locks: readonly SpinLock[];
  readonly listPa: number;
}

export function createWorkload(parameters: Parameters): Workload<Layout> {
  const rounds = Number(parameters.rounds);
  return {
    setup(machine) {
      const { kernel, prepared } = layKernel(machine, ['process'], (boot, [space]) => {
        layTables(boot, space.root, BASE, PAGES);
        const lock = (i: number): SpinLock => ({ pa: boot.line(), ghost: 100 + i, name: `list ${i}` });
        const locks = machine.state.cpus.map((_, i) => lock(i));
        return { readyPa: boot.line(), locks, listPa: boot.pages(1) };
      });
      return { kernel, ...prepared };
    },
    start(context) {
      return start(context, rounds);
    },
  };
}

function start({ machine, layout, checker, cpu }: ProgramContext<Layout>, rounds: number): StartedProgram {
  const policy = { mechanism: machine.platform.shootdown, barrierBefore: true, barrierAfter: true };
  const kernel = new Kernel(machine, layout.kernel, policy, checker);
  return { program: program(cpu, kernel, layout, rounds), vectors: kernel };
}

function* program(cpu: Cpu, kernel: Kernel, layout: Layout, rounds: number): Steps {
  const space = layout.kernel.spaces[0];
  const everybody = cpu.machine.options.cpus;
  yield* kernel.switchMm(cpu, space);
  if (cpu.index === 0) yield* kernel.mmap(cpu, space, BASE, PAGES, READ_WRITE);
  yield* cpu.modifyPhysical(layout.readyPa, (n) => n + 1);
  yield* cpu.waitUntil(layout.readyPa, (n) => n === everybody, { why: 'the other CPUs' });
  for (let round = 0; round < rounds; round++) {
    yield* spinLock(cpu, layout.locks[cpu.index], false);
    yield* walkList(cpu, layout.listPa + cpu.index * 256);
    yield* spinUnlock(cpu, layout.locks[cpu.index], false);
    yield* kernel.tables.find(cpu, space.root, BASE + (round % PAGES) * PAGE_BYTES);
    const va = BASE + (round % PAGES) * PAGE_BYTES + cpu.index * 64;
    for (let i = 0; i < 8; i++) {
      yield* cpu.load(va + i * 4);
      yield* cpu.store(va + i * 4, round);
    }
  }
}

function* walkList(cpu: Cpu, pa: number): Steps {
  for (let i = 0; i < 16; i++) {
    const value = yield* cpu.loadPhysical(pa + i * 4);
    if (i % 4 === 0) yield* cpu.storePhysical(pa + i * 4, value + 1);
  }
}
