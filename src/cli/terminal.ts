/** Where output goes: data to stdout, progress to stderr and only if that is a terminal. */
import { paint, type Style } from '../report/text.ts';

export const stdoutStyle: Style = { colour: hasColour(process.stdout) };

/** Colours only for a terminal, and not if NO_COLOR is set (no-color.org). */
function hasColour(stream: { readonly isTTY?: boolean }): boolean {
  return stream.isTTY === true && !process.env.NO_COLOR;
}

/** Columns that a table on stdout may take. */
export function stdoutWidth(): number {
  return Math.min(140, Math.max(80, process.stdout.columns ?? 120));
}

/** Writes text to stdout and ends the line. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** One line on stderr for somebody to read: a mistake, or how a run ended early. */
export function complain(text: string): void {
  process.stderr.write(`flushlab: ${text}\n`);
}

/** A line on stderr that changes in place. */
export class Progress {
  private readonly isShown: boolean;
  private last = 0;
  private shown = false;

  /** @param quiet the user wants none */
  constructor(quiet: boolean) {
    this.isShown = !quiet && process.stderr.isTTY === true;
  }

  /** Shows a text instead of the one before, not more than ten times a second. */
  show(text: string): void {
    if (!this.isShown || performance.now() - this.last < 100) return;
    this.last = performance.now();
    this.shown = true;
    const line = text.slice(0, (process.stderr.columns ?? 80) - 1);
    process.stderr.write(`\r\u001b[K${paint({ colour: hasColour(process.stderr) }, 'dim', line)}`);
  }

  /** Takes the line away, before something else is written. */
  clear(): void {
    if (this.shown) process.stderr.write('\r\u001b[K');
    this.shown = false;
  }
}
