/** What exploring schedules has found, as text. */
import { explain } from '../checker/explain.ts';
import type { Budgets } from '../explore/execution.ts';
import type { ExploreReport } from '../explore/explorer.ts';
import { pctBound } from '../explore/pct.ts';
import { goalOf } from '../explore/reached.ts';
import { isViolation } from '../explore/shard.ts';
import type { Timeline } from '../explore/timeline.ts';
import type { Plan } from '../lab/plan.ts';
import type { Counterexample, SearchOptions } from '../lab/search.ts';
import { findState } from '../scenarios/scenario.ts';
import { reachedLines } from './reached-text.ts';
import { findingText, whyText } from './run-text.ts';
import { cpusText, labelled, paint, pasted, plural, type Style, shareText, thousands, wrap } from './text.ts';
import { timelineText } from './timeline-text.ts';

/** What is about to be explored: known before it has been. */
export function exploreHead(plan: Plan, options: SearchOptions, style: Style): string {
  const { scenario, variant, platform, cpus, parameters } = plan;
  const set = Object.entries(parameters).map(([name, value]) => `${name}=${value}`);
  return [
    ...wrap(`${scenario.name}, variant ${variant.name}: ${variant.title}`, '', '  ').map((line) =>
      paint(style, 'bold', line),
    ),
    ...labelled('machine', `${platform.name}, ${cpusText(cpus, plan.parts.devices)}, in lockstep`),
    ...(set.length > 0 ? labelled('set', set.join(' ')) : []),
    ...labelled('search', searchText(options)),
    ...labelled('hardware', budgetText(plan, options.budgets)),
    ...(options.goal === undefined ? [] : labelled('until', goalText(plan, options.goal))),
  ].join('\n');
}

function goalText({ scenario }: Plan, goal: string): string {
  return `state '${goal}': ${findState(scenario, goal).title}`;
}

function searchText({ strategy, seed, runs, depth, most }: SearchOptions): string {
  const seeds = `seeds ${seed} to ${seed + runs - 1}`;
  switch (strategy) {
    case 'pct':
      return `pct of depth ${depth}, ${seeds}`;
    case 'random':
      return `random walk, ${seeds}`;
    case 'bounded':
      return `by cost, up to ${plural(most.preemptions, 'preemption')} and ${plural(most.delays, 'delay')} of the hardware`;
    default:
      return 'every schedule, up to equivalence (dynamic partial-order reduction)';
  }
}

/** Which agents act, and how often. */
function budgetText({ platform }: Plan, budgets: Budgets): string {
  const free = platform.agents.filter((name) => name === 'drain' || name === 'broadcast' || name === 'ipi');
  const names = { walk: 'speculative walk', prefetch: 'prefetch', evict: 'untimely eviction' };
  const few = (['walk', 'prefetch', 'evict'] as const)
    .filter((name) => platform.agents.includes(name) && budgets[name] > 0)
    .map((name) => `${plural(budgets[name], names[name])} a run`);
  const always = { drain: 'stores drain', broadcast: 'broadcasts arrive', ipi: 'IPIs arrive' } as const;
  const texts = free.map((name) => always[name as keyof typeof always]);
  const freely = texts.length > 0 ? [`${texts.join(', ')} at any time`] : [];
  return [...freely, ...few].join('; ') || 'nothing acts by itself';
}

/** What came of it. */
export function exploreBody(plan: Plan, options: SearchOptions, report: ExploreReport, style: Style): string {
  const { runs, redundant, steps, longest, failures } = report;
  const per = runs > 0 ? Math.round(steps / runs) : 0;
  const also = redundant > 0 ? `, and ${thousands(redundant)} cut short as equivalent to one of these` : '';
  const lines = [
    '',
    ...labelled(
      'explored',
      `${plural(runs, 'schedule')}${also}; ${thousands(per)} steps each, at most ${thousands(longest)}`,
    ),
    ...labelled('reach', reachText(options, report)),
  ];
  for (const { signature, count, seed } of failures) {
    const share = shareText(count / Math.max(1, runs));
    const first = seed === undefined ? '' : `, first with seed ${seed}`;
    lines.push(
      ...labelled('found', `${paint(style, 'red', signature)} in ${thousands(count)} (${share})${first}`),
    );
  }
  if (failures.length === 0) lines.push(...labelled('found', paint(style, 'green', 'nothing')));
  const { variant } = plan;
  lines.push(...reachedLines(plan, options, report, style));
  if (options.goal === undefined && failures.length === 0 && variant.expect !== 'clean' && !report.complete) {
    lines.push(...labelled('', 'though the variant is wrong: try --strategy bounded, or more runs'));
  }
  return lines.join('\n');
}

