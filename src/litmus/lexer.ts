/** Words of initial states and conditions, with what a parser needs to walk along them. */
import type { Place } from './ast.ts';
import type { LitmusError } from './litmus-error.ts';
import type { Source } from './source.ts';

export interface Token {
  readonly kind: 'name' | 'number' | 'instruction' | 'label' | 'sign' | 'end';
  /** Without quotes and, for a register, without `%`. */
  readonly text: string;
  readonly offset: number;
}

/** Numbers with a sign, names, quoted instructions and labels, and the signs, the longer first. */
const TOKEN =
  /(?<number>-?0[xX][0-9a-fA-F]+|-?\d+)|instr:"(?<instruction>[^"\n]+)"|label:"P?(?<label>\d+:[^"\n]+)"|%?(?<name>[A-Za-z_.$][\w.$]*)|(?<sign>\/\\|\\\/|=>|==|!=|<>|[-=()[\]{};:,&*+~])/y;

export class TokenStream {
  private readonly source: Source;
  private readonly tokens: Token[] = [];
  private at = 0;

  /**
   * The words between two offsets of a text.
   * @throws LitmusError for a character that begins no word
   */
  constructor(source: Source, start: number, end: number) {
    this.source = source;
    let offset = start;
    for (;;) {
      while (offset < end && /\s/.test(source.text[offset])) offset++;
      if (offset >= end) break;
      TOKEN.lastIndex = offset;
      const groups = TOKEN.exec(source.text)?.groups;
      if (groups === undefined) {
        throw source.error(offset, `'${source.text[offset]}' has no meaning here: remove it`);
      }
      for (const kind of ['number', 'instruction', 'label', 'name', 'sign'] as const) {
        if (groups[kind] !== undefined) this.tokens.push({ kind, text: groups[kind], offset });
      }
      offset = TOKEN.lastIndex;
    }
    this.tokens.push({ kind: 'end', text: '', offset: end });
  }

  /** The token `ahead` of the next one. */
  peek(ahead = 0): Token {
    return this.tokens[Math.min(this.at + ahead, this.tokens.length - 1)];
  }

  next(): Token {
    const token = this.peek();
    if (token.kind !== 'end') this.at++;
    return token;
  }

  /** Whether one of these signs or names is `ahead`. */
  sees(texts: string | readonly string[], ahead = 0): boolean {
    const { kind, text } = this.peek(ahead);
    if (kind !== 'sign' && kind !== 'name') return false;
    return typeof texts === 'string' ? texts === text : texts.includes(text);
  }

  /** Takes the next token if it is this sign or name. */
  take(text: string): boolean {
    if (!this.sees(text)) return false;
    this.next();
    return true;
  }

  /** @throws LitmusError if the next token is another */
  expect(text: string, where: string): Token {
    if (!this.sees(text))
      throw this.error(`'${text}' was expected ${where}, but ${this.found()} stands here`);
    return this.next();
  }

  /** @throws LitmusError if the next token is of another kind */
  expectKind(kind: Token['kind'], what: string): Token {
    if (this.peek().kind !== kind) throw this.error(`${what} was expected, but ${this.found()} stands here`);
    return this.next();
  }

  place(): Place {
    return this.source.placeAt(this.peek().offset);
  }

  /** An error at the next token, for the caller to throw. */
  error(what: string): LitmusError {
    return this.source.error(this.peek().offset, what);
  }

  /** The next token in words. */
  found(): string {
    const { kind, text } = this.peek();
    return kind === 'end' ? 'the end' : `'${text}'`;
  }
}
