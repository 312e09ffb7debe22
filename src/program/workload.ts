/**
 * Where programs come from: what a scenario provides, and what it is given. Hosts know scenarios only
 * through this.
 */
import type { Checker } from '../checker/checker.ts';
import type { Cpu, Steps, Vectors } from '../machine/cpu.ts';
import type { Machine } from '../machine/machine.ts';

export type Parameters = Readonly<Record<string, string | number | boolean>>;

/** A scenario's parameters together with the variant that runs. */
export type Settings = Parameters & { readonly variant: string };

/**
 * Where programs come from: a module that exports `createWorkload(parameters): Workload`, itself or as a
 * method of its default export.
 */
export interface ProgramSource {
  /** URL of the module, so that a worker thread can import it as well. */
  readonly module: string;
  readonly parameters: Parameters;
}

/** What a program is given. `layout` is what `setup` returned. */
export interface ProgramContext<Layout> {
  readonly machine: Machine;
  readonly checker: Checker | null;
  readonly cpu: Cpu;
  readonly layout: Layout;
  readonly seed: number;
}

export interface StartedProgram {
  readonly program: Steps;
  readonly vectors: Vectors | null;
}

/** Programs for all CPUs of a machine. `setup` runs once; `start` in each CPU's thread. */
export interface Workload<Layout = unknown> {
  /** Lays memory out before anything runs. What it returns must survive structured cloning. */
  setup(machine: Machine): Layout;
  start(context: ProgramContext<Layout>): StartedProgram;
  /** Looks at the machine when all programs have ended. */
  finish?(machine: Machine, layout: Layout, checker: Checker | null): void;
  /** What a run leaves behind besides figures: plain data, read when it is over. */
  output?(machine: Machine, layout: Layout): unknown;
  /** States that programs may say they have reached, see `Checker.reached`. */
  readonly reachable?: readonly string[];
  /** Virtual addresses that speculation may go to. */
  speculation?(layout: Layout): number[];
}

interface WorkloadFactory {
  createWorkload(parameters: Parameters): Workload;
}

/** A module that programs come from. */
export type WorkloadModule = Partial<WorkloadFactory> & { readonly default?: Partial<WorkloadFactory> };
