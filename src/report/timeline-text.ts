/** A run as a table for a terminal: time goes down, a column for each CPU and one for the hardware. */
import type { Standing, Timeline, TimelineRow } from '../explore/timeline.ts';
import { labelled, paint, type Style, wrap } from './text.ts';

/** Widths that a table is made for, whatever the terminal says. */
const NARROWEST = 80;
const WIDEST = 140;
/** A column that is narrower than this cannot be read: then everything goes into one. */
const LEAST_COLUMN = 22;
const GAP = '  ';

const MEANINGS = {
  made: 'a TLB or a cache gets the copy',
  changed: 'what it is a copy of changes, so it is stale',
  promised: 'the kernel relies on it: nobody has the copy any more',
  used: 'an access uses it all the same',
  stuck: 'waits for ever',
} as const;

/** @param width of the terminal, in columns */
export function timelineText(timeline: Timeline, style: Style, width = 100): string {
  const { rows, columns } = timeline;
  const room = Math.min(WIDEST, Math.max(NARROWEST, width));
  const used = columns.map((_, i) => i).filter((i) => rows.some(({ column }) => column === i));
  const head = ['steps', ...rows.map(stepsOf)];
  const margin = Math.max(...head.map((text) => text.length)) + GAP.length;
  const marked = rows.some(({ mark }) => mark !== undefined) ? 'promised'.length + GAP.length : 0;
  const each = Math.floor((room - margin - marked) / Math.max(1, used.length)) - GAP.length;
  const isList = each < LEAST_COLUMN;
  const page: Page = {
    style,
    margin,
    marked,
    used,
    each: isList ? room - margin - marked : each,
    isList,
    columns,
  };
  return [
    ...titles(page),
    ...rows.flatMap((row) => rowText(page, row)),
    ...standingText(timeline, style, room),
    ...legend(rows, style),
  ].join('\n');
}

interface Page {
  readonly style: Style;
  /** Widths of the steps and of the marks, with the gaps behind them. */
  readonly margin: number;
  readonly marked: number;
  /** Columns that something happens in, and their width. */
  readonly used: readonly number[];
  readonly each: number;
  readonly isList: boolean;
  readonly columns: readonly string[];
}

function titles({ style, margin, marked, used, each, isList, columns }: Page): string[] {
  const names = isList ? ['what happens'] : used.map((i) => columns[i]);
  const cell = (text: string) => text.padEnd(each);
  const line = 'steps'.padEnd(margin) + ' '.repeat(marked) + names.map(cell).join(GAP);
  const rule = '-'.repeat(margin + marked - GAP.length) + GAP + names.map(() => '-'.repeat(each)).join(GAP);
  return [paint(style, 'bold', line.trimEnd()), paint(style, 'dim', rule)];
}

function stepsOf({ first, last }: TimelineRow): string {
  if (first === 0) return 'before';
  return first === last ? String(first) : `${first}-${last}`;
}

/** A line of a cell, with how it is painted. */
interface Line {
  readonly text: string;
  readonly colour?: 'bold' | 'dim' | 'red' | 'yellow';
}

function rowText(page: Page, row: TimelineRow): string[] {
  const { style, margin, marked, used, each, isList } = page;
  const lines = cellOf(page, row);
  const at = isList ? 0 : used.indexOf(row.column);
  const before = ' '.repeat(at * (each + GAP.length));
  return lines.map(({ text, colour }, i) => {
    const steps = (i === 0 ? stepsOf(row) : '').padEnd(margin);
    const mark = (i === 0 && marked > 0 ? (row.mark ?? '') : '').padEnd(marked);
    const painted =
      row.mark && i === 0
        ? paint(style, row.mark === 'used' || row.mark === 'stuck' ? 'red' : 'yellow', mark)
        : mark;
    return (steps + painted + before + (colour ? paint(style, colour, text) : text)).trimEnd();
  });
}

function cellOf({ each, isList, columns }: Page, row: TimelineRow): Line[] {
  const { actor, lines, where, preemption, delayed, mark, column } = row;
  const colour = mark === 'used' || mark === 'stuck' ? 'red' : mark ? 'yellow' : undefined;
  const subject = actor ? `${actor}${delayed ? ', late' : ''}: ` : isList ? `${columns[column]}: ` : '';
  const said = lines.flatMap((line, i) => wrap((i === 0 ? subject : '') + line, '', '  ', each));
  return [
    ...said.map((text): Line => (colour ? { text, colour } : { text })),
    ...wrap(where ?? '', '  ', '    ', each).flatMap((text) =>
      where ? [{ text, colour: 'dim' } as const] : [],
    ),
    ...(preemption ? [{ text: '-- preempted --', colour: 'bold' } as const] : []),
  ];
}

function standingText({ standing, rows, columns }: Timeline, style: Style, width: number): string[] {
  const used = rows.find(({ mark }) => mark === 'used');
  const lines = standing
    .filter(({ cpu }) => cpu !== used?.column)
    .map((each) => standsAt(each, columns[each.cpu]))
    .flatMap((text) => (text === '' ? [] : wrap(text, '  ', '    ', width)));
  if (rows.some(({ mark }) => mark === 'stuck') || lines.length === 0) return [];
  return ['', paint(style, 'bold', 'meanwhile'), ...lines];
}

function standsAt({ hasBegun, where, waitingFor, calls }: Standing, name: string): string {
  if (!hasBegun) return `${name} has not begun`;
  if (waitingFor !== '') return `${name} waits for ${waitingFor}`;
  if (where === undefined) return '';
  return `${name} is still at ${where}${calls.length > 1 ? ` (${calls.join(' > ')})` : ''}`;
}

function legend(rows: readonly TimelineRow[], style: Style): string[] {
  const marks = [...new Set(rows.map(({ mark }) => mark))].filter((mark) => mark !== undefined);
  const inOrder = Object.keys(MEANINGS).filter((mark) =>
    (marks as string[]).includes(mark),
  ) as (keyof typeof MEANINGS)[];
  if (inOrder.length === 0) return [];
  return [
    '',
    ...inOrder.flatMap((mark) => labelled(mark, MEANINGS[mark])).map((line) => paint(style, 'dim', line)),
  ];
}
