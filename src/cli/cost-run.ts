/** What the experiments of `flushlab cost` have in common: their options, and measuring with progress. */
import { LockstepPool } from '../lab/lockstep-pool.ts';
import type { CostLimits, Mechanism } from '../lab/shootdown-cost.ts';
import type { Platform } from '../machine/platform.ts';
import { UsageError } from './errors.ts';
import { measureOn } from './measure-on.ts';

export interface CostFlags {
  readonly cpus?: number[];
  readonly pages?: number[];
  readonly mechanism: Mechanism | 'both';
  readonly host: 'lockstep' | 'threads' | 'both';
  readonly work?: number[];
  readonly platform?: string;
  readonly seed?: number;
  readonly quantum: number;
  readonly maxSteps: number;
  readonly maxSeconds: number;
  readonly workers: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

export function limitsOf({ quantum, maxSteps, maxSeconds }: CostFlags, seed: number): CostLimits {
  return { seed, quantumCycles: quantum, maxSteps, maxSeconds };
}

/**
 * Refuses what an experiment on lockstep alone, with mechanisms of its own, has no use for.
 * @param why there is no choice of mechanism
 * @throws UsageError
 */
export function checkOptions(
  experiment: string,
  { name, maxCpus }: Platform,
  { host, mechanism, cpus }: CostFlags,
  why: string,
): void {
  if (host !== 'lockstep') {
    throw new UsageError(`cost ${experiment}: it is measured on lockstep only: leave out --host ${host}`);
  }
  if (mechanism !== 'both') {
    throw new UsageError(`cost ${experiment}: ${why}: leave out --mechanism ${mechanism}`);
  }
  const tooMany = cpus?.find((n) => n > maxCpus);
  if (tooMany !== undefined) {
    throw new UsageError(`--cpus ${tooMany}: ${name} has at most ${maxCpus}: use --cpus ${maxCpus} or fewer`);
  }
}

/** Measures cells on a pool: see `measureOn`. */
export function measured<T>(
  cells: number,
  { workers, quiet }: Pick<CostFlags, 'workers' | 'quiet'>,
  run: (pool: LockstepPool, tell: (text: string) => boolean) => Promise<T>,
  stop?: () => Promise<void>,
): Promise<{ result: T | undefined; interrupted: boolean }> {
  const pool = new LockstepPool(Math.min(workers, cells));
  return measureOn(pool, quiet === true, (tell) => run(pool, tell), stop);
}
