/** What a sweep goes through, as it is typed: `cpus=1..64:*2`, `pages=1,8,32..64:+8`, `mechanism=broadcast,cross-call`. */
import { ScenarioError } from '../../scenarios/scenario.ts';

/** Points that one sweep may have. */
export const MAX_POINTS = 100_000;

/** One dimension of a sweep. */
export interface Scan {
  readonly name: string;
  /** At least one, each once, as they would be typed. */
  readonly values: readonly string[];
}

const RANGE = /^(-?\d+)\.\.(-?\d+)(?::([+*])(\d+(?:\.\d+)?))?$/;
/** What somebody meant to be a range; a path such as ../x.json is none. */
const LIKE_RANGE = /^-?\d.*\.\./;

/**
 * Reads `name=items`, items with commas between. An item is a value, or a range that includes both ends: `a..b` in
 * steps of one, `a..b:+s` in steps of s, `a..b:*f` each f times the one before, rounded to integers; a range stops at
 * the last value that is not beyond b.
 * @param option that it was typed for, for messages
 * @throws ScenarioError
 */
export function parseScan(text: string, option = '--scan'): Scan {
  const at = text.indexOf('=');
  if (at < 1)
    throw new ScenarioError(`${option} ${text}: use ${option} parameter=values, such as cpus=1..64:*2`);
  const [name, list] = [text.slice(0, at), text.slice(at + 1)];
  return { name, values: scanValues(`${option} ${text}`, list) };
}

/** The values of a list of items. @param what the list is, for messages. @throws ScenarioError */
export function scanValues(what: string, list: string): string[] {
  const values = list.split(',').flatMap((item) => itemValues(what, item.trim()));
  return [...new Set(values)];
}

function itemValues(what: string, item: string): string[] {
  if (item === '')
    throw new ScenarioError(`${what}: there is an empty value: write values with commas between`);
  const match = RANGE.exec(item);
  if (!match) {
    if (!LIKE_RANGE.test(item)) return [item];
    throw new ScenarioError(`${what}: '${item}' is no range: write 1..10, 1..10:+3 or 1..64:*2`);
  }
  const [first, last, step] = [Number(match[1]), Number(match[2]), Number(match[4] ?? 1)];
  if (!Number.isSafeInteger(first) || !Number.isSafeInteger(last)) {
    throw new ScenarioError(`${what}: the numbers of '${item}' are too large: use fewer digits`);
  }
  if (last < first) {
    throw new ScenarioError(`${what}: the range ${item} is empty: write the smaller number first`);
  }
  return match[3] === '*' ? geometric(what, item, first, last, step) : linear(what, item, first, last, step);
}

function linear(what: string, item: string, first: number, last: number, step: number): string[] {
  if (step < 1 || !Number.isInteger(step)) {
    throw new ScenarioError(`${what}: the step of ${item} must be an integer from 1`);
  }
  const count = Math.floor((last - first) / step) + 1;
  if (count > MAX_POINTS) {
    throw new ScenarioError(
      `${what}: ${item} has ${count} values: use at most ${MAX_POINTS}, with larger steps such as ${first}..${last}:*2`,
    );
  }
  return Array.from({ length: count }, (_, i) => String(first + i * step));
}

function geometric(what: string, item: string, first: number, last: number, factor: number): string[] {
  if (first < 1)
    throw new ScenarioError(`${what}: a range with a factor must begin at 1 or more, not ${item}`);
  // Below this the values crawl, and rounding keeps them in place.
  if (factor < 1.01) throw new ScenarioError(`${what}: the factor of ${item} must be at least 1.01`);
  const values = new Set<number>();
  for (let exact = first; Math.round(exact) <= last; exact *= factor) values.add(Math.round(exact));
  return [...values].map(String);
}
