/** Decoded trace records, as columns that are reused from batch to batch, so that reading allocates nothing. */

export const KIND_LOAD = 0;
export const KIND_STORE = 1;
export const KIND_FETCH = 2;
/** A load and a store of the same bytes that belong together. */
export const KIND_MODIFY = 3;

export const BATCH_RECORDS = 16_384;

/** Largest access of a record, bytes: more is a damaged trace. */
export const MAX_ACCESS_BYTES = 65_535;

export class Records {
  /** Records in use. */
  count = 0;
  readonly kind = new Uint8Array(BATCH_RECORDS);
  /** Address, bits 31..0 and 63..32. */
  readonly low = new Uint32Array(BATCH_RECORDS);
  readonly high = new Uint32Array(BATCH_RECORDS);
  readonly sizeBytes = new Uint16Array(BATCH_RECORDS);

  add(kind: number, low: number, high: number, sizeBytes: number): void {
    const at = this.count++;
    this.kind[at] = kind;
    this.low[at] = low;
    this.high[at] = high;
    this.sizeBytes[at] = sizeBytes;
  }

  get isFull(): boolean {
    return this.count === BATCH_RECORDS;
  }
}

/** Turns bytes into records. One instance per trace: it counts lines, and keeps what is not complete yet. */
export interface TraceParser {
  /**
   * Parses `bytes` from `from` on until they or the room in `records` run out.
   * @returns the offset to go on from; `bytes.length` when all were taken
   * @throws TraceError naming the line (or record) that is malformed
   */
  parse(bytes: Uint8Array, from: number, records: Records): number;
  /** The trace has ended: what is left must be complete. There is room for one record. @throws TraceError */
  end(records: Records): void;
}
