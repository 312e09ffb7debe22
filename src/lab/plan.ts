/** From what somebody asks for (scenario, variant, platform, parameters, seed) to a job that a host runs. */
import type { Job, RunResult } from '../hosts/job.ts';
import { loadWorkload } from '../hosts/session.ts';
import type { Platform } from '../machine/platform.ts';
import { parsePlatform } from '../machine/platform-checks.ts';
import { platformByName, platforms } from '../platforms/index.ts';
import type { Parameters, Workload } from '../program/workload.ts';
import {
  type JobParts,
  resolveParameters,
  type Scenario,
  ScenarioError,
  type Variant,
} from '../scenarios/scenario.ts';

export interface Plan {
  readonly scenario: Scenario;
  /** Its `expect` is what it must show on the plan's platform. */
  readonly variant: Variant;
  readonly platform: Platform;
  readonly cpus: number;
  /** The scenario's own, resolved; the variant is added to them. */
  readonly parameters: Parameters;
  /** What the scenario fixes in its jobs. */
  readonly parts: JobParts;
}

export interface PlanRequest {
  readonly scenario: Scenario;
  readonly variant: Variant;
  /** Undefined: the scenario's choice. */
  readonly platform?: Platform | undefined;
  readonly cpus?: number | undefined;
  /** Parameters that are not to have their defaults: values, or what somebody has typed for them. */
  readonly given: Parameters;
}

export interface RunLimits {
  readonly checked: boolean;
  readonly keepGoing: boolean;
  /** Threads host: how far clocks may drift apart, cycles. */
  readonly quantumCycles: number;
  readonly maxSteps: number;
  readonly maxSeconds: number;
  /** Threads host: take the schedule down, one step at a time. */
  readonly record?: boolean;
  /** State of the scenario that ends a run. */
  readonly goal?: string | undefined;
}

export const DEFAULT_MAX_SECONDS = 60;
export const DEFAULT_QUANTUM_CYCLES = 10_000;

/** @throws ScenarioError, one line naming what to use instead, if the variant cannot run like this */
export function makePlan(request: PlanRequest): Plan {
  const { scenario, variant, given } = request;
  const resolved = resolveParameters(scenario, given);
  const parts = scenario.adapt?.(variant.name, resolved) ?? {};
  if (parts.platform && request.platform) {
    throw new ScenarioError(
      `${scenario.name} brings machines of its own: leave out --platform and choose one with --set`,
    );
  }
  if (parts.cpus !== undefined && request.cpus !== undefined && request.cpus !== parts.cpus) {
    throw new ScenarioError(
      `${scenario.name} runs on ${parts.cpus} CPUs with these parameters: leave out --cpus ${request.cpus}`,
    );
  }
  const asked = parts.platform ?? request.platform ?? defaultPlatform(scenario, variant, resolved);
  const platform = scenario.machineFor?.(asked) ?? asked;
  const most = platform.maxCpus + (parts.devices ?? 0);
  const usual = Math.max(scenario.defaultCpus, variant.minCpus ?? 0);
  const cpus = parts.cpus ?? request.cpus ?? Math.min(usual, most);
  const parameters = { ...resolved, ...variant.parameters?.(cpus) };
  const reason = variant.unsupported?.(platform, { cpus, parameters });
  if (reason !== undefined) throw new ScenarioError(`variant '${variant.name}': ${reason}`);
  checkCpus(scenario, variant, platform, cpus, most);
  const expect = variant.expectOn?.(platform).expect ?? variant.expect;
  return { scenario, variant: { ...variant, expect }, platform, cpus, parameters, parts };
}

function defaultPlatform(scenario: Scenario, variant: Variant, parameters: Parameters): Platform {
  const name = scenario.defaultPlatform(variant.name, parameters);
  const platform = platformByName(name);
  if (!platform) throw new Error(`${scenario.name}: its default platform '${name}' does not exist`);
  return platform;
}

/** What is wrong with a platform, in one line or more. */
export class PlatformError extends ScenarioError {
  readonly lines: readonly string[];

  constructor(...lines: string[]) {
    super(lines.join('\n'));
    this.lines = lines;
  }
}

/**
 * @param platform name of a built-in one, or what should be one
 * @param where what a line about a problem of it begins with
 * @throws PlatformError
 */
export function platformOf(platform: unknown, where: string): Platform {
  if (typeof platform !== 'string') {
    const parsed = parsePlatform(platform, where);
    if ('problems' in parsed) throw new PlatformError(...parsed.problems);
    return parsed.platform;
  }
  const found = platformByName(platform);
  if (found) return found;
  throw new PlatformError(
    `there is no platform '${platform}': use one of ${Object.keys(platforms).join(', ')}`,
  );
}

function checkCpus(
  scenario: Scenario,
  variant: Variant,
  { name }: Platform,
  cpus: number,
  most: number,
): void {
  const minCpus = Math.max(scenario.minCpus, variant.minCpus ?? 0);
  if (cpus < minCpus) {
    const who = minCpus > scenario.minCpus ? `variant '${variant.name}'` : scenario.name;
    const remedy =
      minCpus <= most
        ? `use --cpus ${minCpus} or more`
        : `${name} has ${most === 1 ? 'one' : `at most ${most}`}: use another --platform`;
    throw new ScenarioError(`${who} needs at least ${minCpus} CPUs: ${remedy}`);
  }
  if (cpus > most) {
    throw new ScenarioError(`--cpus ${cpus}: ${name} has at most ${most}: use --cpus ${most} or fewer`);
  }
}

/** The job of one run of a plan. @param seed any integer */
export function jobOf(plan: Plan, limits: RunLimits, seed: number): Job {
  const { scenario, variant, parts } = plan;
  const parameters = { ...plan.parameters, variant: variant.name };
  const { platform, cpus } = plan;
  const source = { module: scenario.module, parameters };
  const keepGoing = limits.keepGoing || parts.keepGoing === true;
  return { ...limits, ...parts, platform, cpus, source, seed, keepGoing };
}

/**
 * The programs of a plan's job.
 * @throws ScenarioError that says how to write a scenario whose module cannot be imported again
 */
export async function workloadOf({ scenario }: Plan, job: Job): Promise<Workload> {
  try {
    return await loadWorkload(job);
  } catch (error) {
    const remedy = 'make it the default export of a module of its own, with module: import.meta.url';
    throw new ScenarioError(`${scenario.name}: its module cannot be imported: ${remedy}`, { cause: error });
  }
}

/** Ways for a run to end: nothing wrong, something wrong, no answer within its limits, broken. */
export type Verdict = 'clean' | 'found' | 'bound' | 'error';

export function verdictOf(plan: Plan, result: RunResult): Verdict {
  if (result.outcome === 'error') return 'error';
  if (result.outcome === 'deadlock') return 'found';
  const limited = result.outcome !== 'finished' && result.outcome !== 'finding';
  if (plan.scenario.fault && !limited) {
    return plan.scenario.fault(plan.variant.name, result) === undefined ? 'clean' : 'found';
  }
  if (result.findingCount > 0) return 'found';
  return limited ? 'bound' : 'clean';
}
