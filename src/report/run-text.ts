/** A run and its findings, as text. */
import { explain } from '../checker/explain.ts';
import type { Explanation } from '../checker/explanation.ts';
import type { FindingRecord } from '../checker/finding.ts';
import type { RunResult } from '../hosts/job.ts';
import { type Plan, verdictOf } from '../lab/plan.ts';
import type { RunSettings } from './settings.ts';
import { cpusText, labelled, paint, plural, type Style, thousands, wrap } from './text.ts';

/** Findings that are explained; the others are counted. */
const EXPLAINED = 3;

/** What is about to run: known before it has. */
export function runHead(plan: Plan, settings: RunSettings, style: Style): string {
  const { scenario, variant, platform, cpus, parameters } = plan;
  const how = settings.host === 'threads' ? 'a thread each' : `in lockstep, ${settings.scheduler} scheduler`;
  const set = Object.entries(parameters).map(([name, value]) => `${name}=${value}`);
  return [
    ...wrap(`${scenario.name}, variant ${variant.name}: ${variant.title}`, '', '  ').map((line) =>
      paint(style, 'bold', line),
    ),
    ...labelled('machine', `${platform.name}, ${cpusText(cpus, plan.parts.devices)}, ${how}`),
    ...labelled('seed', String(settings.seed)),
    ...(set.length > 0 ? labelled('set', set.join(' ')) : []),
  ].join('\n');
}

/** What came of it. */
export function runBody(plan: Plan, settings: RunSettings, result: RunResult, style: Style): string {
  const lines: string[] = [''];
  if (plan.scenario.fault && verdictOf(plan, result) === 'clean') {
    if (result.findingCount > 0)
      lines.push(`${plural(result.findingCount, 'finding')}, each of them predicted`);
  } else lines.push(...findingsText(plan, result, style));
  lines.push(
    ...labelled('steps', thousands(result.steps)),
    ...exceptionText(plan, result),
    ...(result.reached?.length ? labelled('states', `reached ${result.reached.join(', ')}`) : []),
    ...labelled('result', resultText(plan, settings, result, style)),
  );
  return lines.join('\n');
}

/** Where aliases are slow instead of wrong: how slow. */
function exceptionText({ platform }: Plan, { cpus }: RunResult): string[] {
  if (platform.l2?.primaryIndex !== true) return [];
  const taken = cpus.reduce((sum, { counters }) => sum + counters.coherencyExceptions, 0);
  const cycles = Math.round(Math.max(...cpus.map(({ clockCycles }) => clockCycles)));
  return labelled(
    'aliases',
    `${thousands(taken)} virtual coherency exceptions in ${thousands(cycles)} cycles`,
  );
}

function findingsText(plan: Plan, result: RunResult, style: Style): string[] {
  const findings = result.findings.length > 0 ? result.findings : uncheckedDeadlock(result);
  const lines = findings
    .slice(0, EXPLAINED)
    .flatMap((finding) => [
      ...findingText(explain(finding, plan.platform, result.unfinished, result.processors), style),
      '',
    ]);
  if (findings.length > 0 && plan.variant.why !== undefined) lines.push(...whyText(plan), '');
  const more = result.findingCount - EXPLAINED;
  if (more > 0) lines.push(`... and ${plural(more, 'more finding', 'more findings')}`, '');
  return lines;
}

/** Without a checker nobody writes a finding down, but a deadlock shows all the same. */
function uncheckedDeadlock({ outcome, unfinished }: RunResult): FindingRecord[] {
  const [first] = unfinished.filter(({ waitingFor }) => waitingFor !== '');
  if (outcome !== 'deadlock' || !first) return [];
  return [{ kind: 'deadlock', cpu: first.cpu, other: -1, detail: 0 } as FindingRecord];
}

/** A finding as a title and labelled lines. */
/** What goes wrong in the variant; nothing if it does not say. */
export function whyText({ variant: { why } }: Plan): string[] {
  return why === undefined ? [] : labelled('why', why);
}

export function findingText({ kind, title, lines }: Explanation, style: Style): string[] {
  const [first, ...rest] = wrap(`${kind}: ${title}`, '', '  ');
  return [
    paint(style, 'red', first),
    ...rest.map((line) => paint(style, 'red', line)),
    ...lines.flatMap(({ label, text }) => labelled(label, text)),
  ];
}

function resultText(plan: Plan, settings: RunSettings, result: RunResult, style: Style): string {
  const { variant } = plan;
  const wrong = variant.expect !== 'clean';
  switch (verdictOf(plan, result)) {
    case 'clean':
      if (!settings.checked) return 'finished, unchecked';
      return wrong
        ? `nothing found this time, though the variant is wrong: try other seeds, as flushlab stress does`
        : paint(style, 'green', 'clean');
    case 'found': {
      const why = plan.scenario.fault?.(variant.name, result);
      return (
        paint(style, 'red', `violation${why === undefined ? '' : `: ${why}`}`) +
        (wrong ? ', as it must be' : '')
      );
    }
    case 'bound':
      return result.outcome === 'step-limit'
        ? 'no answer: the step limit was reached; use a larger --max-steps'
        : 'no answer: the time limit was reached; use a larger --max-seconds';
    case 'error':
      return paint(style, 'red', 'a program threw an error, or flushlab itself failed; see stderr');
  }
}
