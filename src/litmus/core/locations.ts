/** The locations of a test, numbered, and how the words of a state stand for the values of a test. */
import type { Cell, FaultAtom, LitmusTest, Proposition, Value } from '../ast.ts';
import { entryWithDefaults } from '../defaults.ts';
import {
  ENTRY_BIT,
  entryWord,
  kindOfWord,
  locationOfWord,
  offsetOfWord,
  othersOf,
  outputOf,
  PAGE_SHIFT,
  payloadOf,
  WORD,
  wordOf,
} from './words.ts';

interface Location {
  readonly name: string;
  /** Elements of an array, else 1. */
  readonly count: number;
  /** Bytes of an element. */
  readonly bytes: number;
  /** The first of its memory cells. */
  readonly cell: number;
}

export class Locations {
  readonly all: readonly Location[];
  readonly #numbers = new Map<string, number>();
  readonly #attributes: string[][] = [[]];

  constructor(test: LitmusTest) {
    const sizes = new Map(
      test.initial.flatMap(({ cell, elements, bytes }) =>
        cell.kind === 'memory'
          ? [[cell.location, { count: elements?.length ?? 1, bytes: bytes ?? 4 }] as const]
          : [],
      ),
    );
    const all: Location[] = [];
    let cell = 0;
    for (const name of namesOf(test)) {
      const { count, bytes } = sizes.get(name) ?? { count: 1, bytes: 4 };
      this.#numbers.set(name, all.length);
      all.push({ name, count, bytes: Math.max(1, bytes), cell });
      cell += count;
    }
    this.all = all;
  }

  /** Memory cells of all locations. */
  get cells(): number {
    return this.all.reduce((sum, { count }) => sum + count, 0);
  }

  numberOf(name: string): number {
    const known = this.#numbers.get(name);
    if (known === undefined) throw new Error(`no location '${name}'`);
    return known;
  }

  /** The cell of physical memory at an offset in bytes, -1 beyond its end. */
  cellAt(location: number, offset: number): number {
    const { count, bytes, cell } = this.all[location];
    const element = Math.floor(offset / bytes);
    return element >= 0 && element < count ? cell + element : -1;
  }

  /** The word of a value that is neither a label nor an instruction. */
  wordOf(value: Value, mapped?: string): number {
    switch (value.kind) {
      case 'number':
        return Number(BigInt.asIntN(32, value.value));
      case 'address':
        return wordOf(
          WORD.VIRTUAL,
          (this.numberOf(value.location) << PAGE_SHIFT) + Number(value.offset ?? 0n),
        );
      case 'physical':
        return wordOf(WORD.PHYSICAL, this.numberOf(value.location) << PAGE_SHIFT);
      case 'entry-address':
        return wordOf(WORD.ENTRY_ADDRESS, this.numberOf(value.location) << PAGE_SHIFT);
      case 'entry': {
        const entry = entryWithDefaults(value.fields, mapped);
        return entryWord(entry, this.numberOf(entry.oa), this.#attributesNumber(entry.others));
      }
      default:
        throw new Error(`a value of kind ${value.kind} has no location`);
    }
  }

  /** The value of a word that is neither a label nor an instruction. */
  valueOf(word: number): Value {
    const name = () => this.all[locationOfWord(word)].name;
    switch (kindOfWord(word)) {
      case WORD.VIRTUAL: {
        const offset = offsetOfWord(word);
        return { kind: 'address', location: name(), ...(offset === 0 ? {} : { offset: BigInt(offset) }) };
      }
      case WORD.PHYSICAL:
        return { kind: 'physical', location: name() };
      case WORD.ENTRY_ADDRESS:
        return { kind: 'entry-address', location: name() };
      case WORD.ENTRY: {
        const bit = (mask: number) => ((payloadOf(word) & mask) === 0 ? 0 : 1);
        const fields = {
          oa: this.all[outputOf(word)].name,
          valid: bit(ENTRY_BIT.VALID),
          af: bit(ENTRY_BIT.ACCESSED),
          db: bit(ENTRY_BIT.WRITABLE),
          dbm: bit(ENTRY_BIT.MANAGED),
          el0: bit(ENTRY_BIT.USER),
          others: this.#attributes[othersOf(word)],
        } as const;
        return { kind: 'entry', fields };
      }
      default:
        return { kind: 'number', value: BigInt(word) };
    }
  }

  #attributesNumber(others: readonly string[]): number {
    const sorted = [...others].sort();
    const key = sorted.join();
    const known = this.#attributes.findIndex((list) => list.join() === key);
    return known >= 0 ? known : this.#attributes.push(sorted) - 1;
  }
}

/** Every location that a test names; `''` is where an entry without an output address leads. */
function namesOf(test: LitmusTest): Set<string> {
  const names = new Set<string>(['']);
  const ofValue = (value: Value): void => {
    if (value.kind === 'address' || value.kind === 'physical' || value.kind === 'entry-address') {
      names.add(value.location);
    } else if (value.kind === 'entry' && value.fields.oa !== undefined) names.add(value.fields.oa);
  };
  const ofCell = (cell: Cell): void => {
    if (cell.kind !== 'register') names.add(cell.location);
  };
  const ofProposition = (part: Proposition): void => {
    if (part.kind === 'equals') {
      ofCell(part.cell);
      ofValue(part.value);
    } else if (part.kind === 'cells') {
      ofCell(part.cell);
      ofCell(part.other);
    } else if (part.kind === 'not') ofProposition(part.of);
    else if (part.kind === 'and' || part.kind === 'or' || part.kind === 'implies')
      part.of.forEach(ofProposition);
  };
  for (const { cell, value, elements } of test.initial) {
    ofCell(cell);
    ofValue(value);
    elements?.forEach(ofValue);
  }
  for (const { code } of test.threads) {
    for (const operand of code.flatMap(({ operands }) => operands)) {
      if (operand.kind === 'location') names.add(operand.name);
    }
  }
  const isCell = (item: Cell | FaultAtom): item is Cell => 'kind' in item;
  test.locations.filter(isCell).forEach(ofCell);
  ofProposition(test.condition.proposition);
  return names;
}
