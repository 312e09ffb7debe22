/**
 * Replay tokens: what was run and under which schedule, in one printable word. The schedule is kept as runs of
 * equal choices; the rest is JSON; both are deflated together, with a checksum: a letter that got lost in a
 * mail must not become another schedule.
 */
import { deflateSync, inflateSync } from 'node:zlib';

/** Format of tokens; the first character of each is 'f' and the format. */
const FORMAT = 'f1';

export interface Replay {
  /** Version of flushlab that made it: another one may take other steps. */
  readonly version: string;
  readonly scenario: string;
  readonly variant: string;
  /** Name of a built-in platform, or a platform. */
  readonly platform: unknown;
  readonly cpus: number;
  /** Parameters of the scenario. */
  readonly parameters: Readonly<Record<string, string | number | boolean>>;
  readonly seed: number;
  readonly maxSteps: number;
  /** How the run ended: see `signatureOf`. */
  readonly signature: string;
  readonly choices: readonly number[];
}

/** The word is no token, or damaged. */
export class TokenError extends Error {}

export function encodeToken({ choices, ...head }: Replay): string {
  const bytes = Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), packChoices(choices)]);
  return FORMAT + deflateSync(bytes, { level: 9 }).toString('base64url');
}

/** @throws TokenError, one line that says what is wrong */
export function decodeToken(token: string): Replay {
  const word = token.trim();
  if (!/^f\d+[\w-]+$/.test(word))
    throw new TokenError(`'${shown(word)}' is no replay token: it begins with f1`);
  if (!word.startsWith(FORMAT)) {
    throw new TokenError(`the replay token has format ${word.slice(0, 2)}, this flushlab reads ${FORMAT}`);
  }
  try {
    const bytes = inflateSync(Buffer.from(word.slice(FORMAT.length), 'base64url'));
    const end = bytes.indexOf('\n');
    const head = JSON.parse(bytes.subarray(0, end).toString()) as Omit<Replay, 'choices'>;
    if (typeof head.scenario !== 'string' || typeof head.signature !== 'string')
      throw new Error('no scenario');
    return { ...head, choices: unpackChoices(bytes.subarray(end + 1)) };
  } catch {
    throw new TokenError(`the replay token '${shown(word)}' is damaged or incomplete: copy all of it`);
  }
}

/** The beginning of a word, in one line. */
function shown(word: string): string {
  const line = word.replace(/\s+/g, ' ');
  return line.length > 24 ? `${line.slice(0, 24)}...` : line;
}

/** The different choices, then pairs of which one and how many times; numbers in groups of seven bits. */
function packChoices(choices: readonly number[]): Buffer {
  const numbers = [...new Set(choices)];
  const index = new Map(numbers.map((choice, i) => [choice, i]));
  const packed = [numbers.length, ...numbers];
  for (let at = 0; at < choices.length; ) {
    let count = 1;
    while (choices[at + count] === choices[at]) count++;
    packed.push(index.get(choices[at]) ?? 0, count);
    at += count;
  }
  const bytes: number[] = [];
  for (let n of packed) {
    for (; n > 127; n = Math.floor(n / 128)) bytes.push((n & 127) | 128);
    bytes.push(n);
  }
  return Buffer.from(bytes);
}

function unpackChoices(bytes: Buffer): number[] {
  const packed: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    let n = 0;
    let unit = 1;
    for (; bytes[at] > 127; unit *= 128) n += (bytes[at++] & 127) * unit;
    packed.push(n + bytes[at++] * unit);
  }
  const count = packed[0];
  const choices: number[] = [];
  for (let at = 1 + count; at + 1 < packed.length; at += 2) {
    const choice = packed[1 + packed[at]];
    for (let n = packed[at + 1]; n > 0; n--) choices.push(choice);
  }
  return choices;
}
