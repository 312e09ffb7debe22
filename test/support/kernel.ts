/** A small kernel on any platform, in lockstep, for programs that a test writes down. */
import type { RunResult } from '../../src/hosts/job.ts';
import type { Scheduler } from '../../src/hosts/schedulers/scheduler.ts';
import type { AddressSpace } from '../../src/kernel/address-space.ts';
import type { BootMemory } from '../../src/kernel/boot-memory.ts';
import { Kernel, type KernelLayout, type KernelPolicy, layKernel } from '../../src/kernel/kernel.ts';
import type { SpinLock } from '../../src/kernel/spin-lock.ts';
import type { Cpu, Steps } from '../../src/machine/cpu.ts';
import type { Machine } from '../../src/machine/machine.ts';
import type { Platform } from '../../src/machine/platform.ts';
import { runPrograms } from './machine.ts';

interface Desk {
  readonly kernel: Kernel;
  readonly spaces: readonly AddressSpace[];
  /** Lines of boot memory for whatever the programs agree on. */
  readonly lines: readonly number[];
  readonly machine: Machine;
}

export type KernelProgram = (cpu: Cpu, desk: Desk) => Steps;

export interface KernelRun {
  readonly result: RunResult;
  readonly machine: Machine;
  readonly layout: KernelLayout;
}

export interface KernelOptions {
  readonly spaces?: number;
  readonly policy?: Partial<KernelPolicy>;
  readonly scheduler?: Scheduler;
  readonly seed?: number;
  /** So many of the programs, the last ones, are those of devices. */
  readonly devices?: number;
  prepare?(boot: BootMemory, spaces: readonly AddressSpace[], lock: (name: string) => SpinLock): void;
}

export function runKernel(
  platform: Platform,
  programs: readonly KernelProgram[],
  { spaces = 1, policy, prepare, ...options }: KernelOptions = {},
): KernelRun {
  let layout: KernelLayout | undefined;
  let lines: number[] = [];
  const desks = new Map<number, Desk>();
  const deskOf = (cpu: Cpu): Desk => {
    if (!layout) throw new Error('no kernel has been laid out');
    let desk = desks.get(cpu.index);
    if (!desk) {
      const { machine } = cpu;
      const whole = { mechanism: platform.shootdown, barrierBefore: true, barrierAfter: true, ...policy };
      const kernel = new Kernel(machine, layout, whole, null);
      desk = { kernel, spaces: layout.spaces, lines, machine };
      desks.set(cpu.index, desk);
    }
    return desk;
  };
  const names = Array.from({ length: spaces }, (_, i) => `space ${i}`);
  const { result, machine } = runPrograms(
    platform,
    programs.map((program) => (cpu) => program(cpu, deskOf(cpu))),
    {
      ...options,
      vectors: (cpu) => deskOf(cpu).kernel,
      setup(built) {
        const laid = layKernel(built, names, (boot, list, lock) => {
          prepare?.(boot, list, lock);
          return Array.from({ length: 8 }, () => boot.line());
        });
        layout = laid.kernel;
        lines = laid.prepared;
      },
    },
  );
  if (!layout) throw new Error('no kernel has been laid out');
  return { result, machine, layout };
}

/** Reads a word as a coherent reader does, when nothing runs any more. */
export function newestWord(machine: Machine, pa: number): number {
  return machine.port.load(machine.state.cpus[0], pa, pa, 4, 0);
}
