/** Many runs of one variant with consecutive seeds, counted by what they found. */
import type { RunResult } from '../hosts/job.ts';
import type { ThreadsHost } from '../hosts/threads.ts';
import type { Variant } from '../scenarios/scenario.ts';
import type { LockstepPool } from './lockstep-pool.ts';
import { jobOf, type Plan, type RunLimits, verdictOf } from './plan.ts';
import type { SchedulerName } from './schedulers.ts';

/** The first run that found something of a kind. */
interface FirstFinding {
  readonly plan: Plan;
  readonly kind: string;
  readonly seed: number;
  readonly result: RunResult;
}

export interface Tally {
  readonly variant: Variant;
  /** What its runs take turns with. */
  readonly plans: readonly Plan[];
  /** Runs that have ended. */
  runs: number;
  found: number;
  clean: number;
  /** Runs that reached a limit before an answer. */
  bound: number;
  errors: number;
  steps: number;
  /** Wall-clock time, seconds. */
  seconds: number;
  /** Runs by the kind of their first finding. */
  readonly kinds: Map<string, number>;
  readonly firsts: FirstFinding[];
  /** Runs that came to each state that the scenario declares reachable, and the first seed. */
  readonly reached: Map<string, { runs: number; readonly seed: number }>;
  /** Message of the first run that failed, and its seed. */
  error?: { readonly seed: number; readonly message: string };
}

export interface StressHost {
  readonly pool?: LockstepPool;
  readonly scheduler: SchedulerName;
  readonly threads?: ThreadsHost;
}

export interface StressOptions {
  /** Somebody wants this to end: the running run does not count. */
  readonly isStopped: () => boolean;
  readonly limits: RunLimits;
  readonly runs: number;
  /** Seeds are `seed`, `seed + 1`, ... */
  readonly seed: number;
  /** Called after every run; returning false stops. */
  readonly onRun: (tally: Tally) => boolean;
}

/**
 * Runs one variant; run number n is one of plan n modulo their number. What was counted up to a stop is
 * returned as well.
 */
export async function stressVariant(
  plans: readonly Plan[],
  host: StressHost,
  options: StressOptions,
): Promise<Tally> {
  const { limits, runs, seed, onRun, isStopped } = options;
  const tally = emptyTally(plans);
  const began = performance.now();
  const tell = (result: RunResult, index: number) => {
    if (isStopped()) return false;
    count(tally, plans[index % plans.length], result, seed + index);
    tally.seconds = (performance.now() - began) / 1000;
    return onRun(tally);
  };
  const jobs = Array.from({ length: runs }, (_, i) => jobOf(plans[i % plans.length], limits, seed + i));
  if (host.pool) {
    const { scheduler } = host;
    await host.pool.run(
      jobs.map((job) => ({ job, scheduler })),
      tell,
    );
  } else if (host.threads) {
    for (const [i, job] of jobs.entries()) if (!tell(await host.threads.run(job), i)) break;
  }
  return tally;
}

function emptyTally(plans: readonly Plan[]): Tally {
  const zeros = { runs: 0, found: 0, clean: 0, bound: 0, errors: 0, steps: 0, seconds: 0 };
  return { variant: plans[0].variant, plans, ...zeros, kinds: new Map(), firsts: [], reached: new Map() };
}

function count(tally: Tally, plan: Plan, result: RunResult, seed: number): void {
  tally.runs++;
  tally.steps += result.steps;
  for (const name of result.reached ?? []) {
    const known = tally.reached.get(name);
    if (known) known.runs++;
    else tally.reached.set(name, { runs: 1, seed });
  }
  switch (verdictOf(plan, result)) {
    case 'clean':
      tally.clean++;
      return;
    case 'bound':
      tally.bound++;
      return;
    case 'error':
      tally.errors++;
      tally.error ??= { seed, message: result.error ?? 'the run failed' };
      return;
    case 'found': {
      tally.found++;
      const kind = result.findings[0]?.kind ?? 'deadlock';
      if (!tally.kinds.has(kind)) tally.firsts.push({ plan, kind, seed, result });
      tally.kinds.set(kind, (tally.kinds.get(kind) ?? 0) + 1);
    }
  }
}

/** Whether a variant did what it is there to show, over all its runs. */
export function behaved(tally: Tally): boolean {
  const { expect } = tally.variant;
  if (tally.errors > 0) return false;
  if (expect === 'clean') return tally.found === 0 && tally.bound === 0;
  return (
    tally.found > 0 && [...tally.kinds.keys()].every((kind) => (expect as readonly string[]).includes(kind))
  );
}

/** The plans that at least one run has tried. */
export function triedPlans({ plans, runs }: Tally): readonly Plan[] {
  return plans.slice(0, runs);
}
