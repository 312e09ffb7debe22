/** A test's text with its comments blanked, so that offsets still lead to lines and columns. */
import type { Place } from './ast.ts';
import { LitmusError } from './litmus-error.ts';

export class Source {
  readonly text: string;
  private readonly lineStarts: number[] = [0];

  /** @throws LitmusError for a comment that is not closed */
  constructor(raw: string) {
    for (let at = raw.indexOf('\n'); at >= 0; at = raw.indexOf('\n', at + 1)) this.lineStarts.push(at + 1);
    this.text = this.blankComments(raw.replace(/^\uFEFF/, ' '));
  }

  /** @param offset into `text` */
  placeAt(offset: number): Place {
    let low = 0;
    let high = this.lineStarts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.lineStarts[middle] <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - this.lineStarts[low] + 1 };
  }

  /** An error at an offset, for the caller to throw. */
  error(offset: number, what: string): LitmusError {
    return new LitmusError(this.placeAt(offset), what);
  }

  private blankComments(raw: string): string {
    // `//` is a comment only after the header, whose values may hold paths.
    const body = raw.search(/^[^"\n]*\{/m);
    const parts: string[] = [];
    const opening = /\(\*|\/\//g;
    let kept = 0;
    for (let found = opening.exec(raw); found !== null; found = opening.exec(raw)) {
      const start = found.index;
      let end: number;
      if (found[0] === '(*') end = this.commentEnd(raw, start);
      else if (body < 0 || start < body) continue;
      else end = raw.indexOf('\n', start) < 0 ? raw.length : raw.indexOf('\n', start);
      parts.push(raw.slice(kept, start), raw.slice(start, end).replace(/[^\n]/g, ' '));
      kept = end;
      opening.lastIndex = end;
    }
    return parts.join('') + raw.slice(kept);
  }

  private commentEnd(raw: string, start: number): number {
    const bracket = /\(\*|\*\)/g;
    bracket.lastIndex = start;
    let depth = 0;
    for (let found = bracket.exec(raw); found !== null; found = bracket.exec(raw)) {
      depth += found[0] === '(*' ? 1 : -1;
      if (depth === 0) return bracket.lastIndex;
    }
    throw this.error(start, "a comment is opened and never closed: end it with '*)'");
  }
}
