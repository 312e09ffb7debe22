/** Many runs, as a table. */
import { explain } from '../checker/explain.ts';
import { behaved, type Tally, triedPlans } from '../lab/stress.ts';
import { statesOf } from '../scenarios/scenario.ts';
import { findingText } from './run-text.ts';
import { type ColumnSpec, paint, plural, type Style, table, thousands, wrap } from './text.ts';

export interface Skipped {
  readonly variant: string;
  readonly reason: string;
}

const COLUMNS: readonly ColumnSpec[] = [
  { title: 'variant', align: 'left' },
  { title: 'platform', align: 'left' },
  { title: 'runs', align: 'right' },
  { title: 'found', align: 'right' },
  { title: 'hit rate', align: 'right' },
  { title: 'steps/s', align: 'right' },
  { title: 'must show', align: 'left' },
  { title: 'verdict', align: 'left' },
];

/** One row a variant, then what was found in the ones that had to be clean. */
export function stressText(tallies: readonly Tally[], skipped: readonly Skipped[], style: Style): string {
  const rows = tallies.map((tally) => [
    tally.variant.name,
    platformsOf(tally),
    thousands(tally.runs),
    thousands(tally.found),
    tally.runs === 0
      ? '-'
      : `${((100 * tally.found) / tally.runs).toFixed(tally.found === tally.runs ? 0 : 1)}%`,
    tally.seconds === 0 ? '-' : thousands(tally.steps / tally.seconds),
    tally.variant.expect === 'clean' ? 'nothing' : tally.variant.expect.join(' or '),
    verdict(tally),
  ]);
  const lines = table(COLUMNS, rows).map((line, i) =>
    i === 0 || behaved(tallies[i - 1]) ? line : paint(style, 'red', line),
  );
  const kinds = tallies.filter(({ kinds }) => kinds.size > 0).map(kindsOf);
  if (kinds.length > 0) lines.push('', 'found', ...kinds.flatMap((text) => wrap(text, '  ', '    ')));
  const states = tallies.map(statesText).filter((text) => text !== '');
  if (states.length > 0) lines.push('', 'states', ...states.flatMap((text) => wrap(text, '  ', '    ')));
  for (const { variant, reason } of skipped) lines.push(...wrap(`skipped ${variant}: ${reason}`, '', '  '));
  for (const tally of tallies) lines.push(...unexpected(tally, style));
  return lines.join('\n');
}

function platformsOf(tally: Tally): string {
  const names = [...new Set(triedPlans(tally).map(({ platform }) => platform.name))];
  return names.length < 2 ? (names[0] ?? '-') : `${names.length} machines`;
}

function verdict(tally: Tally): string {
  if (tally.errors > 0) return `${plural(tally.errors, 'run')} failed`;
  if (behaved(tally)) return 'as expected';
  if (tally.bound > 0) return `${plural(tally.bound, 'run')} without answer`;
  return tally.variant.expect === 'clean' ? 'VIOLATION' : 'NOT FOUND';
}

function kindsOf({ variant, kinds, firsts }: Tally): string {
  const parts = [...kinds].map(([kind, runs]) => {
    const first = firsts.find((f) => f.kind === kind);
    return `${kind} in ${plural(runs, 'run')}${first ? ` (first with seed ${first.seed})` : ''}`;
  });
  return `${variant.name}: ${parts.join(', ')}`;
}

/** Which states were reached that had to be, and which others were. */
function statesText({ variant, plans, reached, runs }: Tally): string {
  if (runs === 0) return '';
  const wanted = statesOf(plans[0].scenario, variant.name);
  const names = [...new Set([...wanted, ...reached.keys()])];
  const parts = names.map((name) => {
    const known = reached.get(name);
    return known
      ? `${name} in ${plural(known.runs, 'run')} (first with seed ${known.seed})`
      : `${name} not reached`;
  });
  return parts.length === 0 ? '' : `${variant.name}: ${parts.join(', ')}`;
}

function unexpected(tally: Tally, style: Style): string[] {
  if (behaved(tally) || tally.variant.expect !== 'clean') return [];
  return tally.firsts.flatMap(({ plan, seed, result }) => {
    const [finding] = result.findings;
    if (!finding) return [];
    const text = findingText(explain(finding, plan.platform, result.unfinished, result.processors), style);
    return ['', `${tally.variant.name}, seed ${seed}:`, ...text];
  });
}
