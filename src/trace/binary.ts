/**
 * One little-endian 64-bit word a record: operation in bits 63..56 (1 load, 2 store, 3 atomic
 * read-modify-write, 4 instruction fetch), size in bytes in 55..48, address in 47..0.
 */
import { KIND_FETCH, KIND_LOAD, KIND_MODIFY, KIND_STORE, type Records, type TraceParser } from './records.ts';
import { TraceError } from './trace-error.ts';

const RECORD_BYTES = 8;
const KINDS = [255, KIND_LOAD, KIND_STORE, KIND_MODIFY, KIND_FETCH];

export class BinaryParser implements TraceParser {
  private readonly where: string;
  private readonly carry = new Uint8Array(RECORD_BYTES);
  private carried = 0;
  private record = 1;

  constructor(where: string) {
    this.where = where;
  }

  parse(bytes: Uint8Array, from: number, records: Records): number {
    let at = from;
    while (this.carried > 0 && at < bytes.length) {
      if (this.carried === RECORD_BYTES - 1 && records.isFull) return at;
      this.carry[this.carried++] = bytes[at++];
      if (this.carried < RECORD_BYTES) continue;
      this.carried = 0;
      this.add(this.carry, 0, records);
    }
    while (bytes.length - at >= RECORD_BYTES) {
      if (records.isFull) return at;
      this.add(bytes, at, records);
      at += RECORD_BYTES;
    }
    this.carry.set(bytes.subarray(at), this.carried);
    this.carried += bytes.length - at;
    return bytes.length;
  }

  end(): void {
    if (this.carried === 0) return;
    throw new TraceError(
      `${this.where}: record ${this.record} has only ${this.carried} of ${RECORD_BYTES} bytes: the file is cut off, record it again`,
    );
  }

  private add(bytes: Uint8Array, at: number, records: Records): void {
    const kind = KINDS[bytes[at + 7]] ?? 255;
    const size = bytes[at + 6];
    if (kind === 255 || size === 0) {
      const why = kind === 255 ? `unknown operation ${bytes[at + 7]}` : 'an access of 0 bytes';
      throw new TraceError(
        `${this.where}: record ${this.record}: ${why}: expected little-endian words op<<56 | size<<48 | address with op 1 to 4`,
      );
    }
    const low = (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
    records.add(kind, low, bytes[at + 4] | (bytes[at + 5] << 8), size);
    this.record++;
  }
}