function reachText(options: SearchOptions, report: ExploreReport): string {
  const { strategy, depth, most, goal } = options;
  if (report.reached.some(({ name, count }) => name === goal && count > 0))
    return 'up to the first run that leads to the state';
  const stop = report.stopped ? 'stopped before the end; ' : '';
  if (strategy === 'dpor') {
    if (report.complete) return 'complete: every other schedule is equivalent to one of these';
    if (report.stopped) return `${stop}not complete`;
    const noAnswer = report.failures.find(({ signature }) => !isViolation(signature));
    if (noAnswer) return 'not complete: where a run ends without an answer, what would follow is unknown';
    return `not complete: the limit of ${plural(options.runs, 'run')} came first`;
  }
  if (strategy === 'bounded') {
    const { searched } = report;
    if (!searched) return `${stop}not even the schedules without a preemption and a delay were all run`;
    const costs = `${plural(searched.preemptions, 'preemption')} and ${plural(searched.delays, 'delay')}`;
    const end = searched.preemptions === most.preemptions && searched.delays === most.delays;
    const isLimited = report.failures.length === 0 && !report.stopped && !end;
    const why = isLimited ? `: the limit of ${plural(options.runs, 'run')} came first` : '';
    return `${stop}every schedule with up to ${costs}${why}`;
  }
  if (strategy === 'random') return `${stop}a sample`;
  const { actors, lengthSteps } = report;
  const bound = pctBound(actors, lengthSteps, depth);
  return `${stop}a sample; one run shows a bug of depth ${depth} with a probability of at least 1/(${actors} x ${lengthSteps}^${depth - 1}) = ${bound.toPrecision(2)}`;
}

/** Rows of a table: more are a wall and not a picture. */
const MOST_ROWS = 100;

/** A timeline as a table; of a long one what is marked, and the end. */
export function tableText(lines: Timeline, style: Style, width: number): string {
  const { rows } = lines;
  const left = rows.length - MOST_ROWS;
  if (left <= 0) return timelineText(lines, style, width);
  const kept = rows.filter((row, i) => row.mark !== undefined || i >= left);
  return [
    `... ${plural(rows.length - kept.length, 'row')} left out; --json has them\n`,
    timelineText({ ...lines, rows: kept }, style, width),
  ].join('\n');
}

/** The smallest schedule that fails, and why it does. */
export function counterexampleText(
  plan: Plan,
  { signature, choices, shrunk, result }: Counterexample,
  table: string,
  style: Style,
): string {
  const lines: string[] = [''];
  for (const finding of result.findings.slice(0, 1)) {
    lines.push(
      ...findingText(explain(finding, plan.platform, result.unfinished, result.processors), style),
      ...whyText(plan),
      '',
    );
  }
  const goal = goalOf(signature);
  if (goal !== undefined) lines.push(...wrap(`reached: ${goalText(plan, goal)}`, '', '  '), '');
  else if (result.findings.length === 0) lines.push(...endText(signature, result.error), '');
  lines.push(...labelled('schedule', scheduleText(choices.length, shrunk)));
  if (table !== '') lines.push('', table);
  return lines.join('\n');
}

function endText(signature: string, error: string | undefined): string[] {
  if (signature === 'step-limit')
    return wrap('step-limit: the run did not end; use a larger --max-steps, or a scenario that ends');
  return error === undefined ? [signature] : outside(error.split('\n'));
}

/** The lines of a stack trace down to where flushlab takes the program's next step. */
function outside(lines: readonly string[]): string[] {
  const end = lines.findIndex((line) => /^ +at CpuRunner\./.test(line));
  const own = lines.slice(0, end < 0 ? lines.length : end);
  return own.filter((line) => !/^ +at [\w$.]*\bnext \(<anonymous>\)$/.test(line));
}

function scheduleText(steps: number, shrunk: Counterexample['shrunk']): string {
  if (!shrunk) return `${plural(steps, 'step')}, as it was found`;
  const { preemptions, delays, minimal } = shrunk;
  const proof = minimal ? ', and none has fewer' : '; fewer may do';
  return `${plural(steps, 'step')} with ${plural(preemptions, 'preemption')} and ${plural(delays, 'delay')} of the hardware${proof}`;
}

/** Characters of a token that anybody wants to paste. */
const PASTED = 1500;

/** The line to type to see it again. @param saved file that holds the token, as a shell takes it */
export function replayLines(token: string, saved: string | undefined): string {
  const lines: string[] = [''];
  if (token.length <= PASTED) lines.push(pasted('replay', `flushlab replay ${token}`));
  else if (saved === undefined) {
    const size = `its token has ${thousands(token.length)} characters`;
    lines.push(...labelled('replay', `${size}: --save FILE keeps it for flushlab replay FILE`));
  }
  if (saved !== undefined) lines.push(pasted('replay', `flushlab replay ${saved}`));
  return lines.join('\n');
}
