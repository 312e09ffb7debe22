/** How a final state comes about: the steps of one run that ends in it. */
import type { LitmusTest } from '../ast.ts';
import type { FinalState, LitmusOptions } from '../engine.ts';
import { KIND } from '../isa/operation.ts';
import { cellText, valueText } from '../notation.ts';
import { Snapshot } from './explore.ts';
import { FAULT_NAMES } from './fault-table.ts';
import { versionedNext } from './fetch.ts';
import { versionCount, versionValue } from './history.ts';
import { FAULT, SLOT, THREAD } from './layout.ts';
import { forwardedValue, takeStep } from './perform.ts';
import { type LitmusProfile, neoverseLitmus } from './profile.ts';
import { Program } from './program.ts';
import { search, startOf } from './search.ts';
import { STEP, type Step } from './step-list.ts';
import { faultOfEntry, managedEntry, versionedEntry } from './translate.ts';
import { operationAt, slotAt } from './window.ts';

/** One step as a reader wants it. */
interface WitnessStep {
  readonly thread: number;
  /** Of the instruction, as it is written; empty for what no instruction asks for. */
  readonly instruction: string;
  /** `reads 1 from x`, `writes 1 to x for all to see`. */
  readonly what: string;
}

export interface Witness {
  readonly steps: readonly WitnessStep[];
  readonly state: FinalState;
}

/**
 * Looks for a run that ends in a wanted final state.
 * @returns undefined if there is none, or none within the limits
 * @throws LitmusError for what flushlab cannot run
 */
export function findWitness(
  test: LitmusTest,
  options: LitmusOptions,
  isWanted: (state: FinalState) => boolean,
  profile: LitmusProfile = neoverseLitmus,
): Witness | undefined {
  const program = new Program(test, profile);
  let found: Step[] | undefined;
  search(program, options, (words, path) => {
    if (isWanted(new Snapshot(program, words))) found = path();
    return found !== undefined;
  });
  return found && replay(program, found);
}

/** Takes steps from the start again and says what each does. */
function replay(program: Program, steps: readonly Step[]): Witness {
  const state = startOf(program);
  const told: WitnessStep[] = [];
  let faults = 0;
  for (const step of steps) {
    told.push(describe(program, state, step));
    takeStep(program, state, step.thread, step.index, step.kind, step.choice);
    const taken = program.faults.in(state);
    for (const { thread, type, location } of taken.slice(faults)) {
      const what = `takes an exception: ${type}${location === undefined ? '' : ` at ${location}`}`;
      told.push({ thread, instruction: '', what });
    }
    faults = taken.length;
  }
  return { steps: told, state: new Snapshot(program, state) };
}

/** What a step is about to do. */
function describe(program: Program, state: Int32Array, step: Step): WitnessStep {
  const { thread, index } = step;
  const instruction = index < 0 ? '' : operationAt(program, state, slotAt(program, thread, index)).text;
  return { thread, instruction, what: whatOf(program, state, step) };
}

function whatOf(program: Program, state: Int32Array, { thread, index, kind, choice }: Step): string {
  const slot = slotAt(program, thread, Math.max(0, index));
  const cell = cellName(program, state[slot + SLOT.CELL]);
  switch (kind) {
    case STEP.GUESS:
      if (operationAt(program, state, slot).kind !== KIND.COMPUTE) {
        return `is predicted to go on at ${positionName(program, choice)}`;
      }
      return `is predicted to take its ${choice === 1 ? 'first' : 'second'} operand`;
    case STEP.FETCH: {
      const versioned = versionedNext(program, state, thread);
      const word = textOf(program, versionValue(program.layout, state, versioned, choice));
      const pc = state[program.layout.thread(thread) + THREAD.FETCH];
      const source = isLast(program, state, versioned, choice) ? 'memory' : 'its instruction cache';
      return `fetches ${word} at ${positionName(program, pc)} from ${source}`;
    }
    case STEP.TRANSLATE: {
      const address = state[slot + SLOT.ADDRESS];
      const versioned = versionedEntry(program, address);
      const entry = versionValue(program.layout, state, versioned, choice);
      const source = isLast(program, state, versioned, choice) ? 'memory' : 'its TLB';
      const fault = faultText(program, state, thread, slot, entry);
      return `translates ${textOf(program, address)} by ${textOf(program, entry)} from ${source}${fault}`;
    }
    case STEP.LOAD:
      return `reads ${textOf(program, state[state[slot + SLOT.CELL]])} from ${cell}`;
    case STEP.FORWARD: {
      const source = slotAt(program, thread, choice);
      const value = textOf(program, forwardedValue(program, state, source));
      return `reads ${value} from ${cell}, which its own store has not written for others yet`;
    }
    case STEP.STORE:
      return `writes ${textOf(program, state[slot + SLOT.DATA])} to ${cell} for all to see`;
    case STEP.COMPLETE:
      return 'completes: nothing that was invalidated before it is in use any more';
    case STEP.UPDATE:
      return updateText(program, choice >= 0 ? choice : versionedEntry(program, state[slot + SLOT.ADDRESS]));
    case STEP.FAIL:
      return 'fails';
    default:
      return 'takes effect';
  }
}

function faultText(program: Program, state: Int32Array, thread: number, slot: number, entry: number): string {
  const isWrite = operationAt(program, state, slot).kind !== KIND.LOAD;
  const fault = faultOfEntry(
    managedEntry(program, thread, entry, isWrite),
    isWrite,
    program.features.isUser[thread],
  );
  return fault === FAULT.NONE ? '' : `: ${FAULT_NAMES[fault]}`;
}

function updateText(program: Program, versioned: number): string {
  return `hardware sets the access flag or dirty state of ${cellName(program, program.cellOf[versioned])}`;
}

function isLast(program: Program, state: Int32Array, versioned: number, version: number): boolean {
  return version === versionCount(program.layout, state, versioned) - 1;
}

function textOf(program: Program, word: number): string {
  return valueText(program.valueOf(word));
}

function positionName(program: Program, pc: number): string {
  const label = program.code.label(pc);
  return label === undefined ? `instruction ${pc}` : valueText(label);
}

function cellName(program: Program, cell: number): string {
  const pc = program.codeCells.indexOf(cell);
  if (pc >= 0) return positionName(program, pc);
  if (cell >= program.firstEntry) {
    return cellText({ kind: 'entry', location: program.locations.all[cell - program.firstEntry].name });
  }
  const location = program.locations.all.find((known) => cell < known.cell + known.count);
  return location === undefined ? '' : location.name;
}
