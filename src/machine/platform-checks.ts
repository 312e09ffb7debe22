/**
 * Turns a user's JSON into a platform, or into lines that say what to change. The schema knows each field
 * by itself; the checks here know which fields contradict each other, so that the machine can be built
 * from whatever gets through without asking again.
 */
import { z } from 'zod';
import { PAGE_BYTES, type Platform, platformSchema, waySizeBytes } from './platform.ts';

type ParsedPlatform = { readonly platform: Platform } | { readonly problems: string[] };

type Path = readonly PropertyKey[];
type Add = (path: string, text: string) => void;

/** The root table may be larger than a page: the short descriptors of 32-bit Arm have one of 16 KB. */
const MAX_ROOT_TABLE_BYTES = 16384;
const VPN_BITS = 20;

/**
 * @param json what JSON.parse returned, or a literal
 * @param where file or platform name, to start each line with
 */
export function parsePlatform(json: unknown, where: string): ParsedPlatform {
  const problems: string[] = [];
  const prefix = where.replace(/\s+/g, ' ');
  const add: Add = (path, text) => problems.push(`${prefix}: ${path === '' ? '' : `${path}: `}${text}`);
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    const hint = typeof json === 'string' ? ' (parse the text as JSON first)' : '';
    add('', `expected a JSON object that describes a platform, got ${show(json)}${hint}`);
    return { problems };
  }
  const parsed = platformSchema.safeParse(json);
  if (!parsed.success) {
    reportIssues(parsed.error.issues, json, add);
    return { problems };
  }
  const platform = parsed.data;
  checkCaches(platform, add);
  checkVirtualCaches(platform, add);
  checkCoherence(platform, add);
  checkLevels(platform, add);
  checkTlbs(platform, add);
  checkWalker(platform, add);
  checkShootdown(platform, add);
  return problems.length === 0 ? { platform } : { problems };
}

// --- What the schema found -----------------------------------------------------------------------

type Issue = z.core.$ZodIssue;

