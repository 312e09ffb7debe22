/** What ends a test: `locations [x;]`, `filter ...`, and `exists`, `~exists` or `forall` with a proposition. */
import type { Architecture, Cell, Condition, FaultAtom, Proposition, Thread } from './ast.ts';
import { checkLabel, checkThread } from './check-references.ts';
import type { TokenStream } from './lexer.ts';
import { parseCell, parseValue, seesRegister } from './parse-value.ts';

export interface Ending {
  readonly locations: readonly (Cell | FaultAtom)[];
  readonly filter?: Proposition;
  readonly condition: Condition;
}

/** Words of a fault's type that may stand where a location may (`lib/faultType.ml`). */
const FAULT_TYPE =
  /^(MMU|[DI]-MMU|Translation|AccessFlag|Permission|TagCheck|PacCheck|UndefinedInstruction)$/;
/** Parentheses and negations of one proposition; a machine that nests more is not a test. */
const MAX_DEPTH = 500;

/**
 * @param threads those that it may name
 * @throws LitmusError
 */
export function parseEnding(
  tokens: TokenStream,
  architecture: Architecture,
  threads: readonly Thread[],
): Ending {
  const parser = new ConditionParser(tokens, architecture, threads);
  const locations = parser.locations();
  const filter = tokens.take('filter') ? parser.proposition() : undefined;
  const condition = parser.condition();
  tokens.take(';');
  if (tokens.peek().kind !== 'end') {
    throw tokens.error(`${tokens.found()} stands after the condition: join parts with '/\\' or '\\/'`);
  }
  return { locations, condition, ...(filter === undefined ? {} : { filter }) };
}

class ConditionParser {
  private readonly tokens: TokenStream;
  private readonly architecture: Architecture;
  private readonly threads: readonly Thread[];
  private depth = 0;

  constructor(tokens: TokenStream, architecture: Architecture, threads: readonly Thread[]) {
    this.tokens = tokens;
    this.architecture = architecture;
    this.threads = threads;
  }

  locations(): (Cell | FaultAtom)[] {
    const { tokens } = this;
    const items: (Cell | FaultAtom)[] = [];
    if (!tokens.take('locations')) return items;
    tokens.expect('[', "after 'locations'");
    while (!tokens.take(']')) {
      items.push(this.seesFault() ? this.fault() : this.cell());
      // A type may follow, which final states do not show.
      while (tokens.sees('*') || (tokens.peek().kind === 'name' && !seesRegister(tokens))) tokens.next();
      if (!tokens.sees(']')) tokens.expect(';', "after an item of 'locations'");
    }
    tokens.take(';');
    return items;
  }

  condition(): Condition {
    const { tokens } = this;
    if (tokens.peek().kind === 'end') {
      return { quantifier: 'forall', proposition: { kind: 'constant', value: true } };
    }
    if (tokens.take('forall')) return { quantifier: 'forall', proposition: this.proposition() };
    if (tokens.take('exists') || tokens.take('final') || tokens.sees('(')) {
      return { quantifier: 'exists', proposition: this.proposition() };
    }
    if ((tokens.take('~') || tokens.take('not')) && tokens.take('exists')) {
      return { quantifier: 'not exists', proposition: this.proposition() };
    }
    throw tokens.error(`a condition begins with exists, ~exists or forall, not with ${tokens.found()}`);
  }

  /** `\/` binds least, then `/\`, then `=>`, then `~` (`lib/stateParser.mly`). */
  proposition(): Proposition {
    this.depth++;
    if (this.depth > MAX_DEPTH) throw this.tokens.error(`more than ${MAX_DEPTH} parentheses in one another`);
    const parts = [this.conjunction()];
    while (this.tokens.take('\\/')) parts.push(this.conjunction());
    this.depth--;
    return parts.length === 1 ? parts[0] : { kind: 'or', of: parts };
  }

  private conjunction(): Proposition {
    const parts = [this.implication()];
    while (this.tokens.take('/\\')) parts.push(this.implication());
    return parts.length === 1 ? parts[0] : { kind: 'and', of: parts };
  }

  private implication(): Proposition {
    const parts = [this.unary()];
    while (this.tokens.take('=>')) parts.push(this.unary());
    return parts.reduceRight((right, left) => ({ kind: 'implies', of: [left, right] }));
  }

