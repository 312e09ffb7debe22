/**
 * How cells, values, faults and conditions are written: in final states and in the `Condition` line, as
 * herd7 does (herdtools7: `herd/archExtra_herd.ml`, `lib/AArch64PteVal.ml`, `lib/fault.ml`,
 * `lib/constrGen.ml`).
 */
import type { Cell, Condition, EntryFields, FaultAtom, Proposition, Value } from './ast.ts';
import { DEFAULT_ENTRY, entryWithDefaults } from './defaults.ts';

/** `1:X0`, `[x]`, `t[1]`, `[PTE(x)]`, `[PA(x)]`. */
export function cellText(cell: Cell): string {
  switch (cell.kind) {
    case 'register':
      return `${cell.thread}:${cell.name}`;
    case 'memory':
      return cell.isElement === true ? `${cell.location}[${cell.index}]` : `[${cell.location}]`;
    case 'entry':
      return `[PTE(${cell.location})]`;
    case 'physical':
      return `[PA(${cell.location})]`;
  }
}

/** @param mapped the location whose entry the value is, if it stands in one */
export function valueText(value: Value, mapped?: string): string {
  switch (value.kind) {
    case 'number':
      return String(value.value);
    case 'address': {
      const tag = value.tag === undefined ? '' : `:${value.tag}`;
      return `${value.location}${tag}${value.offset ? `+${value.offset}` : ''}`;
    }
    case 'physical':
      return `PA(${value.location})`;
    case 'entry-address':
      return `PTE(${value.location})`;
    case 'entry':
      return entryText(value.fields, mapped);
    case 'label':
      return `label:"P${value.thread}:${value.label}"`;
    case 'instruction':
      return value.text === 'NOP' ? 'NOP' : `instr:"${value.text}"`;
  }
}

/** `(oa:PA(x), af:0, valid:0)`: what has its default is left out. */
function entryText(fields: EntryFields, mapped: string | undefined): string {
  const entry = entryWithDefaults(fields, mapped);
  const shown = [`oa:${entry.oa.startsWith('PTE(') ? entry.oa : `PA(${entry.oa})`}`];
  for (const name of ['af', 'db', 'dbm', 'valid', 'el0'] as const) {
    if (entry[name] !== DEFAULT_ENTRY[name]) shown.push(`${name}:${entry[name]}`);
  }
  return `(${[...shown, ...entry.others].join(', ')})`;
}

/** What stands between the parentheses of a fault. */
export function faultText(
  thread: number,
  labels: readonly string[],
  ...rest: (string | undefined)[]
): string {
  const suffix = labels.length === 0 ? '' : labels.length === 1 ? `:${labels[0]}` : `:{${labels.join(',')}}`;
  return [`P${thread}${suffix}`, ...rest.filter((part) => part !== undefined)].join(',');
}

export function atomText(name: 'fault' | 'Fault', { thread, label, location, type }: FaultAtom): string {
  return `${name}(${faultText(thread, label === undefined ? [] : [label], location, type)})`;
}

/** `exists (1:X0=1 /\ not (fault(P1:L0,x)))`. */
export function conditionText({ quantifier, proposition }: Condition): string {
  return `${quantifier === 'not exists' ? '~exists' : quantifier} (${propositionText(proposition, 'top')})`;
}

type Around = 'top' | 'and' | 'or' | 'implies';

/** @param around the connective it is a part of: that decides on parentheses */
function propositionText(proposition: Proposition, around: Around = 'top'): string {
  const within = (here: Around, text: string): string => {
    const isOpen = around === 'top' || around === here || (around === 'or' && here === 'and');
    return isOpen ? text : `(${text})`;
  };
  switch (proposition.kind) {
    case 'constant':
      return String(proposition.value);
    case 'equals': {
      const { cell, value } = proposition;
      return `${cellText(cell)}=${valueText(value, cell.kind === 'entry' ? cell.location : undefined)}`;
    }
    case 'cells':
      return `${cellText(proposition.cell)}=${cellText(proposition.other)}`;
    case 'fault':
      return atomText('fault', proposition.fault);
    case 'not':
      return `not (${propositionText(proposition.of)})`;
    case 'implies':
      return within('implies', proposition.of.map((part) => propositionText(part, 'implies')).join(' => '));
    default: {
      const join = proposition.kind === 'and' ? ' /\\ ' : ' \\/ ';
      const here = proposition.kind;
      return within(here, proposition.of.map((part) => propositionText(part, here)).join(join));
    }
  }
}
