/**
 * What a run is, as plain data that crosses threads, and what comes out of it. Hosts know programs only
 * through this: who provides them says where the module is.
 */
import type { Checker } from '../checker/checker.ts';
import type { FindingRecord } from '../checker/finding.ts';
import type { Cpu, Steps, Vectors } from '../machine/cpu.ts';
import type { Machine } from '../machine/machine.ts';
import type { Mutation } from '../machine/mutations.ts';
import type { AgentName, Platform } from '../machine/platform.ts';
import type { CounterName } from '../machine/registers.ts';

export type Parameters = Readonly<Record<string, string | number | boolean>>;

/** Where programs come from: a module that exports `createWorkload(parameters): Workload`. */
export interface ProgramSource {
  /** URL of the module, so that a worker thread can import it as well. */
  readonly module: string;
  readonly parameters: Parameters;
}

export interface Job {
  readonly platform: Platform;
  readonly cpus: number;
  readonly source: ProgramSource;
  /** Starts every random choice of the run: an integer. */
  readonly seed: number;
  /** Run with the checker; without it a run only counts and times. */
  readonly checked: boolean;
  /** Judge every load: accesses are totally ordered. */
  readonly strict?: boolean;
  /** Threads host: one step at a time, in whatever order the threads come; lockstep always is. */
  readonly serialized?: boolean;
  /** Go on after a finding. */
  readonly keepGoing?: boolean;
  /** Threads host: how far the CPUs' simulated clocks may drift apart, cycles. */
  readonly quantumCycles: number;
  readonly maxSteps: number;
  readonly maxSeconds: number;
  readonly mutation?: Mutation;
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
  /** Virtual addresses that speculation may go to. */
  speculation?(layout: Layout): number[];
}

export type WorkloadModule = { createWorkload(parameters: Parameters): Workload };

/** How a run ended. */
export type Outcome = 'finished' | 'finding' | 'deadlock' | 'step-limit' | 'time-limit' | 'error';

/** A CPU that had not ended its program. */
export interface Unfinished {
  readonly cpu: number;
  readonly waitingFor: string;
  readonly interruptsMasked: boolean;
}

export interface CpuResult {
  readonly clockCycles: number;
  readonly counters: Record<CounterName, number>;
  readonly notes: readonly number[];
}

export interface RunResult {
  readonly outcome: Outcome;
  /** All findings; `findings` keeps the first ones. */
  readonly findingCount: number;
  readonly findings: readonly FindingRecord[];
  readonly unfinished: readonly Unfinished[];
  readonly steps: number;
  readonly cpus: readonly CpuResult[];
  /** A program threw: not a finding, but a fault of the program (or of flushlab). */
  readonly error?: string;
}

/** Agents that move a run on; the others only disturb. */
export const progressAgents: readonly AgentName[] = ['drain', 'broadcast', 'ipi'];
