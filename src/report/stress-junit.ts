/** What a stress found, as JUnit XML and as Markdown. Nothing in it depends on the wall clock. */
import { behaved, type Tally, triedPlans } from '../lab/stress.ts';
import { type JUnitCase, junitXml } from './junit-xml.ts';
import { markdownTable, markdownText } from './markdown-table.ts';
import { expectText } from './matrix-rows.ts';
import type { Skipped } from './stress-text.ts';
import { plural } from './text.ts';

/** What was run, and how. */
export interface StressHead {
  readonly scenario: string;
  readonly host: string;
  readonly scheduler?: string;
  readonly seed: number;
  readonly runs: number;
}

/** A test a variant: passed if it showed what it must show. */
export function stressJunit(
  head: StressHead,
  tallies: readonly Tally[],
  skipped: readonly Skipped[],
): string {
  const { scenario, ...properties } = head;
  const className = `flushlab.stress.${scenario}`;
  const cases: JUnitCase[] = [
    ...tallies.map((tally) => ({ name: tally.variant.name, className, ...resultOf(tally) })),
    ...skipped.map(({ variant, reason }) => ({ name: variant, className, skipped: reason })),
  ];
  return junitXml([{ name: scenario, cases, properties: { ...properties } }]);
}

export function stressMarkdown(
  { scenario, host, scheduler, seed, runs }: StressHead,
  tallies: readonly Tally[],
  skipped: readonly Skipped[],
): string {
  const how = `${plural(runs, 'run')} of each variant on ${host}${scheduler === undefined ? '' : `, ${scheduler} scheduler`}, from seed ${seed}`;
  const columns = [
    ...(['variant', 'platform'] as const).map((title) => ({ title, align: 'left' as const })),
    ...(['runs', 'found'] as const).map((title) => ({ title, align: 'right' as const })),
    ...(['must show', 'kinds', 'verdict'] as const).map((title) => ({ title, align: 'left' as const })),
  ];
  const rows = tallies.map((tally) => [
    tally.variant.name,
    [...new Set(triedPlans(tally).map(({ platform }) => platform.name))].join(', '),
    String(tally.runs),
    String(tally.found),
    expectText(tally.variant.expect),
    kindsText(tally),
    behaved(tally) ? 'as expected' : whyNot(tally),
  ]);
  return [
    `# ${markdownText(`stress ${scenario}`)}`,
    '',
    markdownText(how),
    '',
    ...markdownTable(columns, rows),
    ...(skipped.length > 0 ? [''] : []),
    ...skipped.map(({ variant, reason }) => `- skipped ${markdownText(`${variant}: ${reason}`)}`),
  ].join('\n');
}

function resultOf(tally: Tally): Partial<JUnitCase> {
  const text = [
    `${plural(tally.runs, 'run')}: ${tally.found} found, ${tally.clean} clean, ${tally.bound} without answer, ${tally.errors} failed`,
    ...(tally.kinds.size > 0 ? [kindsText(tally)] : []),
    ...tally.firsts.map(({ kind, seed }) => `first ${kind} with seed ${seed}`),
    ...(tally.error ? [`seed ${tally.error.seed}: ${tally.error.message}`] : []),
  ].join('\n');
  if (behaved(tally)) return { output: text };
  const message = whyNot(tally);
  if (tally.errors > 0) return { error: { message, type: 'error', text } };
  if (tally.bound > 0 && tally.found === 0) return { error: { message, type: 'limit', text } };
  const [kind = 'not-found'] = tally.kinds.keys();
  return { failure: { message, type: kind, text } };
}

function whyNot({ errors, bound, variant, found, runs }: Tally): string {
  if (errors > 0) return `${plural(errors, 'run')} failed`;
  if (variant.expect === 'clean' && found > 0)
    return `must show nothing, found in ${found} of ${plural(runs, 'run')}`;
  if (bound > 0) return `${plural(bound, 'run')} reached a limit before an answer`;
  return `must show ${expectText(variant.expect)}, not found in ${plural(runs, 'run')}`;
}

function kindsText({ kinds }: Tally): string {
  return [...kinds].map(([kind, runs]) => `${kind} in ${plural(runs, 'run')}`).join(', ');
}
