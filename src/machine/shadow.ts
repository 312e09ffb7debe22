import type { Carver } from './carver.ts';
import { PAGE_SHIFT } from './platform.ts';
import { FINDING } from './registers.ts';

/** Ghost words of the checker: what a coherent memory would hold, and who wrote it when. */
export class Shadow {
  readonly version: Int32Array;
  readonly value: Int32Array;
  readonly bytes: Uint8Array;
  readonly writer: Int32Array;
  readonly writerClock: Int32Array;
  readonly writerEpoch: Int32Array;
  /** Version that a translation must have been made from, by contract, and since which epoch. */
  readonly contract: Int32Array;
  readonly contractEpoch: Int32Array;
  /** What the table word said then: hardware that sets accessed and dirty bits writes it as well. */
  readonly contractPte: Int32Array;
  /** Since which epoch that version has been in memory; the contract's own if it was in a write buffer then. */
  readonly contractWritten: Int32Array;
  /** Epoch of the contract before this one. */
  readonly contractBefore: Int32Array;
  /** Times that a frame was freed, and since which epoch it must not be reachable. */
  readonly frameGeneration: Int32Array;
  readonly frameEpoch: Int32Array;
  readonly findings: Float64Array;

  constructor(carver: Carver, memoryBytes: number) {
    const words = memoryBytes >> 2;
    const frames = memoryBytes >> PAGE_SHIFT;
    this.version = carver.i32('shadow.version', words);
    this.value = carver.i32('shadow.value', words);
    this.bytes = new Uint8Array(this.value.buffer, this.value.byteOffset, this.value.byteLength);
    this.writer = carver.i32('shadow.writer', words);
    this.writerClock = carver.i32('shadow.writerClock', words);
    this.writerEpoch = carver.i32('shadow.writerEpoch', words);
    this.contract = carver.i32('shadow.contract', words);
    this.contractEpoch = carver.i32('shadow.contractEpoch', words);
    this.contractPte = carver.i32('shadow.contractPte', words);
    this.contractWritten = carver.i32('shadow.contractWritten', words);
    this.contractBefore = carver.i32('shadow.contractBefore', words);
    this.frameGeneration = carver.i32('shadow.frameGeneration', frames);
    this.frameEpoch = carver.i32('shadow.frameEpoch', frames);
    this.findings = carver.f64('shadow.findings', FINDING.WORDS * FINDING.ENTRIES);
  }
}
