/** What the lines of a journal come to: for each cell what was found, and whether that is what must show. */
import { type FindingKind, kindNames } from '../checker/finding.ts';
import { isViolation } from '../explore/shard.ts';
import type { Header, HeaderCell } from './header.ts';
import { isStress, type UnitLine } from './line.ts';

/** A run that failed; the first one is that of the lowest unit, whichever was written first. */
interface First {
  readonly unit: number;
  readonly what: string;
  readonly seed?: number;
  /** Explorations: its schedule, as in the journal. */
  readonly choices?: string;
}

/**
 * unfinished: nothing that must not be, so far; unexpected: a finding that must not be, or all runs made and what
 * must show did not; bound: a limit came before an answer.
 */
export type CellState = 'expected' | 'unexpected' | 'bound' | 'error' | 'unfinished';

export class CellSummary {
  readonly cell: HeaderCell;
  /** Units that are done. */
  done = 0;
  runs = 0;
  found = 0;
  bound = 0;
  errors = 0;
  steps = 0;
  /** dpor: parts that were not searched to their end. */
  incomplete = 0;
  /** A search had been cut for programs that stay within the caches. */
  wentUncached = false;
  readonly kinds = new Map<string, number>();
  /** Runs that came to each state that the scenario declares reachable. */
  readonly reached = new Map<string, number>();
  first: First | undefined;
  firstError: First | undefined;

  constructor(cell: HeaderCell) {
    this.cell = cell;
  }

  add(line: UnitLine): void {
    this.done++;
    this.steps += line.steps;
    if (isStress(line)) {
      this.runs++;
      if (line.verdict === 'bound') this.bound++;
      else if (line.verdict === 'error') this.noteError(1, line.unit, line.error ?? '', line.seed);
      else if (line.verdict === 'found') {
        this.noteFound(line.kind ?? 'deadlock', 1, {
          unit: line.unit,
          what: line.kind ?? '',
          seed: line.seed,
        });
      }
      for (const name of line.reached ?? []) this.noteReached(name, 1);
      return;
    }
    this.runs += line.runs;
    if (line.complete === false) this.incomplete++;
    this.wentUncached ||= line.wentUncached === true;
    for (const { signature, count, seed, choices } of line.failures) {
      const from = { unit: line.unit, what: signature, ...(seed !== undefined && { seed }), choices };
      if (isViolation(signature)) this.noteFound(signature.replace(/^finding /, ''), count, from);
      else if (signature.startsWith('error')) this.noteError(count, line.unit, signature.slice(6), seed);
      else this.bound += count;
    }
    for (const [name, count] of Object.entries(line.reached ?? {})) this.noteReached(name, count);
  }

  private noteFound(kind: string, count: number, from: First): void {
    this.found += count;
    this.kinds.set(kind, (this.kinds.get(kind) ?? 0) + count);
    if (!this.first || from.unit < this.first.unit) this.first = from;
  }

  private noteError(count: number, unit: number, what: string, seed: number | undefined): void {
    this.errors += count;
    if (this.firstError && this.firstError.unit < unit) return;
    this.firstError = { unit, what, ...(seed !== undefined && { seed }) };
  }

  private noteReached(name: string, count: number): void {
    this.reached.set(name, (this.reached.get(name) ?? 0) + count);
  }

  get isDone(): boolean {
    return this.done === this.cell.units;
  }

  /** Kinds of findings in the order in which flushlab lists them. */
  get kindCounts(): [FindingKind, number][] {
    return kindNames.flatMap((kind) => {
      const count = this.kinds.get(kind);
      return count === undefined ? [] : [[kind, count]];
    });
  }

  get state(): CellState {
    const { expect } = this.cell;
    if (this.errors > 0) return 'error';
    const isQuestionable = this.bound > 0 || this.incomplete > 0;
    if (expect === 'clean') {
      if (this.found > 0) return 'unexpected';
      if (isQuestionable) return 'bound';
      return this.isDone ? 'expected' : 'unfinished';
    }
    if ([...this.kinds.keys()].some((kind) => !(expect as readonly string[]).includes(kind)))
      return 'unexpected';
    if (!this.isDone) return 'unfinished';
    if (this.found > 0) return 'expected';
    return isQuestionable ? 'bound' : 'unexpected';
  }
}

export class Summary {
  readonly header: Header;
  readonly cells: readonly CellSummary[];
  /** Units that are done. */
  done = 0;
  /** Runs with a finding. */
  found = 0;
  private readonly byName: ReadonlyMap<string, CellSummary>;

  constructor(header: Header) {
    this.header = header;
    this.cells = header.cells.map((cell) => new CellSummary(cell));
    this.byName = new Map(this.cells.map((each) => [each.cell.name, each]));
  }

  add(line: UnitLine): void {
    const cell = this.byName.get(line.cell);
    if (!cell) return;
    const before = cell.found;
    cell.add(line);
    this.done++;
    this.found += cell.found - before;
  }

  /** The state that counts most, of all cells. */
  get state(): CellState {
    const states = new Set(this.cells.map(({ state }) => state));
    const order: readonly CellState[] = ['error', 'unexpected', 'bound', 'unfinished'];
    return order.find((state) => states.has(state)) ?? 'expected';
  }
}