  private unary(): Proposition {
    const { tokens } = this;
    let negations = 0;
    while (tokens.take('~') || tokens.take('not')) negations++;
    let proposition = this.primary();
    if (negations > MAX_DEPTH) throw tokens.error(`more than ${MAX_DEPTH} negations in a row`);
    for (; negations > 0; negations--) proposition = { kind: 'not', of: proposition };
    return proposition;
  }

  private primary(): Proposition {
    const { tokens } = this;
    if (tokens.take('true')) return { kind: 'constant', value: true };
    if (tokens.take('false')) return { kind: 'constant', value: false };
    if (this.seesFault()) return { kind: 'fault', fault: this.fault() };
    if (!tokens.take('(')) return this.atom();
    const proposition = this.proposition();
    tokens.expect(')', 'to close a parenthesis');
    return proposition;
  }

  private atom(): Proposition {
    const { tokens } = this;
    const cell = this.cell();
    const differs = tokens.take('!=') || tokens.take('<>');
    if (!differs && !tokens.take('==')) tokens.expect('=', 'between a cell and its value');
    const equality = this.rightSide(cell);
    return differs ? { kind: 'not', of: equality } : equality;
  }

  private rightSide(cell: Cell): Proposition {
    const { tokens } = this;
    if (seesRegister(tokens) || tokens.sees('[')) {
      return { kind: 'cells', cell, other: this.cell() };
    }
    if (tokens.take('*')) return { kind: 'cells', cell, other: this.cell() };
    if (!tokens.sees('{')) return { kind: 'equals', cell, value: parseValue(tokens) };
    if (cell.kind !== 'memory') throw tokens.error('only an array has elements');
    const of: Proposition[] = [];
    do {
      tokens.next();
      of.push({
        kind: 'equals',
        cell: { ...cell, index: of.length, isElement: true },
        value: parseValue(tokens),
      });
    } while (tokens.sees(','));
    tokens.expect('}', "after an array's elements");
    return { kind: 'and', of };
  }

  private cell(): Cell {
    const place = this.tokens.place();
    const cell = parseCell(this.tokens, this.architecture);
    if (cell.kind === 'register') checkThread(cell.thread, this.threads, place);
    return cell;
  }

  private seesFault(): boolean {
    return this.tokens.sees(['fault', 'Fault']) && this.tokens.sees('(', 1);
  }

  private fault(): FaultAtom {
    const { tokens } = this;
    tokens.next();
    tokens.next();
    const place = tokens.place();
    const thread = tokens.expectKind('name', "a thread such as 'P0'").text;
    if (!/^P\d+$/.test(thread)) throw tokens.error(`a fault names its thread as in 'P0', not '${thread}'`);
    const index = Number(thread.slice(1));
    checkThread(index, this.threads, place);
    const label = tokens.take(':') ? tokens.expectKind('name', 'a label').text : undefined;
    if (label !== undefined) checkLabel(label, this.threads[index], place);
    const location = tokens.sees(',') && !this.seesFaultType(1) ? this.faultLocation() : undefined;
    const type = tokens.take(',') ? this.faultType() : undefined;
    tokens.expect(')', 'after a fault');
    return {
      thread: index,
      ...(label === undefined ? {} : { label }),
      ...(location === undefined ? {} : { location }),
      ...(type === undefined ? {} : { type }),
    };
  }

  private seesFaultType(ahead: number): boolean {
    const first = this.tokens.peek(ahead).text;
    return FAULT_TYPE.test(first) || (/^[DI]$/.test(first) && this.tokens.sees('-', ahead + 1));
  }

  private faultLocation(): string | undefined {
    this.tokens.next();
    const cell = parseCell(this.tokens, this.architecture);
    if (cell.kind === 'entry') return `PTE(${cell.location})`;
    if (cell.kind !== 'memory') throw this.tokens.error('a fault names a location or its table entry');
    return cell.location;
  }

  /** `MMU:Permission`, `I-MMU:AccessFlag`, `UndefinedInstruction`. */
  private faultType(): string {
    const { tokens } = this;
    let type = tokens.expectKind('name', "a fault's type such as 'MMU:Translation'").text;
    while (tokens.sees(['-', ':'])) {
      type += tokens.next().text;
      type += tokens.expectKind('name', "the rest of a fault's type").text;
    }
    return type;
  }
}
