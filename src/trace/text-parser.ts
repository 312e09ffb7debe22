/**
 * What the line formats share: lines that lie across two chunks of the input, counting them, and the
 * complaint about one that is malformed. A format parses whole lines out of a buffer.
 */
import type { Records, TraceParser } from './records.ts';
import { TraceError } from './trace-error.ts';

const NEWLINE = 10;
/** No line of any format comes near; a binary file without newlines does. */
const MAX_LINE_BYTES = 4096;
const SHOWN_CHARACTERS = 60;

/** Value of a hexadecimal digit, by its character; 255 for any other character. */
export const HEX = new Uint8Array(256).fill(255);
for (const [value, digit] of [...'0123456789abcdef'].entries()) {
  HEX[digit.charCodeAt(0)] = value;
  HEX[digit.toUpperCase().charCodeAt(0)] = value;
}

export abstract class TextParser implements TraceParser {
  /** Number of the line that is parsed now, from 1. */
  protected line = 1;
  private readonly where: string;
  private readonly expected: string;
  private readonly carry = new Uint8Array(MAX_LINE_BYTES + 1);
  private carried = 0;

  /**
   * @param where file name, to start errors with
   * @param expected what a line looks like, to end them with
   */
  constructor(where: string, expected: string) {
    this.where = where;
    this.expected = expected;
  }

  /**
   * Parses whole lines: `bytes[to - 1]` is a newline. Stops early when `records` are full.
   * @returns the offset of the first line not parsed
   */
  protected abstract lines(bytes: Uint8Array, from: number, to: number, records: Records): number;

  parse(bytes: Uint8Array, from: number, records: Records): number {
    let at = from;
    if (this.carried > 0) {
      const newline = bytes.indexOf(NEWLINE, at);
      const end = newline < 0 ? bytes.length : newline + 1;
      if (newline >= 0 && records.isFull) return at;
      this.append(bytes, at, end);
      at = end;
      if (newline < 0) return at;
      const length = this.carried;
      this.carried = 0;
      this.lines(this.carry, 0, length, records);
    }
    const last = bytes.lastIndexOf(NEWLINE);
    if (last >= at) {
      at = this.lines(bytes, at, last + 1, records);
      if (at <= last) return at;
    }
    this.append(bytes, at, bytes.length);
    return bytes.length;
  }

  end(records: Records): void {
    if (this.carried === 0) return;
    this.carry[this.carried] = NEWLINE;
    const length = this.carried + 1;
    this.carried = 0;
    this.lines(this.carry, 0, length, records);
  }

  private append(bytes: Uint8Array, from: number, to: number): void {
    if (this.carried + to - from > MAX_LINE_BYTES) {
      throw new TraceError(
        `${this.where}:${this.line}: a line longer than ${MAX_LINE_BYTES} bytes: ${this.expected}`,
      );
    }
    this.carry.set(bytes.subarray(from, to), this.carried);
    this.carried += to - from;
  }

  /** The line that starts at `from`, without its end. */
  protected textOf(bytes: Uint8Array, from: number): string {
    const text = Buffer.from(bytes.subarray(from, bytes.indexOf(NEWLINE, from))).toString('latin1');
    return text.endsWith('\r') ? text.slice(0, -1) : text;
  }

  protected malformed(text: string): TraceError {
    const shown = text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}...` : text;
    return new TraceError(
      `${this.where}:${this.line}: malformed line ${JSON.stringify(shown)}: ${this.expected}`,
    );
  }
}
