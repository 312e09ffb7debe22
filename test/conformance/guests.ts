/** What every platform with guests must do, on either host: guests stay apart, and lose what is taken from them. */
import { expect } from 'vitest';
import type { Job, RunResult } from '../../src/hosts/job.ts';
import type { Platform } from '../../src/machine/platform.ts';
import type { Parameters } from '../../src/program/workload.ts';
import stage2Unmap from '../../src/scenarios/hypervisor/stage2-unmap.ts';
import vmidRollover, { ROLLOVERS_NOTE } from '../../src/scenarios/hypervisor/vmid-rollover.ts';
import { findVariant } from '../../src/scenarios/scenario.ts';
import { jobFor } from '../support/flush-scenarios.ts';

export type RunJob = (job: Job) => RunResult | Promise<RunResult>;

const mostCpus = ({ maxCpus }: Platform) => Math.min(4, maxCpus);

async function clean(run: RunJob, job: Job): Promise<RunResult> {
  const result = await run(job);
  expect([result.outcome, result.error, result.findings]).toEqual(['finished', undefined, []]);
  return result;
}

/**
 * VMIDs run out again and again while CPUs run guests: of the VMs that a CPU runs one after the other no more than
 * there are numbers run in one generation, however the CPUs run.
 */
export async function rollsOver(run: RunJob, platform: Platform, variant: string): Promise<void> {
  const cpus = mostCpus(platform);
  const vmids = cpus + 1;
  const turns = 20;
  const given: Parameters = { vms: 7, vmids, turns, touches: 3 };
  const job = jobFor(vmidRollover, findVariant(vmidRollover, variant), platform, { cpus, given });
  const result = await clean(run, job);
  const rollovers = result.cpus.reduce((sum, { notes }) => sum + (notes[ROLLOVERS_NOTE] ?? 0), 0);
  expect(rollovers).toBeGreaterThanOrEqual(Math.ceil(turns / vmids) - 1);
}

/** The host takes pages away while a guest uses them on all other CPUs. */
export async function takesAway(run: RunJob, platform: Platform): Promise<void> {
  const given: Parameters = { pages: 2, rounds: 4, touches: 100 };
  await clean(run, jobFor(stage2Unmap, findVariant(stage2Unmap, 'right'), platform, { given }));
}
