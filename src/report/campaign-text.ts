/** A campaign as text for a terminal. */
import type { CellState } from '../campaign/summary.ts';
import { type CampaignResults, kindsText, whyText } from './campaign-rows.ts';
import { labelled, paint, pasted, plural, type Style, table, thousands } from './text.ts';

const COLOURS = {
  expected: 'green',
  unexpected: 'red',
  error: 'red',
  bound: 'yellow',
  unfinished: 'dim',
} as const;
/** Cells that are not as they should be are told of one by one; so many at most. */
const MOST_TOLD = 20;

export function campaignText({ summary, shown }: CampaignResults, style: Style): string {
  const { cells, header } = summary;
  const rows = cells.map((each) => [
    each.cell.name,
    each.isDone ? thousands(each.done) : `${thousands(each.done)}/${thousands(each.cell.units)}`,
    thousands(each.runs),
    kindsText(each) || '-',
    each.state,
  ]);
  const columns = [
    { title: 'cell', align: 'left' },
    { title: 'done', align: 'right' },
    { title: 'runs', align: 'right' },
    { title: 'found', align: 'left' },
    { title: 'as it must be', align: 'left' },
  ] as const;
  const [head, ...body] = table(columns, rows);
  const lines = [paint(style, 'bold', head)];
  for (const [i, line] of body.entries()) {
    const { state } = cells[i];
    lines.push(state === 'expected' ? line : paint(style, COLOURS[state], line));
  }
  const wrong = cells.filter(({ state }) => state !== 'expected' && state !== 'unfinished');
  for (const each of wrong.slice(0, MOST_TOLD)) {
    lines.push('', `${each.cell.name}: ${each.state}`, ...labelled('why', whyText(each)));
    const line = shown.get(each.cell.name);
    if (line !== undefined) lines.push(pasted('repeat', line));
  }
  if (wrong.length > MOST_TOLD) {
    lines.push('', `and ${plural(wrong.length - MOST_TOLD, 'more cell')}: see flushlab campaign report`);
  }
  if (header.skipped.length > 0) {
    lines.push('', `left out: ${plural(header.skipped.length, 'combination')} that cannot run`);
  }
  return lines.join('\n');
}

const SAYS: Readonly<Record<CellState, string>> = {
  expected: 'everything as it must be',
  unexpected: 'not everything as it must be',
  error: 'a program failed',
  bound: 'a limit came before an answer',
  unfinished: 'nothing that must not be, so far',
};

/** One line: how far it is, and what came of it. */
export function campaignLine({ summary }: CampaignResults): string {
  const { header, done, found, state } = summary;
  const part = `${thousands(done)} of ${plural(header.units, 'part')} done`;
  return `${header.campaign.name}: ${part}, ${plural(found, 'run')} with a finding: ${SAYS[state]}`;
}
