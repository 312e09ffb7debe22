/** From the text of a campaign's file to a campaign that needs no other file, or to a line that says what is wrong. */
import { readFileSync } from 'node:fs';
import type { z } from 'zod';
import { parsePlatform } from '../machine/platform-checks.ts';
import { scenarios as library } from '../scenarios/index.ts';
import { type Campaign, campaignSchema, type Entry } from './schema.ts';

/** Something that the user can mend: one line that says what, where, and how. */
export class CampaignError extends Error {}

/**
 * Reads a campaign, and the platforms that it names by files.
 * @throws CampaignError
 */
export function readCampaign(path: string): Campaign {
  const parsed = campaignSchema.safeParse(readJson(path, 'a campaign'));
  if (!parsed.success) throw new CampaignError(`${path}: ${issueText(parsed.error)}`);
  const { $schema: _, entries, ...rest } = parsed.data;
  return { ...rest, entries: entries.map((entry) => withPlatforms(entry)) };
}

/** What cannot be read from a journal or a queue's job. @throws CampaignError. @param source named in the message */
export function parseCampaign(value: unknown, source: string): Campaign {
  const parsed = campaignSchema.safeParse(value);
  if (!parsed.success) throw new CampaignError(`${source}: ${issueText(parsed.error)}`);
  return parsed.data;
}

/**
 * A campaign that goes to other machines can have scenarios of the library only: they do not have anybody's files,
 * and should not import what a queue tells them to.
 * @throws CampaignError
 */
export function demandBuiltIn({ entries }: Campaign): void {
  const own = entries.flatMap(({ scenarios }) => (scenarios === 'all' ? [] : scenarios));
  const other = own.find((name) => !library.some((scenario) => scenario.name === name));
  if (other === undefined) return;
  throw new CampaignError(
    `scenario '${other}' is no part of flushlab, so workers elsewhere do not have it: run it without --queue, with --shard on each machine`,
  );
}

/** Whether somebody means a file rather than the name of a platform. */
const isPath = (name: string) => /[/\\]|\.json$/i.test(name);

function withPlatforms(entry: Entry): Entry {
  const { platforms } = entry;
  if (platforms === undefined || platforms === 'all') return entry;
  return { ...entry, platforms: platforms.map((each) => (isFile(each) ? platformFrom(each) : each)) };
}

function isFile(each: unknown): each is string {
  return typeof each === 'string' && isPath(each);
}

function platformFrom(file: string) {
  const parsed = parsePlatform(readJson(file, 'a platform'), file);
  if ('problems' in parsed) throw new CampaignError(parsed.problems[0]);
  return { file, platform: parsed.platform };
}

function readJson(path: string, what: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new CampaignError(`${path}: cannot be read (${code}): name a JSON file that describes ${what}`);
  }
  try {
    return JSON.parse(text.replace(/^\ufeff/, ''));
  } catch (error) {
    const why = (error as Error).message.replace(/\s+/g, ' ');
    throw new CampaignError(`${path}: is not JSON (${why}): see flushlab campaign --schema`);
  }
}

/** The first thing that is wrong, with its place. */
function issueText({ issues }: z.ZodError): string {
  const issue = deepest(issues[0]);
  const place = issue.path.reduce<string>(
    (text, key) => (typeof key === 'number' ? `${text}[${key}]` : `${text}${text && '.'}${String(key)}`),
    '',
  );
  const message = issue.message.replace(/\s+/g, ' ');
  return `${place === '' ? '' : `${place}: `}${message}: see flushlab campaign --schema`;
}

/** Of a union the alternative that came furthest says what was meant. */
function deepest(issue: z.core.$ZodIssue, path: readonly PropertyKey[] = []): z.core.$ZodIssue {
  const here = { ...issue, path: [...path, ...issue.path] };
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return here;
  const inner = issue.errors.flatMap((list) => list.slice(0, 1)).map((each) => deepest(each, here.path));
  const longest = Math.max(...inner.map((each) => each.path.length));
  return longest > here.path.length ? inner.find((each) => each.path.length === longest)! : here;
}
