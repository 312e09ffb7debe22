/** What the schema of a platform found wrong with a user's JSON, in lines that say what to change. */
import { z } from 'zod';
import { platformSchema } from './platform.ts';

type Path = readonly PropertyKey[];
/** Takes one problem: the path of the field that is wrong, and what is wrong with it. */
export type Add = (path: string, text: string) => void;

type Issue = z.core.$ZodIssue;

export function reportIssues(issues: readonly Issue[], json: object, add: Add): void {
  // A misspelt key is one mistake, though the schema sees two: one key too many and one missing.
  const misspelt = new Set<string>();
  for (const issue of issues) {
    if (issue.code !== 'unrecognized_keys') continue;
    for (const key of issue.keys)
      misspelt.add(dotted([...issue.path, nearest(key, keysAt(issue.path)) ?? '']));
  }
  const reported = new Set<string>();
  for (const issue of issues) {
    const path = dotted(issue.path);
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) {
        const known = nearest(key, keysAt(issue.path));
        add(dotted([...issue.path, key]), `unknown key; the nearest known key is '${known}'`);
      }
      continue;
    }
    const value = valueAt(json, issue.path);
    const isMissing = value === undefined;
    if (reported.has(path) || (isMissing && misspelt.has(path))) continue;
    reported.add(path);
    if (isMissing) {
      const description = schemaAt(issue.path)?.description;
      add(path, `missing; add it${description === undefined ? '' : ` (${description})`}`);
    } else {
      add(path, `${requirement(issue)}, it is ${show(value)}`);
    }
  }
}

const TYPE_NAMES: Readonly<Record<string, string>> = {
  int: 'a whole number',
  number: 'a number',
  string: 'a string',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
  array: 'a list',
};

function requirement(issue: Issue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${TYPE_NAMES[issue.expected] ?? issue.expected}`;
    case 'invalid_value':
      return `must be ${oneOf(issue.values)}`;
    case 'invalid_union':
      return `must be ${oneOf(issue.errors.flat().flatMap((e) => (e.code === 'invalid_value' ? e.values : [])))}`;
    case 'too_small':
      return issue.origin === 'array'
        ? `must have at least ${issue.minimum} entries`
        : `must be ${issue.inclusive ? 'at least' : 'more than'} ${issue.minimum}`;
    case 'too_big':
      return issue.origin === 'array'
        ? `must have at most ${issue.maximum} entries`
        : `must be ${issue.inclusive ? 'at most' : 'less than'} ${issue.maximum}`;
    default:
      return issue.message.replace(/\s+/g, ' ');
  }
}

function oneOf(values: readonly unknown[]): string {
  const shown = values.map((v) => (typeof v === 'string' ? `'${v}'` : String(v)));
  return shown.length > 1 ? `${shown.slice(0, -1).join(', ')} or ${shown.at(-1)}` : shown.join('');
}

/** A value in few words, whatever it is: a message must not fail on what it complains about. */
export function show(value: unknown): string {
  if (value === null) return 'null';
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'number') return String(value);
  if (typeof value === 'boolean') return String(value);
  if (typeof value !== 'string') return `a ${typeof value}`.replace('a o', 'an o');
  const text = JSON.stringify(value);
  return text.length > 40 ? `${text.slice(0, 36)}..."` : text;
}

function dotted(path: Path): string {
  return path
    .map((key) => (/^[\w-]+$/.test(String(key)) ? String(key) : JSON.stringify(String(key))))
    .join('.');
}

function valueAt(json: unknown, path: Path): unknown {
  let value = json;
  for (const key of path) value = (value as Record<PropertyKey, unknown> | null | undefined)?.[key];
  return value;
}

function schemaAt(path: Path): z.ZodType | undefined {
  let schema: unknown = platformSchema;
  for (const key of path) {
    schema = unwrapped(schema);
    if (schema instanceof z.ZodObject) schema = schema.shape[key as string];
    else if (schema instanceof z.ZodArray) schema = schema.element;
    else return undefined;
  }
  return schema instanceof z.ZodType ? schema : undefined;
}

function unwrapped(schema: unknown): unknown {
  let inner = schema;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault) inner = inner.unwrap();
  return inner;
}

function keysAt(path: Path): string[] {
  const schema = unwrapped(schemaAt(path));
  return schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];
}

function nearest(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const distance = editDistance(word.slice(0, 64).toLowerCase(), candidate.toLowerCase());
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
}

/** Levenshtein distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replace = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replace, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[b.length];
}
