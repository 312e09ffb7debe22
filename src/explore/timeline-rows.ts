/** From what each event of a run means to the rows of a table: as few as tell it. */
import { EVENT } from '../machine/events.ts';
import type { Told } from './event-words.ts';
import { cpuList } from './number-words.ts';
import { type Place, placeText, tellingPlace } from './source-places.ts';

/** What a row has to do with the copy that was used though it was stale; `stuck`: what a CPU waits for. */
export type Mark = 'made' | 'changed' | 'promised' | 'used' | 'stuck';

/** An event of a step, before rows are made. */
export interface Item {
  /** From 1; 0: before the run. */
  readonly step: number;
  readonly column: number;
  readonly told: Told;
  readonly places: readonly Place[];
  /** The hardware's part that acts, and for which CPU. */
  readonly actor?: { readonly name: string; readonly cpu: number };
  readonly delayed: boolean;
  preemption: boolean;
  mark?: Mark;
}

export interface TimelineRow {
  /** Steps, from 1; 0: before the run. */
  readonly first: number;
  readonly last: number;
  /** Index into the columns. */
  readonly column: number;
  /** Hardware: who acts, such as `write buffer of CPU 0`. */
  readonly actor?: string;
  /** What was done, in words. */
  readonly lines: readonly string[];
  /** Where in the program: `tlb-flush.ts:88 range`. */
  readonly where?: string;
  /** The line of the CPU's own program, if that is another one. */
  readonly from?: string;
  /** Names of the functions that the CPU was in, the outermost first. */
  readonly calls: readonly string[];
  /** After this the CPU was taken off although it could have gone on. */
  readonly preemption: boolean;
  /** The hardware could have done this earlier. */
  readonly delayed: boolean;
  readonly mark?: Mark;
}

interface Draft extends Omit<Item, 'step' | 'told'> {
  readonly first: number;
  last: number;
  readonly key: string;
  readonly lines: string[];
  readonly cpus: number[];
}

/** @param hardware its column */
export function rowsOf(items: readonly Item[], hardware: number): TimelineRow[] {
  const drafts: Draft[] = [];
  const speaking = new Set(items.filter(({ told }) => told.text !== '').map(({ step }) => step));
  /** The first of a CPU's steps that nothing is said of, before one that something is. */
  let quiet: Item | undefined;
  for (const item of items) {
    const { step, column, told, mark } = item;
    const current = drafts[drafts.length - 1];
    if (told.text === '') {
      if (item.preemption) {
        const own = drafts.findLast((draft) => draft.column === column);
        if (own) own.preemption = true;
      }
      if (speaking.has(step)) continue;
      if (current?.column === column && current.first > 0) current.last = step;
      else if (quiet?.column !== column) quiet = item;
      continue;
    }
    const key = keyOf(item, current);
    if (current && goesOn(current, item, key)) {
      add(current, item);
      continue;
    }
    const first = quiet?.column === column && quiet.step > (current?.last ?? 0) ? quiet.step : step;
    quiet = undefined;
    const { places, actor, delayed, preemption } = item;
    const cpus = actor ? [actor.cpu] : [];
    const draft: Draft = { first, last: step, column, key, lines: [], cpus, places, delayed, preemption };
    drafts.push({ ...draft, ...(actor && { actor }), ...(mark && { mark }) });
    drafts[drafts.length - 1].lines.push(told.text);
  }
  return drafts.map((draft) => rowOf(draft, hardware));
}

/** Items with the same key belong together. */
function keyOf({ places, actor }: Item, current: Draft | undefined): string {
  if (actor) return actor.name;
  const place = tellingPlace(places);
  return place ? placeKey(place) : (current?.key ?? '');
}

const placeKey = ({ file, line, name }: Place) => `${file}:${line} ${name}`;

function goesOn(current: Draft, item: Item, key: string): boolean {
  if (current.column !== item.column || current.preemption) return false;
  if (current.first === 0 || item.step === 0) return current.first === item.step;
  const isSameStep = current.first === item.step;
  if (item.told.kind === EVENT.FINDING && current.last === item.step) return true;
  if (current.key !== key) return false;
  // The same done to several CPUs is said once; what one of them did by itself in a step is one thing.
  if (item.actor && !isSameStep && (current.mark ?? item.mark ?? '') !== '') return false;
  if (item.actor && !isSameStep) return current.lines.length === 1 && current.lines[0] === item.told.text;
  return item.mark === undefined || item.mark === current.mark || (isSameStep && current.mark === undefined);
}

function add(current: Draft, { step, told, actor, preemption, mark }: Item): void {
  current.last = step;
  current.preemption ||= preemption;
  if (mark) current.mark = mark;
  if (actor && !current.cpus.includes(actor.cpu)) current.cpus.push(actor.cpu);
  else current.lines.push(told.text);
}

function rowOf(draft: Draft, hardware: number): TimelineRow {
  const { first, last, column, places, actor, cpus, preemption, delayed, mark } = draft;
  const where = column === hardware ? undefined : tellingPlace(places);
  const outer = column === hardware ? undefined : places[places.length - 1];
  const from = where && outer && outer !== where && outer.file !== where.file ? placeText(outer) : undefined;
  return {
    first,
    last,
    column,
    ...(actor && { actor: `${actor.name} ${cpuList(cpus)}` }),
    lines: condensed(draft.lines),
    ...(where && { where: placeText(where) }),
    ...(from !== undefined && { from }),
    calls: column === hardware ? [] : places.map(({ name }) => name).reverse(),
    preemption,
    delayed,
    ...(mark && { mark }),
  };
}

/** The same thing several times is said once. */
function condensed(lines: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
  // How often a CPU looked before it could go on says nothing.
  return [...counts].map(([line, count]) =>
    count > 1 && !line.startsWith('waits') ? `${line} (${count} times)` : line,
  );
}
