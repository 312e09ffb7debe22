/**
 * Whether each flush call of the kernel is needed by somebody: the right variant of a flush scenario runs with
 * one of its calls left out, on every platform. A call that matters nowhere must be listed, with the reason.
 */
import type { Platform } from '../machine/platform.ts';
import type { FlushScenario } from '../scenarios/flush/define-flush.ts';
import { findVariant } from '../scenarios/scenario.ts';
import type { LockstepPool } from './lockstep-pool.ts';
import { tooFewCpus } from './matrix.ts';
import {
  DEFAULT_MAX_SECONDS,
  DEFAULT_QUANTUM_CYCLES,
  jobOf,
  makePlan,
  type Plan,
  verdictOf,
} from './plan.ts';

/** One call left out, on all platforms. */
export interface MutationRow {
  readonly scenario: FlushScenario;
  readonly site: string;
  /** By the name of the platform; platforms that came after an answer are left out. */
  readonly seen: ReadonlyMap<string, MutationResult>;
  /** What is wrong with it, in words; undefined if nothing is. */
  readonly flaw: string | undefined;
}

/** What the first run found that found anything; or that none did; or that the scenario cannot run there. */
type MutationResult = { readonly kind: string; readonly seed: number } | Unanswered | 'clean' | 'n/a';

/** A program threw, or a run reached its limit. */
interface Unanswered {
  readonly noAnswer: string;
}

export interface MutationOptions {
  readonly platforms: readonly Platform[];
  /** Runs on each platform, with consecutive seeds; the first that finds something is the last. */
  readonly runs: number;
  readonly seed: number;
  readonly pool: LockstepPool;
  /** Go on to the next site when one platform has shown that a call is needed. */
  readonly firstOnly?: boolean;
}

export async function mutationRow(
  scenario: FlushScenario,
  site: string,
  options: MutationOptions,
): Promise<MutationRow> {
  const seen = new Map<string, MutationResult>();
  let isFound = false;
  let unanswered: string | undefined;
  for (const platform of options.platforms) {
    const result = await leftOut(scenario, site, platform, options);
    seen.set(platform.name, result);
    if (typeof result === 'object' && 'kind' in result) isFound = true;
    if (typeof result === 'object' && 'noAnswer' in result) unanswered ??= result.noAnswer;
    if (isFound && options.firstOnly === true) break;
  }
  return { scenario, site, seen, flaw: unanswered ?? flawOf(scenario, site, isFound) };
}

function flawOf({ name, neverMatters }: FlushScenario, site: string, isFound: boolean): string | undefined {
  const reason = neverMatters[site];
  if (reason === undefined && !isFound) {
    return `${name}: nobody misses the call at '${site}': list it in neverMatters with the reason, or take it out`;
  }
  if (reason !== undefined && isFound) {
    return `${name}: neverMatters says of '${site}' that no platform needs it (${reason}), but one does`;
  }
  return undefined;
}

async function leftOut(
  scenario: FlushScenario,
  site: string,
  platform: Platform,
  { runs, seed, pool }: MutationOptions,
): Promise<MutationResult> {
  const variant = findVariant(scenario, scenario.right);
  if (variant.unsupported?.(platform) !== undefined || tooFewCpus(scenario, variant, platform)) return 'n/a';
  const plan = makePlan({ scenario, variant, platform, given: { omit: site } });
  const limits = {
    checked: true,
    keepGoing: false,
    quantumCycles: DEFAULT_QUANTUM_CYCLES,
    maxSteps: scenario.maxSteps,
    maxSeconds: DEFAULT_MAX_SECONDS,
  };
  const tasks = Array.from({ length: runs }, (_, i) => ({
    job: jobOf(plan, limits, seed + i),
    scheduler: 'random' as const,
  }));
  let answer: MutationResult = 'clean';
  await pool.run(tasks, (result, i) => {
    const verdict = verdictOf(plan, result);
    if (verdict === 'error' || verdict === 'bound') {
      answer = { noAnswer: noAnswer(plan, site, seed + i, result) };
    }
    if (verdict === 'found') answer = { kind: result.findings[0]?.kind ?? 'deadlock', seed: seed + i };
    return answer === 'clean';
  });
  return answer;
}

function noAnswer(
  { scenario, platform }: Plan,
  site: string,
  seed: number,
  { outcome, error }: { readonly outcome: string; readonly error?: string },
): string {
  return `${scenario.name} without '${site}' on ${platform.name}, seed ${seed}: ${error?.split('\n')[0] ?? outcome}`;
}
