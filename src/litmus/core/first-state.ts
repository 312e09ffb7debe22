/** The state in which a test begins. */
import type { Cell, LitmusTest, Value } from '../ast.ts';
import { type Registers, ZERO_REGISTER } from '../isa/registers.ts';
import type { Code } from './code.ts';
import { addVersion } from './history.ts';
import { type Layout, THREAD } from './layout.ts';
import type { Locations } from './locations.ts';
import type { LitmusProfile } from './profile.ts';
import { isCacheable, WORD, wordOf } from './words.ts';

/** What has to be known of a program before it has a first state. */
interface Unstarted {
  readonly test: LitmusTest;
  readonly profile: LitmusProfile;
  readonly registers: Registers;
  readonly locations: Locations;
  readonly code: Code;
  readonly layout: Layout;
  readonly firstEntry: number;
  readonly codeCells: readonly number[];
  readonly cellOf: readonly number[];
  isCode(versioned: number): boolean;
  wordOf(value: Value, mapped?: string): number;
  cell(cell: Exclude<Cell, { kind: 'register' }>): number;
}

export function firstState(program: Unstarted): Int32Array {
  const state = new Int32Array(program.layout.words);
  fillMemory(program, state);
  fillRegisters(program, state);
  for (const { cell, value, elements } of program.test.initial) {
    if (cell.kind === 'register') continue;
    const mapped = cell.kind === 'entry' ? cell.location : undefined;
    for (const [index, element] of (elements ?? [value]).entries()) {
      state[program.cell(cell) + index] = program.wordOf(element, mapped);
    }
  }
  fillCaches(program, state);
  return state;
}

/** Table entries map their location; code is as it is written; all else is 0. */
function fillMemory(program: Unstarted, state: Int32Array): void {
  for (const [location, { name }] of program.locations.all.entries()) {
    const entry = { kind: 'entry', fields: { oa: name, others: [] } } as const;
    state[program.firstEntry + location] = program.locations.wordOf(entry, name);
  }
  for (const [pc, cell] of program.codeCells.entries()) {
    if (cell >= 0) state[cell] = wordOf(WORD.INSTRUCTION, program.code.initial[pc]);
  }
}

function fillRegisters(program: Unstarted, state: Int32Array): void {
  const { layout, registers, test } = program;
  for (const { index } of test.threads) {
    const base = layout.thread(index);
    state[base + THREAD.FETCH] = program.code.entries[index];
    for (const [register, value] of registers.constants) {
      state[base + layout.registerFile + register] = program.wordOf(value);
    }
  }
  for (const { cell, value } of test.initial) {
    if (cell.kind !== 'register' || cell.thread >= layout.threads) continue;
    const register = registers.numberOf(cell.name);
    if (register === ZERO_REGISTER) continue;
    state[layout.thread(cell.thread) + layout.registerFile + register] = program.wordOf(value);
  }
}

/** Whatever caches may hold they hold: nobody has to use it. */
function fillCaches(program: Unstarted, state: Int32Array): void {
  const { layout, profile } = program;
  for (const [versioned, cell] of program.cellOf.entries()) {
    addVersion(layout, state, versioned, state[cell]);
    const mayBeCached = profile.cachedTranslations && profile.speculativeWalks && isCacheable(state[cell]);
    const isCached = program.isCode(versioned) ? profile.instructionCaches : mayBeCached;
    for (let thread = 0; thread < layout.threads; thread++) {
      state[layout.thread(thread) + layout.cached + versioned] = isCached ? 1 : 0;
    }
  }
}
