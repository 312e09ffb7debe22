/**
 * Cuts one SharedArrayBuffer into named typed-array regions. The same cutting code runs twice: once
 * without a buffer, to learn the size, and once per attaching thread, to build its views; so the
 * layout is a function of the platform and cannot differ between threads.
 */
export interface Region {
  readonly name: string;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

/** Regions start on host cache lines, so that two simulated CPUs do not share one by accident. */
const ALIGN_BYTES = 128;

export class Carver {
  readonly regions: Region[] = [];
  private nextBytes = 0;
  private readonly buffer: SharedArrayBuffer | undefined;

  /** @param buffer absent: measure only, every view is empty */
  constructor(buffer?: SharedArrayBuffer) {
    this.buffer = buffer;
  }

  /** Bytes carved so far. */
  get sizeBytes(): number {
    return this.nextBytes;
  }

  i32(name: string, length: number): Int32Array {
    const at = this.take(name, length * 4);
    return this.buffer ? new Int32Array(this.buffer, at, length) : new Int32Array(0);
  }

  u8(name: string, length: number): Uint8Array {
    const at = this.take(name, length);
    return this.buffer ? new Uint8Array(this.buffer, at, length) : new Uint8Array(0);
  }

  f64(name: string, length: number): Float64Array {
    const at = this.take(name, length * 8);
    return this.buffer ? new Float64Array(this.buffer, at, length) : new Float64Array(0);
  }

  private take(name: string, sizeBytes: number): number {
    const at = this.nextBytes;
    this.regions.push({ name, offsetBytes: at, sizeBytes });
    this.nextBytes = Math.ceil((at + sizeBytes) / ALIGN_BYTES) * ALIGN_BYTES;
    if (this.buffer && at + sizeBytes > this.buffer.byteLength) {
      throw new Error(
        `layout: region ${name} ends at ${at + sizeBytes}, the buffer has ${this.buffer.byteLength} bytes`,
      );
    }
    return at;
  }
}
