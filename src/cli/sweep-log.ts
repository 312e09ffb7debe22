/** The points of a sweep in a file, each there as soon as it is measured, so that a sweep can be gone on with. */
import { closeSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs';
import type { SweepHead, TableRow } from '../lab/sweep/table.ts';
import {
  crossoverLine,
  fitLineOf,
  headLine,
  type ReadSweep,
  readSweep,
  rowLine,
} from '../report/sweep-ndjson.ts';
import type { Conclusions } from '../report/sweep-text.ts';
import { UsageError } from './errors.ts';
import { attempt } from './output-file.ts';

export class SweepLog {
  private readonly option: string;
  private readonly path: string;
  private readonly file: number;

  private constructor(option: string, path: string, flags: 'w' | 'a') {
    this.option = option;
    this.path = path;
    this.file = attempt(option, path, () => openSync(path, flags));
  }

  /** Begins a new file. */
  static create(option: string, path: string, head: SweepHead): SweepLog {
    const log = new SweepLog(option, path, 'w');
    log.line(headLine(head));
    return log;
  }

  /**
   * Goes on after what {@link resumable} has read: whatever follows the last point is cut off.
   * @throws UsageError if the file belongs to another sweep
   */
  static goOn(option: string, path: string, head: SweepHead, done: ReadSweep): SweepLog {
    if (done.headLine !== headLine(head)) {
      throw new UsageError(
        `${option} ${path}: ${difference(done.head, head)}: leave out --resume to begin anew`,
      );
    }
    attempt(option, path, () => truncateSync(path, done.bytes));
    return new SweepLog(option, path, 'a');
  }

  /** In the file when it returns: from then on the death of this process loses nothing. */
  point(row: TableRow): void {
    this.line(rowLine(row));
  }

  finish({ fits, crossovers }: Conclusions): void {
    for (const fit of fits) this.line(fitLineOf(fit));
    for (const crossover of crossovers) this.line(crossoverLine(crossover));
  }

  close(): void {
    closeSync(this.file);
  }

  private line(text: string): void {
    attempt(this.option, this.path, () => {
      const bytes = Buffer.from(`${text}\n`);
      for (let at = 0; at < bytes.length; ) at += writeSync(this.file, bytes, at);
    });
  }
}

/**
 * What a file has of a sweep.
 * @returns undefined if it is not there, or ends within its first line
 * @throws UsageError if it is something else
 */
export function resumable(option: string, path: string): ReadSweep | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new UsageError(
      `${option} ${path}: cannot be read (${code}): name the file of the sweep to go on with`,
    );
  }
  if (!text.includes('\n') && '{"kind":"sweep"'.startsWith(text.slice(0, 15))) return undefined;
  const read = readSweep(text);
  if ('problem' in read) {
    throw new UsageError(
      `${option} ${path}: ${read.problem}: delete the file from that line on, or leave out --resume to begin anew`,
    );
  }
  return read;
}

/** The first field in which two heads differ. */
function difference(there: SweepHead, here: SweepHead): string {
  for (const key of Object.keys(here) as (keyof SweepHead)[]) {
    if (JSON.stringify(there[key]) === JSON.stringify(here[key])) continue;
    if (typeof here[key] === 'object') return `it is a sweep with other ${key}`;
    return `it is a sweep with ${key} ${there[key]}, not ${here[key]}`;
  }
  return 'it is another sweep';
}
