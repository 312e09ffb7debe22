/**
 * Final states as herd7 prints them, so that sets of them compare as text (herdtools7,
 * `herd/archExtra_herd.ml`, `do_dump_final_state`). First the cells that the condition or `locations` name:
 * registers by thread and number, then memory, physical memory and table entries by name. Then the faults
 * that the test names and that were taken; then, as `~Fault(...)` and in descending order, those it names
 * and that were not.
 */
import type { Cell, FaultAtom, LitmusTest } from './ast.ts';
import { isMeant, lookedAt, shown } from './condition.ts';
import { DeclaredTypes } from './declared-types.ts';
import type { Fault, FinalState } from './engine.ts';
import { atomText, cellText, faultText } from './notation.ts';
import { compareRegisters } from './registers.ts';

/** What final states of a test show. */
export interface Observation {
  /** In the order of the text; each once. */
  readonly cells: readonly Cell[];
  /** Ascending; each once. */
  readonly faults: readonly FaultAtom[];
  readonly types: DeclaredTypes;
}

export function observationOf(test: LitmusTest): Observation {
  const named = lookedAt(test.condition.proposition);
  const cells = new Map<string, Cell>();
  const faults = new Map<string, FaultAtom>();
  for (const item of [...test.locations, ...named.cells, ...named.faults]) {
    if ('kind' in item) cells.set(cellText(item), item);
    else faults.set(atomText('Fault', item), item);
  }
  return {
    cells: [...cells.values()].sort(compareCells),
    faults: [...faults.values()].sort(compareAtoms),
    types: new DeclaredTypes(test),
  };
}

const KINDS = ['register', 'memory', 'physical', 'entry'];

function compareCells(one: Cell, other: Cell): number {
  if (one.kind === 'register' && other.kind === 'register') {
    return one.thread - other.thread || compareRegisters(one.name, other.name);
  }
  const element = (cell: Cell) => (cell.kind === 'memory' && cell.isElement === true ? 1 : 0);
  const name = (cell: Cell) => (cell.kind === 'register' ? '' : cell.location);
  const index = (cell: Cell) => (cell.kind === 'memory' ? cell.index : 0);
  return (
    element(one) - element(other) ||
    KINDS.indexOf(one.kind) - KINDS.indexOf(other.kind) ||
    compareText(name(one), name(other)) ||
    index(one) - index(other)
  );
}

/** What an atom leaves out comes first. */
function compareAtoms(one: FaultAtom, other: FaultAtom): number {
  return (
    one.thread - other.thread ||
    compareText(one.label ?? '', other.label ?? '') ||
    compareText(one.location ?? '', other.location ?? '') ||
    compareText(one.type ?? '', other.type ?? '')
  );
}

function compareText(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

/** One line; empty if the test looks at nothing. */
export function stateText(observation: Observation, state: FinalState): string {
  const { cells, faults } = observation;
  const values = cells.map((cell) => `${cellInState(observation, cell, state)};`).join(' ');
  const taken = takenFaults(faults, state.faults);
  const missing = faults.filter((atom) => !state.faults.some((fault) => isMeant(atom, fault))).reverse();
  if (taken.length + missing.length === 0) return values;
  const absent = missing.map((atom) => ` ~${atomText('Fault', atom)};`).join('');
  return `${values} ${taken.map((text) => `Fault(${text});`).join(' ')}${absent}`.trim();
}

function cellInState({ types }: Observation, cell: Cell, state: FinalState): string {
  const count = types.elementsOf(cell);
  if (count === undefined || cell.kind !== 'memory') {
    return `${cellText(cell)}=${shown(cell, state.read(cell), types)}`;
  }
  const elements = Array.from({ length: count }, (_, index) =>
    shown(cell, state.read({ ...cell, index }), types),
  );
  return `${cell.location}={${elements.join(',')}}`;
}

/** Faults that the test names, ascending, each once. One that is named by its type shows the type as named. */
function takenFaults(atoms: readonly FaultAtom[], faults: readonly Fault[]): string[] {
  const named = faults.flatMap((fault) => {
    const meant = atoms.filter((atom) => isMeant(atom, fault));
    if (meant.length === 0) return [];
    const type = meant.find((atom) => atom.type !== undefined)?.type ?? fault.type;
    return [{ ...fault, labels: [...fault.labels].sort(), type }];
  });
  named.sort(
    (one, other) =>
      one.thread - other.thread ||
      compareText(one.labels.join(','), other.labels.join(',')) ||
      compareText(one.location ?? '', other.location ?? '') ||
      compareText(one.type, other.type),
  );
  const texts = named.map(({ thread, labels, location, type, level }) =>
    faultText(thread, labels, location, type, level),
  );
  return [...new Set(texts)];
}

/**
 * The form in which states compare: white space is one space, and none at the ends. herd7 puts two spaces
 * before a first `~Fault`.
 */
export function normalisedState(text: string): string {
  return text.trim().replace(/\s+/g, ' ');
}
