/** The matrix of scenarios and platforms as JUnit XML and as Markdown. Nothing in it depends on the wall clock. */
import type { CellOutcome } from '../lab/matrix.ts';
import { type JUnitCase, junitXml, suitesOf } from './junit-xml.ts';
import { markdownTable, markdownText } from './markdown-table.ts';
import { expectText, matrixRows, platformsOf, summary } from './matrix-rows.ts';
import { plural } from './text.ts';

interface MatrixHead {
  readonly host: string;
  readonly seed: number;
  readonly runs: number;
}

/** A suite a scenario, a test a cell: passed if it is as the scenario says, skipped where the variant means nothing. */
export function matrixJunit(outcomes: readonly CellOutcome[], head: MatrixHead): string {
  const cases = outcomes.map((outcome) => {
    const { named, variant, on } = outcome.cell;
    const { name } = named.scenario;
    const className = `flushlab.matrix.${name}.${variant.name}`;
    return [
      name,
      { name: `${variant.name} on ${on.platform.name}`, className, ...resultOf(outcome) },
    ] as const;
  });
  return junitXml(suitesOf(cases, { ...head }));
}

/** Variants down, platforms across; what is not as expected has a ! and a line of its own. */
export function matrixMarkdown(outcomes: readonly CellOutcome[], head: MatrixHead): string {
  const platforms = platformsOf(outcomes);
  const columns = ['scenario', 'variant', ...platforms.map(({ platform }) => platform.name)].map((title) => ({
    ...{ title, align: 'left' as const },
  }));
  const rows = matrixRows(outcomes).map(({ scenario, variant, cells }) => [
    scenario,
    variant,
    ...platforms.map((on) => cellText(cells.get(on))),
  ]);
  const surprises = outcomes.filter(({ asExpected }) => !asExpected);
  return [
    '# Flush matrix',
    '',
    markdownText(
      `${summary(outcomes)} ${plural(head.runs, 'run')} a cell on ${head.host}, from seed ${head.seed}.`,
    ),
    '',
    ...markdownTable(columns, rows),
    ...(surprises.length > 0 ? ['', 'Not as expected (marked !):', ''] : []),
    ...surprises.map((outcome) => {
      const { named, variant, on } = outcome.cell;
      return `- ${markdownText(`${named.scenario.name}/${variant.name}/${on.platform.name}: ${whyNot(outcome)}`)}`;
    }),
  ].join('\n');
}

function cellText(outcome: CellOutcome | undefined): string {
  if (!outcome) return '';
  const { result, kinds, asExpected } = outcome;
  const text = result === 'found' ? kinds.join(', ') : result;
  return asExpected ? text : `! ${text}`;
}

function resultOf(outcome: CellOutcome): Partial<JUnitCase> {
  const { cell, result, kinds, runs, found, firstSeed, asExpected } = outcome;
  if (result === 'n/a') return { skipped: cell.reason };
  const text = [
    `${result} in ${found} of ${plural(runs, 'run')}`,
    ...(kinds.length > 0 ? [kinds.join(', ')] : []),
    ...(firstSeed === undefined ? [] : [`first with seed ${firstSeed}`]),
    cell.reason,
  ].join('\n');
  if (asExpected) return { output: text };
  const message = whyNot(outcome);
  if (result === 'error' || result === 'bound') return { error: { message, type: result, text } };
  return { failure: { message, type: kinds[0] ?? 'not-found', text } };
}

function whyNot({ cell, result, kinds, runs, error }: CellOutcome): string {
  const must = `must show ${expectText(cell.expect)}`;
  if (result === 'error') return `${must}, but a run failed: ${error ?? 'without a message'}`;
  if (result === 'bound') return `${must}, but a run reached a limit before an answer`;
  return `${must}, but: ${result === 'found' ? kinds.join(', ') : result} in ${plural(runs, 'run')}`;
}
