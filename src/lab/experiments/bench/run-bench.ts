/** Runs the programs of an experiment on lockstep, smallest clock first: exact, a function of its arguments alone. */
import type { CpuResult } from '../../../hosts/job.ts';
import { runLockstep } from '../../../hosts/lockstep.ts';
import { ClockFirst } from '../../../hosts/schedulers/clock-first.ts';
import type { Platform } from '../../../machine/platform.ts';
import type { Workload } from '../../../program/workload.ts';

const MAX_STEPS = 400_000_000;
const MAX_SECONDS = 600;

/** @returns what each CPU has left. @throws Error if the run did not finish */
export function runBench<Layout>(
  platform: Platform,
  cpus: number,
  seed: number,
  workload: Workload<Layout>,
): readonly CpuResult[] {
  const job = {
    platform,
    cpus,
    source: { module: '', parameters: {} },
    seed,
    checked: false,
    quantumCycles: 0,
    maxSteps: MAX_STEPS,
    maxSeconds: MAX_SECONDS,
  };
  const result = runLockstep(job, workload as unknown as Workload, new ClockFirst());
  if (result.outcome !== 'finished') {
    throw new Error(`it ended with ${result.outcome}${result.error ? `: ${result.error}` : ''}`);
  }
  return result.cpus;
}

/** To a tenth, as far as anybody reads. */
export function tenth(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Mean, or undefined of nothing: such a measure is left out. */
export function mean(values: readonly number[]): number | undefined {
  if (values.length === 0) return undefined;
  return tenth(values.reduce((sum, value) => sum + value, 0) / values.length);
}

/** The measures that there are. */
export function present(measures: Readonly<Record<string, number | undefined>>): Record<string, number> {
  const there = Object.entries(measures).filter((entry): entry is [string, number] => entry[1] !== undefined);
  return Object.fromEntries(there);
}
