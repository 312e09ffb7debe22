/** Exit codes, and the mistake of a user that ends a command. */
export const EXIT = { OK: 0, VIOLATION: 1, USAGE: 2, BOUND: 3, FAULT: 4, INTERRUPTED: 130 } as const;

/** What the user asked for cannot be done. Each line says what, where and how to mend it. */
export class UsageError extends Error {
  readonly lines: readonly string[];

  constructor(...lines: string[]) {
    super(lines.join('\n'));
    this.lines = lines;
  }
}
