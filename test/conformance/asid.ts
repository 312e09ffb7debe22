/** What every ASID allocator must do, on either host: many more address spaces than numbers, and nobody confused. */
import { expect } from 'vitest';
import type { Job, RunResult } from '../../src/hosts/job.ts';
import asidRollover, { ROLLOVERS_NOTE } from '../../src/scenarios/asid/asid-rollover.ts';
import { resolveParameters } from '../../src/scenarios/scenario.ts';
import { findPlatform } from '../support/asid-jobs.ts';

export interface AsidSize {
  readonly cpus: number;
  readonly tasks: number;
  readonly asids: number;
  readonly switches: number;
  readonly order?: string;
}

export type RunJob = (job: Job) => RunResult | Promise<RunResult>;

/** A job of the right variant with an allocator. */
function asidJob(allocator: string, platform: string, size: AsidSize, seed = 1): Job {
  const { cpus, ...sizes } = size;
  const parameters = { ...resolveParameters(asidRollover, { allocator, ...sizes }), variant: 'correct' };
  return {
    platform: findPlatform(platform, size.tasks),
    cpus,
    source: { module: asidRollover.module, parameters },
    seed,
    checked: true,
    quantumCycles: 10_000,
    maxSteps: 50_000_000,
    maxSeconds: 120,
  };
}

/**
 * The fewest rollovers there can be, however the CPUs run: of the spaces that a CPU runs one after the other no more
 * than there are numbers run in one generation (in order `own` less those that other CPUs are in). CPUs that run the
 * same spaces at the same time share the rollovers.
 */
export function fewestRollovers({ cpus, asids, switches }: AsidSize): number {
  return Math.ceil(Math.floor(switches / cpus) / asids) - 1;
}

/** Rolls over and over without a finding. @returns how often, the CPUs added up */
export async function rollsOver(
  run: RunJob,
  allocator: string,
  platform: string,
  size: AsidSize,
): Promise<number> {
  const { outcome, error, findings, reached, cpus } = await run(asidJob(allocator, platform, size));
  expect([outcome, error, findings]).toEqual(['finished', undefined, []]);
  expect(reached).toEqual(['rollover', 'second-rollover']);
  return cpus.reduce((sum, { notes }) => sum + (notes[ROLLOVERS_NOTE] ?? 0), 0);
}
