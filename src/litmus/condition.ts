/** Whether a final state satisfies a condition, and what of it a condition looks at. */
import type { Cell, FaultAtom, Proposition, Value } from './ast.ts';
import type { DeclaredTypes } from './declared-types.ts';
import { entryWithDefaults } from './defaults.ts';
import type { Fault, FinalState } from './engine.ts';
import { valueText } from './notation.ts';

export function satisfies(proposition: Proposition, state: FinalState, types: DeclaredTypes): boolean {
  switch (proposition.kind) {
    case 'constant':
      return proposition.value;
    case 'equals':
      return sameValue(proposition.cell, state.read(proposition.cell), proposition.value, types);
    case 'cells': {
      const { cell, other } = proposition;
      return sameValue(cell, state.read(cell), state.read(other), types);
    }
    case 'fault':
      return state.faults.some((fault) => isMeant(proposition.fault, fault));
    case 'not':
      return !satisfies(proposition.of, state, types);
    case 'and':
      return proposition.of.every((part) => satisfies(part, state, types));
    case 'or':
      return proposition.of.some((part) => satisfies(part, state, types));
    case 'implies':
      return !satisfies(proposition.of[0], state, types) || satisfies(proposition.of[1], state, types);
  }
}

/** Values are equal if they are written alike, each as its cell has it. */
function sameValue(cell: Cell, one: Value, other: Value, types: DeclaredTypes): boolean {
  return one.kind === other.kind && shown(cell, one, types) === shown(cell, other, types);
}

/** A value in a cell: numbers narrowed, entries with what they leave out. */
export function shown(cell: Cell, value: Value, types: DeclaredTypes): string {
  if (value.kind === 'number') return String(types.narrow(cell, value.value));
  const mapped = cell.kind === 'entry' ? cell.location : undefined;
  if (value.kind !== 'entry') return valueText(value, mapped);
  const entry = entryWithDefaults(value.fields, mapped);
  return valueText({ kind: 'entry', fields: { ...entry, others: [...entry.others].sort() } });
}

/** Whether a fault is one that an atom asks for; `MMU:Permission` asks for those of data and of fetches. */
export function isMeant({ thread, label, location, type }: FaultAtom, fault: Fault): boolean {
  if (thread !== fault.thread) return false;
  if (label !== undefined && !fault.labels.includes(label)) return false;
  // A tag is not part of the name: `x:red`.
  if (location !== undefined && location !== fault.location?.replace(/:\w+$/, '')) return false;
  return type === undefined || isType(type, fault.type);
}

function isType(asked: string, type: string): boolean {
  return (
    type === asked || type.endsWith(`-${asked}`) || type.endsWith(`:${asked}`) || type.startsWith(`${asked}:`)
  );
}

/** What a proposition looks at, in the order in which it is written. */
export function lookedAt(proposition: Proposition): { cells: Cell[]; faults: FaultAtom[] } {
  const cells: Cell[] = [];
  const faults: FaultAtom[] = [];
  const visit = (part: Proposition): void => {
    if (part.kind === 'equals') cells.push(part.cell);
    else if (part.kind === 'cells') cells.push(part.cell, part.other);
    else if (part.kind === 'fault') faults.push(part.fault);
    else if (part.kind === 'not') visit(part.of);
    else if (part.kind !== 'constant') part.of.forEach(visit);
  };
  visit(proposition);
  return { cells, faults };
}
