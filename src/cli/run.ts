/** flushlab run: one run of a scenario. */
import { Command } from 'commander';
import type { RunResult } from '../hosts/job.ts';
import { ThreadsHost } from '../hosts/threads.ts';
import { runTask } from '../lab/lockstep-task.ts';
import { jobOf, makePlan, type Plan, verdictOf } from '../lab/plan.ts';
import { runReport, toJson } from '../report/json.ts';
import { runBody, runHead } from '../report/run-text.ts';
import type { RunSettings } from '../report/settings.ts';
import { labelled } from '../report/text.ts';
import { loadScenario } from '../scenarios/load-scenario.ts';
import { findVariant, type Scenario } from '../scenarios/scenario.ts';
import { EXIT } from './errors.ts';
import { Interrupt } from './interrupt.ts';
import {
  drawSeed,
  limitsOf,
  quoted,
  type RunFlags,
  repeatedFlags,
  resolvePlatform,
  SCENARIO_ARGUMENT,
  withRunOptions,
} from './options.ts';
import { complain, print, stdoutStyle } from './terminal.ts';

/** @param done takes the exit code */
export function runCommand(done: (code: number) => void): Command {
  const command = new Command('run')
    .description('run a scenario once; exit 1 if it shows a violation')
    .argument('<scenario>', SCENARIO_ARGUMENT);
  return withRunOptions(command).action(async (name: string, flags: RunFlags) =>
    done(await run(name, flags)),
  );
}

async function run(name: string, flags: RunFlags): Promise<number> {
  const scenario = await loadScenario(name, process.cwd());
  const plan = planOf(scenario, flags.variant ?? scenario.variants[0].name, flags);
  const seed = flags.seed ?? drawSeed();
  const settings = settingsOf(scenario, flags, seed);
  const job = jobOf(plan, limitsOf(flags, scenario), seed);
  const asText = flags.json !== true;
  if (asText) print(runHead(plan, settings, stdoutStyle));
  let result: RunResult;
  if (flags.host === 'threads') {
    const host = new ThreadsHost();
    const interrupt = new Interrupt(() => host.close());
    result = await host.run(job);
    await host.close();
    interrupt.dispose();
    if (interrupt.interrupted) return EXIT.INTERRUPTED;
  } else result = await runTask({ job, scheduler: flags.scheduler });
  const repeat = repeatLine(plan, name, flags, seed);
  if (asText) {
    print(runBody(plan, settings, result, stdoutStyle));
    print(repeatText(flags, repeat));
  } else print(toJson(runReport(plan, settings, result, repeat)));
  if (result.error !== undefined) complain(result.error);
  return exitCode(plan, result);
}

/** @throws UsageError, ScenarioError */
function planOf(scenario: Scenario, variant: string, flags: RunFlags): Plan {
  return makePlan({
    scenario,
    variant: findVariant(scenario, variant),
    platform: flags.platform === undefined ? undefined : resolvePlatform(flags.platform),
    cpus: flags.cpus,
    given: flags.set,
  });
}

/** How the flags make runs, for reports. */
export function settingsOf(scenario: Scenario, flags: RunFlags, seed: number): RunSettings {
  const { checked, keepGoing, quantumCycles, maxSteps } = limitsOf(flags, scenario);
  const { host, scheduler } = flags;
  if (host === 'threads') return { host, seed, checked, keepGoing, quantumCycles, maxSteps };
  return { host, scheduler, seed, checked, keepGoing, maxSteps };
}

/**
 * The lockstep run with this seed, as a command line.
 * @param name what the user called the scenario by: its name or a path
 */
export function repeatLine(plan: Plan, name: string, flags: RunFlags, seed: number): string {
  const variant = quoted(plan.variant.name);
  const words = ['flushlab run', quoted(name), '--variant', variant, '--seed', String(seed)];
  if (flags.scheduler !== 'random') words.push('--scheduler', flags.scheduler);
  return [...words, ...repeatedFlags(flags)].join(' ');
}

function repeatText(flags: RunFlags, repeat: string): string {
  if (flags.host === 'lockstep') return labelled('repeat', repeat).join('\n');
  const note =
    'the order of real threads cannot be repeated by a seed; this one repeats itself, on lockstep:';
  return [...labelled('repeat', note), ...labelled('', repeat)].join('\n');
}

function exitCode(plan: Plan, result: RunResult): number {
  switch (verdictOf(plan, result)) {
    case 'clean':
      return EXIT.OK;
    case 'found':
      return EXIT.VIOLATION;
    case 'bound':
      return EXIT.BOUND;
    case 'error':
      return EXIT.FAULT;
  }
}
