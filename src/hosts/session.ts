/**
 * What both hosts share: building a machine for a job, starting a CPU's program on it, and reading the
 * result out of the buffer.
 */
import { Checker } from '../checker/checker.ts';
import { reachedOf } from '../checker/reachable.ts';
import { Cpu } from '../machine/cpu.ts';
import { Machine, type MachineOptions } from '../machine/machine.ts';
import { COUNT, type CounterName, CTL, counterNames, GLOBAL } from '../machine/registers.ts';
import { importModule } from '../program/import-module.ts';
import type { Workload, WorkloadModule } from '../program/workload.ts';
import type { CpuResult, Job, Outcome, RunResult, Unfinished } from './job.ts';
import { CpuRunner } from './runner.ts';

/** Imports the module that a job's programs come from. @throws Error if it exports no createWorkload */
export async function loadWorkload(job: Job): Promise<Workload> {
  const module = (await importModule(job.source.module)) as WorkloadModule;
  const factory = typeof module.createWorkload === 'function' ? module : module.default;
  if (typeof factory?.createWorkload !== 'function') {
    throw new Error(`${job.source.module} exports no scenario and no function createWorkload`);
  }
  return factory.createWorkload(job.source.parameters);
}

/** A machine in one thread: the one that created it, or one that attached. */
export class Session {
  readonly job: Job;
  readonly machine: Machine;
  readonly checker: Checker | null;
  readonly workload: Workload;
  readonly layout: unknown;
  /** Kept from run to run: what else they know is in the machine. */
  private readonly cpus: Cpu[] = [];

  private constructor(job: Job, machine: Machine, workload: Workload, layout?: unknown) {
    this.job = job;
    this.machine = machine;
    this.workload = workload;
    const { strict = false, keepGoing = false, goal } = job;
    const { reachable = [] } = workload;
    this.checker = job.checked ? new Checker(machine.state, { strict, keepGoing, reachable, goal }) : null;
    machine.state.check = this.checker;
    this.layout = layout === undefined ? workload.setup(machine) : layout;
    machine.agents.speculation = workload.speculation?.(this.layout) ?? [];
  }

  static create(job: Job, workload: Workload, threaded: boolean): Session {
    return new Session(job, Machine.create(job.platform, optionsOf(job, threaded), job.seed), workload);
  }

  static attach(job: Job, workload: Workload, buffer: SharedArrayBuffer, layout: unknown): Session {
    return new Session(job, Machine.attach(buffer, job.platform, optionsOf(job, true)), workload, layout);
  }

  /** Starts a CPU's program in this thread. */
  start(index: number): CpuRunner {
    this.cpus[index] ??= new Cpu(this.machine, index);
    const cpu = this.cpus[index];
    cpu.waitingFor = '';
    const started = this.workload.start({
      machine: this.machine,
      checker: this.checker,
      cpu,
      layout: this.layout,
      seed: this.job.seed,
    });
    cpu.vectors = started.vectors;
    // Other threads must know as well.
    cpu.hw.ctl[CTL.NO_VECTORS] = started.vectors === null ? 1 : 0;
    return new CpuRunner(cpu, started.program);
  }

  result(outcome: Outcome, unfinished: readonly Unfinished[], error?: string): RunResult {
    const { state } = this.machine;
    const { total, kept } = Checker.findings(state);
    const cpus = state.cpus.map((cpu): CpuResult => {
      const counters = Object.fromEntries(counterNames.map((name) => [name, cpu.counters[COUNT[name]]]));
      return {
        clockCycles: cpu.clock,
        counters: counters as Record<CounterName, number>,
        notes: trimmed(cpu.notes),
      };
    });
    const steps = cpus.reduce((sum, cpu) => sum + cpu.counters.steps, 0);
    const { reachable, output } = this.workload;
    return {
      outcome,
      findingCount: total,
      findings: kept,
      unfinished,
      steps,
      cpus,
      ...(state.devices.length > 0 && { processors: state.processors.length }),
      ...(output && { output: output(this.machine, this.layout) }),
      ...(reachable && { reached: reachedOf(state, reachable) }),
      ...(error !== undefined && { error }),
    };
  }

  /** The CPUs whose programs have not ended; `waitingFor` is known to the thread that runs the CPU. */
  static unfinished(runner: CpuRunner): Unfinished | undefined {
    if (runner.finished) return undefined;
    const { cpu } = runner;
    return {
      cpu: cpu.index,
      waitingFor: runner.isBlocked ? cpu.waitingFor : '',
      interruptsMasked: cpu.hw.ctl[CTL.IRQ_MASKED] > 0,
    };
  }

  get stop(): number {
    return Atomics.load(this.machine.state.global, GLOBAL.STOP);
  }
}

function optionsOf(job: Job, threaded: boolean): MachineOptions {
  const { cpus, devices, checked, mutation, serialized = false } = job;
  return { cpus, devices, checked, threaded, mutation, serialized };
}

/** Without the zeros at the end. */
function trimmed(notes: Float64Array): number[] {
  let length = notes.length;
  while (length > 0 && notes[length - 1] === 0) length--;
  return Array.from(notes.subarray(0, length));
}
