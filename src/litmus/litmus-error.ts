import type { Place } from './ast.ts';

/** A test that cannot be read or run: where, what is wrong there, and how to mend it. */
export class LitmusError extends Error {
  readonly place: Place;

  /** @param what what is wrong and the remedy, in one line without a place */
  constructor(place: Place, what: string) {
    super(what);
    this.place = place;
  }

  /** `file:line:column: what`. */
  in(file: string): string {
    return `${file}:${this.place.line}:${this.place.column}: ${this.message}`;
  }
}
