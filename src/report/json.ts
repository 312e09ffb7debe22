/**
 * Reports as JSON. Keys come in the order in which they are built here, and a report of lockstep runs holds
 * nothing that depends on the wall clock: the same seed gives the same bytes.
 */
import { explain } from '../checker/explain.ts';
import type { RunResult } from '../hosts/job.ts';
import type { Plan } from '../lab/plan.ts';
import { type CostRow, IDLE_UNITS } from '../lab/shootdown-cost.ts';
import type { Tally } from '../lab/stress.ts';
import { behaved, triedPlans } from '../lab/stress.ts';
import type { Platform } from '../machine/platform.ts';
import type { Scenario } from '../scenarios/scenario.ts';
import { costHead } from './cost-head.ts';
import type { RunSettings } from './settings.ts';

/** Text of a report, indented. */
export function toJson(report: unknown): string {
  return JSON.stringify(report, null, 2);
}

export function listReport(scenarios: readonly Scenario[], platforms: readonly Platform[]) {
  return {
    scenarios: scenarios.map((scenario) => ({
      name: scenario.name,
      title: scenario.title,
      source: scenario.source,
      defaultCpus: scenario.defaultCpus,
      minCpus: scenario.minCpus,
      variants: scenario.variants.map(({ name, title, expect }) => ({
        name,
        title,
        expect,
        defaultPlatform: scenario.defaultPlatform(name),
      })),
      parameters: scenario.parameters,
      ...(scenario.reachable && { reachable: scenario.reachable }),
    })),
    platforms: platforms.map(({ name, title, clockMHz, maxCpus, coherence, shootdown }) => ({
      name,
      title,
      clockMHz,
      maxCpus,
      coherence,
      shootdown,
    })),
  };
}

/** One run, with every finding explained. */
export function runReport(plan: Plan, settings: RunSettings, result: RunResult, repeat: string) {
  return {
    command: 'run',
    ...planReport(plan),
    ...settings,
    outcome: result.outcome,
    findingCount: result.findingCount,
    findings: findingsReport(plan, result),
    unfinished: result.unfinished,
    steps: result.steps,
    perCpu: result.cpus,
    ...(result.reached && { reached: result.reached }),
    ...(result.error !== undefined && { error: result.error }),
    repeat,
  };
}

export function planReport({ scenario, variant, platform, cpus, parameters }: Plan) {
  return {
    scenario: scenario.name,
    variant: variant.name,
    expect: variant.expect,
    platform: platform.name,
    cpus,
    parameters,
  };
}

export function findingsReport({ platform }: Plan, result: RunResult) {
  return result.findings.map((finding) => {
    const { title, lines } = explain(finding, platform, result.unfinished, result.processors);
    return { ...finding, title, explanation: lines };
  });
}

/** Many runs, a part for each variant. */
export function stressReport(
  scenario: Scenario,
  settings: RunSettings & { readonly runs: number },
  tallies: readonly Tally[],
  skipped: readonly { readonly variant: string; readonly reason: string }[],
) {
  return {
    command: 'stress',
    scenario: scenario.name,
    ...settings,
    variants: tallies.map((tally) => ({
      variant: tally.variant.name,
      expect: tally.variant.expect,
      platforms: [...new Set(triedPlans(tally).map(({ platform }) => platform.name))],
      cpus: [...new Set(triedPlans(tally).map(({ cpus }) => cpus))],
      runs: tally.runs,
      found: tally.found,
      clean: tally.clean,
      bound: tally.bound,
      errors: tally.errors,
      steps: tally.steps,
      hitRate: tally.runs === 0 ? 0 : tally.found / tally.runs,
      kinds: Object.fromEntries([...tally.kinds].sort(([a], [b]) => (a < b ? -1 : 1))),
      ...(tally.plans[0].scenario.reachable && {
        reached: Object.fromEntries([...tally.reached].sort(([a], [b]) => (a < b ? -1 : 1))),
      }),
      asExpected: behaved(tally),
      firsts: tally.firsts.map(({ plan, kind, seed, result }) => ({
        kind,
        seed,
        ...planReport(plan),
        findings: findingsReport(plan, result).slice(0, 1),
      })),
      ...(tally.error && { error: tally.error }),
    })),
    skipped,
  };
}

/** Cost rows with their times. */
export function costReport(
  platform: Platform,
  settings: { readonly seed: number; readonly quantumCycles: number },
  rows: readonly CostRow[],
) {
  const ns = (cycles: number | null) =>
    cycles === null ? null : Math.round((cycles * 10_000) / platform.clockMHz) / 10;
  return {
    ...costHead('tlb-shootdown', platform),
    operation: 'munmap',
    idleUnits: IDLE_UNITS,
    ...settings,
    rows: rows.map((row) => ({
      ...row,
      initiatorNs: ns(row.initiatorCycles),
      targetNs: ns(row.targetCycles),
      allTargetsNs: ns(row.allTargetsCycles),
    })),
  };
}