function reportIssues(issues: readonly Issue[], json: object, add: Add): void {
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
function show(value: unknown): string {
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

// --- What only several fields together can get wrong ---------------------------------------------

function isPowerOfTwo(n: number): boolean {
  return Number.isInteger(n) && n > 0 && Number.isInteger(Math.log2(n));
}

/** The power of two at or below `n`. */
function powerAtOrBelow(n: number): number {
  return 2 ** Math.floor(Math.log2(n));
}

function checkCaches(platform: Platform, add: Add): void {
  const { lineBytes, l1d, l2 } = platform;
  for (const name of ['l1d', 'l1i', 'l2', 'shared', 'outer'] as const) {
    const cache = platform[name];
    if (!cache) continue;
    const { sizeBytes, ways } = cache;
    const setBytes = ways * lineBytes;
    if (sizeBytes < lineBytes) {
      add(
        `${name}.sizeBytes`,
        `${sizeBytes} bytes cannot hold a line of ${lineBytes}; use at least ${setBytes}`,
      );
    } else if (sizeBytes < setBytes) {
      const fit = Math.floor(sizeBytes / lineBytes);
      add(
        `${name}.ways`,
        `${ways} lines of ${lineBytes} bytes exceed the ${sizeBytes} of the cache; use at most ${fit}`,
      );
    } else if (!isPowerOfTwo(sizeBytes / setBytes)) {
      const below = powerAtOrBelow(sizeBytes / setBytes) * setBytes;
      add(
        `${name}.sizeBytes`,
        `${sizeBytes} is not ${ways} ways x ${lineBytes} bytes x a power-of-two number of sets; use ${below} or ${2 * below}`,
      );
    }
  }
  if (l2 && l2.sizeBytes < l1d.sizeBytes) {
    const least = `at least ${l1d.sizeBytes} bytes`;
    add(
      'l2.sizeBytes',
      `the private L2 includes the L1D and must not be smaller; use ${least} or leave out l2`,
    );
  }
}

function checkVirtualCaches({ l1d, l1i, mmu }: Platform, add: Add): void {
  const wayBytes = waySizeBytes(l1d);
  if (l1d.organisation === 'vipt' && wayBytes > PAGE_BYTES && !l1d.aliasPolicy) {
    const remedy = `name an aliasPolicy or use at least ${Math.ceil(l1d.sizeBytes / PAGE_BYTES)} ways`;
    add(
      'l1d.aliasPolicy',
      `a way of ${wayBytes} bytes spans several pages, so a line can have aliases; ${remedy}`,
    );
  }
  if (l1d.organisation === 'vivt' && !l1d.aliasPolicy) {
    // Two virtual tags are two lines, whatever the size of a way.
    add('l1d.aliasPolicy', 'a virtually tagged cache holds aliases as separate lines; name an aliasPolicy');
  }
  if (l1d.organisation === 'vivt' && l1d.aliasPolicy === 'colour' && l1d.ways > 1) {
    const why = 'aliases of one colour still sit in different ways of a virtually tagged cache';
    add('l1d.aliasPolicy', `${why}; use 'flush' or 'uncached', or one way`);
  }
  for (const [name, cache] of [['l1d', l1d] as const, ['l1i', l1i] as const]) {
    if (!cache.asidTagged) continue;
    if (cache.organisation !== 'vivt') {
      const is = `this cache is ${cache.organisation.toUpperCase()}`;
      add(`${name}.asidTagged`, `only virtual tags carry an ASID, ${is}; set it to false`);
    } else if (mmu.tlb.asidBits === 0) {
      add(`${name}.asidTagged`, 'there are no ASIDs with mmu.tlb.asidBits 0; set one of the two');
    }
  }
}

function checkCoherence({ coherence, l1d, l1i, l2 }: Platform, add: Add): void {
  if (coherence === 'moesi' && l1d.write === 'write-through' && !l2) {
    const why = 'a write-through L1D without l2 never owns a line';
    add('coherence', `${why}, so 'moesi' is not possible; use 'msi' or 'mesi', or add l2`);
  }
  if (coherence === 'none' && l1i.snooped) {
    add('l1i.snooped', "nothing is snooped with coherence 'none'; set it to false or name a protocol");
  }
}

function checkLevels({ mmu }: Platform, add: Add): void {
  const { levels, entryBytes } = mmu;
  const sum = levels.reduce((bits, level) => bits + level.bits, 0);
  if (sum !== VPN_BITS) {
    const why = `the bits add up to ${sum}`;
    add(
      'mmu.levels',
      `${why}; 32-bit addresses with pages of 4 KB need ${VPN_BITS}, change one level by ${VPN_BITS - sum}`,
    );
    return;
  }
  if (!levels[levels.length - 1].leaf) {
    add(`mmu.levels.${levels.length - 1}.leaf`, 'entries of the last level map pages; set it to true');
  }
  let below = VPN_BITS;
  for (const [i, { bits, leaf }] of levels.entries()) {
    below -= bits;
    if (leaf && below === VPN_BITS) {
      add(`mmu.levels.${i}.leaf`, 'an entry of this level would map all 4 GB; set it to false');
    }
    const mostBytes = i === 0 ? MAX_ROOT_TABLE_BYTES : PAGE_BYTES;
    if (2 ** bits * entryBytes <= mostBytes) continue;
    const most = Math.log2(mostBytes / entryBytes);
    const table = i === 0 ? 'a root table of 16 KB' : 'a table of one page';
    add(
      `mmu.levels.${i}.bits`,
      `${bits} bits of ${entryBytes}-byte entries exceed ${table}; use at most ${most}`,
    );
  }
}

function checkTlbs({ mmu: { tlb, walkCache } }: Platform, add: Add): void {
  for (const name of ['data', 'instruction', 'second'] as const) {
    const spec = tlb[name];
    if (!spec) continue;
    const { entries, ways } = spec;
    const path = `mmu.tlb.${name}`;
    if (ways > entries) {
      add(`${path}.ways`, `${ways} ways of ${entries} entries; use ${entries} for a fully associative TLB`);
    } else if (!isPowerOfTwo(entries / ways)) {
      const below = powerAtOrBelow(entries / ways) * ways;
      add(
        `${path}.entries`,
        `${entries} is not ${ways} ways x a power-of-two number of sets; use ${below} or ${2 * below} entries, or ${entries} ways`,
      );
    }
  }
  if (walkCache?.asidTagged && tlb.asidBits === 0) {
    add('mmu.walkCache.asidTagged', 'there are no ASIDs with mmu.tlb.asidBits 0; set one of the two');
  }
}

/**
 * Who reads the tables, and whether they see what the kernel wrote. The point of unification is the
 * private L2 where there is one, otherwise the shared L2; a walker that reads 'l2' needs either.
 */
function checkWalker(platform: Platform, add: Add): void {
  const { mmu, l2, shared, agents } = platform;
  const { refill, accessedDirty, walkerReads, pageTables, walkCache } = mmu;
  const isSoftware = refill === 'software';
  if (isSoftware && accessedDirty === 'hardware') {
    add(
      'mmu.accessedDirty',
      "there is no hardware walker with refill 'software'; use 'software' or 'ignored'",
    );
  }
  if (isSoftware && walkCache) {
    add('mmu.walkCache', "there is no hardware walker with refill 'software'; leave out walkCache");
  }
  if (isSoftware && agents.includes('walk')) {
    add('agents', "there is no hardware walker with mmu.refill 'software'; remove 'walk'");
  }
  if (walkerReads === 'l2' && !l2 && !shared) {
    add('mmu.walkerReads', "'l2' needs an l2 or a shared cache; use 'memory' or 'l1'");
  } else if (pageTables === 'cached' && !walkerSeesCached(platform)) {
    const why = `a walker that reads '${walkerReads}' does not see tables that are dirty above it`;
    add('mmu.pageTables', `${why}; use 'clean' or 'uncached', or walkerReads 'l1'`);
  } else if (pageTables === 'uncached' && walkerReads === 'l1' && !isSoftware) {
    const why = "a walker that reads 'l1' keeps lines of tables that are written past the caches";
    add('mmu.pageTables', `${why}; use 'cached', or walkerReads 'memory'`);
  }
}

/** Behind a write-through L1D nothing is dirty but the next level, where there is one. */
function walkerSeesCached({ mmu, l1d, l2, shared, outer }: Platform): boolean {
  if (mmu.walkerReads === 'l1') return true;
  if (l1d.write === 'write-back') return false;
  return mmu.walkerReads === 'l2' || (!l2 && !shared && !outer);
}

function checkShootdown({ shootdown, broadcast, agents, writeBufferEntries }: Platform, add: Add): void {
  if (shootdown === 'broadcast' && !broadcast) {
    add('shootdown', "'broadcast' needs a broadcast section; add one or use 'cross-call'");
  }
  if (broadcast?.scope === 'page' && broadcast.rangeOperations) {
    add(
      'broadcast.rangeOperations',
      "a range cannot be broadcast with scope 'page'; set it to false or use 'all'",
    );
  }
  if (agents.includes('broadcast') && !broadcast) {
    add('agents', "'broadcast' needs a broadcast section; add one or remove it from the list");
  }
  if (agents.includes('drain') && writeBufferEntries === 0) {
    add('agents', "'drain' needs a write buffer; set writeBufferEntries or remove it from the list");
  }
  for (const agent of new Set(agents.filter((a, i) => agents.indexOf(a) !== i))) {
    add('agents', `'${agent}' is listed more than once; remove one`);
  }
}
