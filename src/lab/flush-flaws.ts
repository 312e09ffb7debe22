/**
 * Whether the flush interfaces keep their contracts on a platform, for whoever writes a new one: each is called
 * on the machine, on one CPU and on two, and what it leaves behind is looked at.
 */
import { explain } from '../checker/explain.ts';
import { type Job, progressAgents, type RunResult } from '../hosts/job.ts';
import type { Platform } from '../machine/platform.ts';
import { contractChecks } from './flush-contract/checks.ts';
import contract from './flush-contract/workload.ts';
import { runTask } from './lockstep-task.ts';

const CPU_COUNTS = [1, 2];
const lockstep = (job: Job) => runTask({ job, scheduler: 'random' });

/**
 * @param run runs a job on some host; default: lockstep
 * @returns a line for each interface that does not keep its contract
 */
export async function flushFlaws(
  platform: Platform,
  run: (job: Job) => Promise<RunResult> = lockstep,
): Promise<string[]> {
  const flaws: string[] = [];
  for (const [name, { decidedBy }] of Object.entries(contractChecks)) {
    for (const cpus of CPU_COUNTS.filter((count) => count <= platform.maxCpus)) {
      const flaw = flawOf(await run(contractJob(platform, name, cpus)), platform);
      if (flaw === undefined) continue;
      const where = cpus === 1 ? 'one CPU' : `${cpus} CPUs`;
      flaws.push(`${name} on ${where}: ${flaw}; what it does is decided by ${decidedBy.join(', ')}`);
      break;
    }
  }
  return flaws;
}

/** The job of one check. @param omit leaves the call out, which the check must notice */
export function contractJob(platform: Platform, check: string, cpus: number, omit = false): Job {
  // What the hardware fetches of its own accord would pass for what was left behind.
  const agents = platform.agents.filter((agent) => progressAgents.includes(agent));
  return {
    platform: { ...platform, agents },
    cpus,
    source: { module: contract.module, parameters: { check, omit } },
    seed: 1,
    checked: true,
    strict: true,
    quantumCycles: 10_000,
    maxSteps: 1_000_000,
    maxSeconds: 60,
  };
}

/** What a run of a check shows, in words. */
export function flawOf(
  { outcome, error, findings, unfinished }: RunResult,
  platform: Platform,
): string | undefined {
  if (error !== undefined) return error.split('\n')[0].replace(/^(Flaw|Error): /, '');
  const [finding] = findings;
  if (finding) return explain(finding, platform, unfinished).title;
  if (outcome === 'finished') return undefined;
  return `it did not return: the run ended with ${outcome}`;
}
