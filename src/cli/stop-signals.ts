/** Ctrl-C, and the signal with which batch systems end a job, as one AbortSignal. A second one ends the process. */
export class StopSignals {
  private readonly abort = new AbortController();
  private readonly listener = () => {
    if (this.abort.signal.aborted) process.exit(130);
    this.abort.abort();
  };

  constructor() {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, this.listener);
  }

  get signal(): AbortSignal {
    return this.abort.signal;
  }

  get stopped(): boolean {
    return this.abort.signal.aborted;
  }

  dispose(): void {
    for (const name of ['SIGINT', 'SIGTERM'] as const) process.off(name, this.listener);
  }
}
