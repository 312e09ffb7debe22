/** A mistake in a trace or in what was asked of one; its message is one line: where, what, remedy. */
export class TraceError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'TraceError';
  }
}
