/**
 * Many accesses of any CPU in one step: a StreamPort for each CPU that this thread has run one for, whose
 * counts nobody wants.
 *
 * A trace is a Uint32Array as in bulk-fetch.ts: bits 31..2 the word's virtual address, bits 1..0 the kind.
 */
import { type BulkParts, STREAM, StreamPort } from './bulk-fetch.ts';
import type { CpuState } from './cpu-state.ts';

export class BulkPort {
  /** Why the last run stopped early: a result of Translation.lookup, or 0. */
  stopped = 0;

  private readonly parts: BulkParts;
  private readonly ports: (StreamPort | undefined)[] = [];
  private readonly counts = new Float64Array(STREAM.WORDS);

  constructor(parts: BulkParts) {
    this.parts = parts;
  }

  /**
   * Performs accesses `from` to `to` of the trace, or fewer if one needs a walk or faults (see
   * `stopped`). Stores write their index. Returns the index of the first access not done.
   */
  run(cpu: CpuState, trace: Uint32Array, from: number, to: number): number {
    const port = this.ports[cpu.index] ?? this.portOf(cpu);
    const at = port.run(trace, from, to);
    this.stopped = port.stopped;
    return at;
  }

  private portOf(cpu: CpuState): StreamPort {
    const port = new StreamPort(this.parts, cpu, this.counts);
    this.ports[cpu.index] = port;
    return port;
  }

  /** The machine is not what it was: translations in use are looked up again. */
  forgetTranslations(): void {
    for (const port of this.ports) port?.forgetTranslations();
  }
}
