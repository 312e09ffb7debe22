/** A test made ready to run: its code, its locations, the layout of its states, and the first of them. */
import type { Cell, Initial, LitmusTest, Value } from '../ast.ts';
import { entryWithDefaults } from '../defaults.ts';
import { observationOf } from '../final-state.ts';
import { KIND } from '../isa/operation.ts';
import { Registers } from '../isa/registers.ts';
import { LitmusError } from '../litmus-error.ts';
import { Code, labelWord } from './code.ts';
import { FAULT_NAMES, FaultTable } from './fault-table.ts';
import { type AfterFault, type Features, featuresOf } from './features.ts';
import { firstState } from './first-state.ts';
import { FAULT, FAULT_WORDS, Layout } from './layout.ts';
import { Locations } from './locations.ts';
import { BreakBeforeMake } from './misuse.ts';
import type { LitmusProfile } from './profile.ts';
import { kindOfWord, LARGEST_NUMBER, payloadOf, WORD } from './words.ts';

export class Program {
  readonly test: LitmusTest;
  readonly profile: LitmusProfile;
  readonly features: Features;
  readonly registers: Registers;
  readonly locations: Locations;
  readonly code: Code;
  readonly layout: Layout;
  /** The cell of the first location's table entry; those of the others follow. */
  readonly firstEntry: number;
  /** The cell of each code word that may change; -1 for the others. */
  readonly codeCells: readonly number[];
  /** Number of a cell among those with versions, -1 for the others; and the cell of such a number. */
  readonly versionedOf: Int32Array;
  readonly cellOf: readonly number[];
  /** Where an indirect branch whose target is not known yet may lead. */
  readonly guesses: readonly number[];
  /** Where an exception returns to, `ELR_EL1`; -1 if no thread asks. */
  readonly returnRegister: number;
  readonly faults: FaultTable;
  readonly misuse: BreakBeforeMake;
  readonly initial: Int32Array;
  /** Some run had to be given up: too many versions of a cell, or an access to no location. */
  isIncomplete = false;

