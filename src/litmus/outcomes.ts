/**
 * Holds outcomes against sets of final states that were computed elsewhere: a file with one JSON object a
 * line, each `{"file": ..., "name": ..., "states": [...]}` and more, as herd7's answers were collected.
 */
import { z } from 'zod';
import { normalisedState } from './final-state.ts';
import type { Outcome } from './outcome.ts';

const schema = z.object({
  /** Of the test, from some folder on. */
  file: z.string(),
  name: z.string(),
  /** All final states that are allowed; null if the model did not finish. */
  states: z.array(z.string()).nullable(),
  flags: z.array(z.string()).nullable().optional(),
  /** Whether the proposition's states are allowed on hardware that obeys the architecture. */
  kind: z.enum(['Allowed', 'Forbidden', 'Required']).nullable().optional(),
  /** The test needs plain instructions only, and no table entries that hardware changes. */
  core_profile: z.boolean().optional(),
});
export type ReferenceOutcome = z.infer<typeof schema>;

export interface Comparison {
  /** Found, but not allowed. */
  readonly unsound: readonly string[];
  /** Allowed, but not found. */
  readonly unreached: readonly string[];
  readonly allowed: number;
  /** Undefined if the reference says nothing about flags. */
  readonly sameFlags: boolean | undefined;
}

/** @returns undefined if the reference has no states */
export function compareOutcome(outcome: Outcome, reference: ReferenceOutcome): Comparison | undefined {
  if (reference.states === null) return undefined;
  const found = new Set(outcome.states.map(({ text }) => normalisedState(text)));
  const allowed = new Set(reference.states.map(normalisedState));
  return {
    unsound: [...found].filter((state) => !allowed.has(state)),
    unreached: [...allowed].filter((state) => !found.has(state)),
    allowed: allowed.size,
    sameFlags: reference.flags ? sameSet(reference.flags, outcome.flags) : undefined,
  };
}

function sameSet(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((item) => other.includes(item));
}

export class References {
  private readonly byName = new Map<string, ReferenceOutcome[]>();
  readonly all: readonly ReferenceOutcome[];

  /**
   * @param where the file's name, for errors
   * @throws Error with one line: where, what, remedy
   */
  constructor(text: string, where: string) {
    const lines = text.split('\n').map((line, index) => ({ line, number: index + 1 }));
    this.all = lines
      .filter(({ line }) => line.trim() !== '')
      .map(({ line, number }) => parseReference(line, `${where}:${number}`));
    for (const reference of this.all) {
      const known = this.byName.get(reference.name);
      if (known === undefined) this.byName.set(reference.name, [reference]);
      else known.push(reference);
    }
  }

  /** The one whose file ends the path; if there is none, the only one of that name. */
  find(path: string, name: string): ReferenceOutcome | undefined {
    const candidates = this.byName.get(name) ?? [];
    const slashed = `/${path.replaceAll('\\', '/')}`;
    const same = candidates.find(({ file }) => slashed.endsWith(`/${file}`));
    return same ?? (candidates.length === 1 ? candidates[0] : undefined);
  }
}

function parseReference(line: string, where: string): ReferenceOutcome {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    throw new Error(`${where}:1: not JSON: every line is one object with "file", "name" and "states"`);
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0];
  throw new Error(`${where}:1: "${path.join('.')}": ${message}: an object has "file", "name" and "states"`);
}
