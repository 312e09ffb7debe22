/**
 * Ctrl-C while something long runs: `stop` ends it so that what is known so far can be reported; a second
 * one ends the process at once.
 */
export class Interrupt {
  private readonly signals: readonly NodeJS.Signals[];
  private readonly abort = new AbortController();
  private readonly listener: () => void;

  /** @param signals what counts as Ctrl-C */
  constructor(stop: () => Promise<void> = async () => {}, signals: readonly NodeJS.Signals[] = ['SIGINT']) {
    this.signals = signals;
    this.listener = () => {
      if (this.interrupted) process.exit(130);
      this.abort.abort();
      void stop();
    };
    for (const name of signals) process.on(name, this.listener);
  }

  /** The same for what batch systems run too: they end a job with SIGTERM. */
  static ofJob(): Interrupt {
    return new Interrupt(undefined, ['SIGINT', 'SIGTERM']);
  }

  /** For those who end by themselves. */
  get signal(): AbortSignal {
    return this.abort.signal;
  }

  get interrupted(): boolean {
    return this.abort.signal.aborted;
  }

  dispose(): void {
    for (const name of this.signals) process.off(name, this.listener);
  }
}
