/**
 * DineroIV's `din`: a label and a hexadecimal address a line, the rest is comment; 0 or r reads, 1 or w
 * writes, 2 or i fetches. The extended form adds the size in hexadecimal as a third field (`xdin`).
 */
import { KIND_FETCH, KIND_LOAD, KIND_STORE, MAX_ACCESS_BYTES, type Records } from './records.ts';
import { TextParser } from './text-parser.ts';

/** The plain form names no size: Dinero takes a word. */
const DEFAULT_SIZE_BYTES = 4;
const RECORD = /^\s*([012rwi])\s+(?:0[xX])?([0-9a-fA-F]{1,16})(?:\s+(.*))?$/;
const SIZE = /^(?:0[xX])?([0-9a-fA-F]{1,4})(?:\s|$)/;
const KINDS: Readonly<Record<string, number>> = {
  0: KIND_LOAD,
  r: KIND_LOAD,
  1: KIND_STORE,
  w: KIND_STORE,
  2: KIND_FETCH,
  i: KIND_FETCH,
};

export class DinParser extends TextParser {
  private readonly extended: boolean;

  /** @param extended lines have the size as a third field */
  constructor(where: string, extended: boolean) {
    super(
      where,
      extended
        ? "expected label, address and size as in 'r 1000 4', labels r, w, i or 0, 1, 2"
        : "expected label and address as in '0 1000', labels 0 (read), 1 (write), 2 (fetch)",
    );
    this.extended = extended;
  }

  protected override lines(bytes: Uint8Array, from: number, to: number, records: Records): number {
    let at = from;
    while (at < to && !records.isFull) {
      this.record(this.textOf(bytes, at), records);
      at = bytes.indexOf(10, at) + 1;
      this.line++;
    }
    return at;
  }

  private record(text: string, records: Records): void {
    const match = RECORD.exec(text);
    if (!match) throw this.malformed(text);
    const [, label, digits, rest] = match;
    let size = DEFAULT_SIZE_BYTES;
    if (this.extended) {
      const found = SIZE.exec(rest ?? '');
      size = found ? Number.parseInt(found[1], 16) : 0;
      if (size < 1 || size > MAX_ACCESS_BYTES) throw this.malformed(text);
    }
    const high = digits.length > 8 ? Number.parseInt(digits.slice(0, -8), 16) : 0;
    records.add(KINDS[label], Number.parseInt(digits.slice(-8), 16), high, size);
  }
}
