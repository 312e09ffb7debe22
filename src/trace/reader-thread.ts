/** Thread that reads traces while CPUs run them, and says on stderr how far it is. */
import { writeSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import type { ReadOrder } from './source.ts';
import { streamTrace } from './source.ts';

const LOOK_MS = 500;

/** Progress of all the traces together, one line that is written over. */
class Progress {
  private readonly began = performance.now();
  private readonly seen: [number, number, number][];
  private last = performance.now();
  private shown = false;

  constructor(traces: number) {
    this.seen = Array.from({ length: traces }, () => [0, 0, 0]);
  }

  note(trace: number, bytes: number, total: number, records: number): void {
    this.seen[trace] = [bytes, total, records];
    const now = performance.now();
    if (now - this.last < LOOK_MS) return;
    this.last = now;
    const sum = (column: number) => this.seen.reduce((all, row) => all + row[column], 0);
    const seconds = (now - this.began) / 1000;
    const millions = sum(2) / 1e6;
    let text = `${millions.toFixed(1)} M records, ${(millions / seconds).toFixed(1)} M/s`;
    if (this.seen.every((row) => row[1] > 0)) {
      const fraction = Math.min(1, sum(0) / sum(1));
      const left = fraction > 0 ? (seconds * (1 - fraction)) / fraction : 0;
      text += `, ${(fraction * 100).toFixed(0)} %, ${left.toFixed(0)} s left`;
    }
    this.write(`\r${text}\x1b[K`);
    this.shown = true;
  }

  end(): void {
    if (this.shown) this.write('\r\x1b[K');
  }

  // The main thread may be busy with the machine and would not pass process.stderr on.
  private write(text: string): void {
    try {
      writeSync(2, text);
    } catch {
      // A terminal that cannot take it now gets the next one.
    }
  }
}

parentPort?.postMessage('started');
const { paths, feeds, options } = workerData as ReadOrder;
const progress = options.progress ? new Progress(paths.length) : null;
// Waiting for room in a feed keeps no thread alive by itself.
const alive = setInterval(() => {}, 1 << 30);
await Promise.all(
  paths.map((path, i) =>
    streamTrace(path, feeds[i], options, (bytes, total, records) => progress?.note(i, bytes, total, records)),
  ),
);
progress?.end();
clearInterval(alive);
