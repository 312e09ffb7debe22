/**
 * What `valgrind --tool=lackey --trace-mem=yes` prints: `I  0401ab70,3`, ` L 1fff000d28,8`, ` S ...`,
 * ` M ...` (load, then store), the address in hexadecimal and the size in decimal. Lines of valgrind's own
 * (`==pid==`, `--pid--`, `**pid**`) are skipped.
 */

import {
  BATCH_RECORDS,
  KIND_FETCH,
  KIND_LOAD,
  KIND_MODIFY,
  KIND_STORE,
  MAX_ACCESS_BYTES,
  type Records,
} from './records.ts';
import { HEX, TextParser } from './text-parser.ts';

const COMMA = 44;
const NEWLINE = 10;
const SPACE = 32;
const LETTER_I = 73;
const MAX_ADDRESS_DIGITS = 16;
const VALGRIND = /^(==|--|\*\*)\d+\1/;
const RECORD = /^(I | [LSM]) ([0-9a-fA-F]{1,16}),(\d{1,5})$/;

/** Kind by the letter of a data access; 255 for any other character. */
const KIND = new Uint8Array(256).fill(255);
KIND['L'.charCodeAt(0)] = KIND_LOAD;
KIND['S'.charCodeAt(0)] = KIND_STORE;
KIND['M'.charCodeAt(0)] = KIND_MODIFY;

export class LackeyParser extends TextParser {
  constructor(where: string) {
    super(where, "expected e.g. ' L 1fff000d28,8' as valgrind --tool=lackey --trace-mem=yes prints");
  }

  protected override lines(bytes: Uint8Array, from: number, to: number, records: Records): number {
    const { kind: kinds, low: lows, high: highs, sizeBytes: sizes } = records;
    const hex = HEX;
    let n = records.count;
    let at = from;
    let line = this.line;
    while (at < to && n < BATCH_RECORDS) {
      const first = bytes[at];
      const second = bytes[at + 1];
      let kind = KIND_FETCH;
      if (first === SPACE) kind = KIND[second];
      else if (first !== LETTER_I || second !== SPACE) kind = 255;
      let i = at + 3;
      let low = 0;
      let high = 0;
      // Valgrind pads to 8 digits, and addresses of a stack have 10: those two need no loop.
      if (bytes[at + 13] === COMMA) {
        const a = hex[bytes[i]];
        const b = hex[bytes[i + 1]];
        high = (a << 4) | b;
        i += 2;
        if ((a | b) > 15) kind = 255;
      }
      if (bytes[i + 8] === COMMA) {
        const a = hex[bytes[i]];
        const b = hex[bytes[i + 1]];
        const c = hex[bytes[i + 2]];
        const d = hex[bytes[i + 3]];
        const e = hex[bytes[i + 4]];
        const f = hex[bytes[i + 5]];
        const g = hex[bytes[i + 6]];
        const h = hex[bytes[i + 7]];
        low = (a << 28) | (b << 24) | (c << 20) | (d << 16) | (e << 12) | (f << 8) | (g << 4) | h;
        if ((a | b | c | d | e | f | g | h) > 15) kind = 255;
        i += 8;
      } else {
        for (let digit = hex[bytes[i]]; digit < 16; digit = hex[bytes[++i]]) {
          high = (high << 4) | (low >>> 28);
          low = (low << 4) | digit;
        }
      }
      const digits = i - at - 3;
      let size = 0;
      let sizeDigits = 0;
      if (bytes[i] === COMMA) {
        let decimal = bytes[++i] - 48;
        while (decimal >= 0 && decimal < 10) {
          size = size * 10 + decimal;
          sizeDigits++;
          decimal = bytes[++i] - 48;
        }
      }
      const isWell = kind !== 255 && bytes[at + 2] === SPACE && digits > 0 && digits <= MAX_ADDRESS_DIGITS;
      if (!isWell || bytes[i] !== NEWLINE || sizeDigits > 5 || size === 0 || size > MAX_ACCESS_BYTES) {
        records.count = n;
        this.line = line;
        this.unusual(bytes, at, records);
        n = records.count;
        i = bytes.indexOf(NEWLINE, at);
      } else {
        kinds[n] = kind;
        lows[n] = low;
        highs[n] = high;
        sizes[n] = size;
        n++;
      }
      line++;
      at = i + 1;
    }
    this.line = line;
    records.count = n;
    return at;
  }

  /** A line of valgrind's own, one that ends in CR LF, or one that is malformed. */
  private unusual(bytes: Uint8Array, at: number, records: Records): void {
    const text = this.textOf(bytes, at);
    if (VALGRIND.test(text)) return;
    const match = RECORD.exec(text);
    const size = Number(match?.[3]);
    if (!match || size === 0 || size > MAX_ACCESS_BYTES) throw this.malformed(text);
    const [, letter, digits] = match;
    const kind = letter === 'I ' ? KIND_FETCH : KIND[letter.charCodeAt(1)];
    const address = BigInt(`0x${digits}`);
    records.add(kind, Number(address & 0xffff_ffffn), Number(address >> 32n), size);
  }
}
