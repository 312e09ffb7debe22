/** What a run is, as plain data that crosses threads, and what comes out of it. */
import type { FindingRecord } from '../checker/finding.ts';
import type { Mutation, ThreadMutation } from '../machine/mutations.ts';
import type { AgentName, Platform } from '../machine/platform.ts';
import type { CounterName } from '../machine/registers.ts';
import type { ProgramSource } from '../program/workload.ts';
import type { Recording } from './recording.ts';

export interface Job {
  readonly platform: Platform;
  /** Processors and devices. */
  readonly cpus: number;
  /** So many of the CPUs, the last ones, are devices: see machine/device.ts. */
  readonly devices?: number;
  readonly source: ProgramSource;
  /** Starts every random choice of the run: an integer. */
  readonly seed: number;
  /** Run with the checker; without it a run only counts and times. */
  readonly checked: boolean;
  /** Judge every load: accesses are totally ordered. */
  readonly strict?: boolean;
  /** Threads host: one step at a time, in whatever order the threads come; lockstep always is. */
  readonly serialized?: boolean;
  /** Threads host: serialized, and the order of the steps is taken down. */
  readonly record?: boolean;
  /** Go on after a finding. */
  readonly keepGoing?: boolean;
  /** Threads host: how far the CPUs' simulated clocks may drift apart, cycles. */
  readonly quantumCycles: number;
  readonly maxSteps: number;
  readonly maxSeconds: number;
  readonly mutation?: Mutation | ThreadMutation;
  /** A state that the programs' scenario declares: the run ends as soon as it is reached. */
  readonly goal?: string | undefined;
}

/** How a run ended. */
export type Outcome =
  | 'finished'
  | 'finding'
  | 'deadlock'
  | 'step-limit'
  | 'time-limit'
  | 'error'
  /** The job's goal was. */
  | 'reached';

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
  /** If there are devices: how many CPUs come before them. */
  readonly processors?: number;
  /** If the scenario declares states: those that the run came to. */
  readonly reached?: readonly string[];
  /** What the programs left behind, see `Workload.output`. */
  readonly output?: unknown;
  /** A program threw: not a finding, but a fault of the program (or of flushlab). */
  readonly error?: string;
  /** If the job asked for it and the run began. */
  readonly recording?: Recording;
}

/** Agents that move a run on; the others only disturb. */
export const progressAgents: readonly AgentName[] = ['drain', 'broadcast', 'ipi'];