  /** @throws LitmusError for what flushlab cannot run */
  constructor(test: LitmusTest, profile: LitmusProfile) {
    this.test = test;
    this.profile = profile;
    this.features = featuresOf(test);
    this.registers = new Registers(test.architecture);
    this.locations = new Locations(test);
    this.code = new Code(test, this.registers);
    for (const initial of test.initial) this.#check(initial);
    for (const { cell } of test.initial) if (cell.kind === 'register') this.registers.numberOf(cell.name);
    for (const cell of observationOf(test).cells) {
      if (cell.kind === 'register') this.registers.numberOf(cell.name);
    }
    const values = test.initial.flatMap(({ value, elements }) => elements ?? [value]);
    // Words are decoded before registers are counted: what is stored over code may use others.
    for (const value of values) this.wordOf(value);
    const labels = values.flatMap((value) =>
      value.kind === 'label' ? [payloadOf(this.wordOf(value)) >> 2] : [],
    );

    this.firstEntry = this.locations.cells;
    let cells = this.firstEntry + this.locations.all.length;
    const writable = this.#writableCode(labels);
    this.codeCells = this.code.initial.map((_, pc) => (writable.has(pc) ? cells++ : -1));
    const entries = [...this.#writableEntries(values)].map((location) => this.firstEntry + location);
    this.cellOf = [...entries, ...this.codeCells.filter((cell) => cell >= 0)];
    this.versionedOf = new Int32Array(cells).fill(-1);
    for (const [versioned, cell] of this.cellOf.entries()) this.versionedOf[cell] = versioned;
    this.returnRegister = this.registers.find('ELR_EL1');
    this.guesses = this.#branchTargets(labels);
    this.layout = new Layout(test.threads.length, this.registers.count, cells, this.cellOf.length);
    this.faults = new FaultTable(this.layout);
    this.initial = firstState(this);
    this.misuse = new BreakBeforeMake(this.layout, this.locations, this.initial);
  }

  get afterFault(): AfterFault {
    return this.features.afterFault;
  }

  /** Threads that run at EL0. */
  get user(): readonly boolean[] {
    return this.features.isUser;
  }

  get isDataCoherent(): boolean {
    return this.features.isDataCoherent;
  }

  get isFetchCoherent(): boolean {
    return this.features.isFetchCoherent;
  }

  /** Whether a versioned cell is a code word, not a table entry. */
  isCode(versioned: number): boolean {
    return this.cellOf[versioned] >= this.firstEntry + this.locations.all.length;
  }

  wordOf(value: Value, mapped?: string): number {
    if (value.kind === 'instruction') return this.code.wordOf(value.text);
    if (value.kind === 'label') return labelWord(this.code.positionOf(value.thread, value.label));
    return this.locations.wordOf(value, mapped);
  }

  valueOf(word: number): Value {
    const payload = payloadOf(word);
    switch (kindOfWord(word)) {
      case WORD.INSTRUCTION:
        return { kind: 'instruction', text: this.code.operation(payload).text };
      case WORD.LABEL:
        return this.code.label(payload >> 2) ?? { kind: 'number', value: BigInt(word) };
      default:
        return this.locations.valueOf(word);
    }
  }

  /** The memory cell of a cell of the test that is no register. */
  cell(cell: Exclude<Cell, { kind: 'register' }>): number {
    const location = this.locations.numberOf(cell.location);
    if (cell.kind === 'entry') return this.firstEntry + location;
    return this.locations.all[location].cell + (cell.kind === 'memory' ? cell.index : 0);
  }

  /** Where in a state the value of a cell is. */
  wordIndex(cell: Cell): number {
    if (cell.kind !== 'register') return this.cell(cell);
    return this.layout.thread(cell.thread) + this.layout.registerFile + this.registers.find(cell.name);
  }

  /** The words of a final state that the test looks at. */
  observedWords(): number[] {
    const words = observationOf(this.test).cells.flatMap((cell) => {
      const isArray = cell.kind === 'memory' && cell.isElement !== true;
      const count = isArray ? this.locations.all[this.locations.numberOf(cell.location)].count : 1;
      return Array.from({ length: count }, (_, index) => this.wordIndex(cell) + index);
    });
    for (let word = 0; word < FAULT_WORDS; word++) words.push(this.layout.faults + word);
    return words;
  }

  /** Records in a state that an instruction faulted. */
  noteFault(state: Int32Array, thread: number, pc: number, fault: number, address: number): void {
    const value = fault === FAULT.UNDEFINED ? undefined : this.valueOf(address);
    const isEntry = value?.kind === 'entry-address';
    const location = isEntry
      ? `PTE(${value.location})`
      : value?.kind === 'address'
        ? value.location
        : undefined;
    this.faults.note(state, pc, {
      thread,
      labels: this.code.labels[pc],
      ...(location === undefined ? {} : { location }),
      type: FAULT_NAMES[fault],
      ...(isEntry && this.features.isUser[thread] ? { level: 'EL0' } : {}),
    });
  }

  #check({ cell, value, place }: Initial): void {
    if (value.kind === 'number' && (value.value >= LARGEST_NUMBER || value.value <= -LARGEST_NUMBER)) {
      throw new LitmusError(place, `the number ${value.value} is too large: use one below 2^28`);
    }
    if (value.kind === 'label' && this.code.positionOf(value.thread, value.label) < 0) {
      throw new LitmusError(place, `P${value.thread} has no label '${value.label}'`);
    }
    if (cell.kind !== 'entry' || !/^P\d+:/.test(cell.location) || value.kind !== 'entry') return;
    const { valid, af, el0, others } = entryWithDefaults(value.fields, cell.location);
    if (valid && af && el0 && others.every((field) => field.endsWith(':1'))) return;
    throw new LitmusError(
      place,
      'faults of instruction fetches are not supported: let code be mapped and executable',
    );
  }

  /** Code words that a store may reach: those whose label is a value, not just the target of a branch. */
  #writableCode(labels: readonly number[]): Set<number> {
    const pcs = new Set(labels);
    const operations = this.code.initial.map((number) => this.code.operation(number));
    const bases = new Set(operations.map(({ base }) => base));
    for (const { kind, to, immediate } of operations) {
      if (kind !== KIND.COMPUTE || kindOfWord(immediate) !== WORD.LABEL) continue;
      if (bases.has(to)) pcs.add(payloadOf(immediate) >> 2);
    }
    return pcs;
  }

  /** Locations whose table entry may change: by a store to its address, or by hardware. */
  #writableEntries(values: readonly Value[]): Set<number> {
    const named = values.flatMap((value) => (value.kind === 'entry-address' ? [value.location] : []));
    const managed = this.features.managesAccess.includes(true)
      ? this.locations.all.map(({ name }) => name)
      : [];
    return new Set(
      [...named, ...managed].filter((name) => name !== '').map((name) => this.locations.numberOf(name)),
    );
  }

  #branchTargets(labels: readonly number[]): number[] {
    const pcs = new Set(labels);
    for (const [pc, number] of this.code.initial.entries()) {
      const { kind, to, immediate } = this.code.operation(number);
      if ((kind === KIND.JUMP || kind === KIND.INDIRECT) && to >= 0) pcs.add(pc + 1);
      if (kind === KIND.COMPUTE && kindOfWord(immediate) === WORD.LABEL) pcs.add(payloadOf(immediate) >> 2);
    }
    return [...pcs];
  }
}
