/**
 * Turns a user's JSON into a platform, or into lines that say what to change. The schema knows each field
 * by itself; the checks here know which fields contradict each other, so that the machine can be built
 * from whatever gets through without asking again.
 */

import { checkLevels } from './level-checks.ts';
import { colours, PAGE_BYTES, type Platform, platformSchema, waySizeBytes } from './platform.ts';
import { type Add, reportIssues, show } from './platform-issues.ts';
import { checkSockets } from './socket-checks.ts';
import { checkVirtualization } from './virtualization-checks.ts';

type ParsedPlatform = { readonly platform: Platform } | { readonly problems: string[] };

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
  checkPrimaryIndex(platform, add);
  checkUnmapped(platform, add);
  checkCoherence(platform, add);
  const { mmu } = platform;
  checkLevels(mmu.levels, 'mmu.levels', mmu.entryBytes, add);
  checkTlbs(platform, add);
  checkWalker(platform, add);
  checkShootdown(platform, add);
  checkRareCosts(platform, add);
  checkSockets(platform, add);
  checkVirtualization(platform, add);
  return problems.length === 0 ? { platform } : { problems };
}

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

function checkVirtualCaches({ l1d, l1i, mmu, memoryBytes }: Platform, add: Add): void {
  const wayBytes = waySizeBytes(l1d);
  if (l1d.organisation !== 'pipt' && wayBytes > memoryBytes) {
    const why = `a way of ${wayBytes} bytes has colours that no page of ${memoryBytes} bytes of memory has`;
    add('memoryBytes', `${why}; use at least ${2 ** Math.ceil(Math.log2(wayBytes))}`);
  }
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

/** The secondary cache remembers one virtual index a line: that needs several, and an L1 that asks it at once. */
function checkPrimaryIndex({ l1d, l2, writeBufferEntries }: Platform, add: Add): void {
  if (l2?.primaryIndex !== true) return;
  if (l1d.organisation !== 'vipt' || colours(l1d) === 1) {
    const is =
      l1d.organisation === 'vipt' ? 'has ways of one page at most' : `is ${l1d.organisation.toUpperCase()}`;
    add(
      'l2.primaryIndex',
      `only a VIPT L1D with ways larger than a page can be filled through several indices, this one ${is}; leave it out`,
    );
  }
  if (writeBufferEntries > 0) {
    const why = 'a buffered store is over before it could take a virtual coherency exception';
    add('writeBufferEntries', `${why}; use 0 with l2.primaryIndex`);
  }
}

/** Where nothing is mapped only a virtual tag can find a line, and only a virtual index can make it worth asking. */
function checkUnmapped({ l1d, maintenance }: Platform, add: Add): void {
  if (maintenance.unmapped === 'tags' && l1d.organisation !== 'vivt') {
    const is = `the L1D is ${l1d.organisation.toUpperCase()}`;
    add('maintenance.unmapped', `'tags' needs virtual tags, ${is}; use 'fault' or 'ignored'`);
  }
  if (maintenance.unmapped === 'ignored' && l1d.organisation === 'vivt') {
    const why = 'virtual tags match without a translation';
    add('maintenance.unmapped', `'ignored' is for lines that match by translation, ${why}; use 'tags'`);
  }
}

function checkRareCosts({ costs, l2, outer }: Platform, add: Add): void {
  if (costs.coherencyExceptionCycles > 0 && l2?.primaryIndex !== true) {
    const why = 'there are no virtual coherency exceptions without l2.primaryIndex';
    add('costs.coherencyExceptionCycles', `${why}; set it to 0 or l2.primaryIndex to true`);
  }
  if (costs.outerLineCycles > 0 && outer?.maintainedBy !== 'controller') {
    const why = "no outer cache has a controller ('outer.maintainedBy')";
    add('costs.outerLineCycles', `${why}; set it to 0 or add one that is maintained by 'controller'`);
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

function checkTlbs({ mmu: { tlb, walkCache, kernelMappings } }: Platform, add: Add): void {
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
  if (kernelMappings === 'per-context' && tlb.asidBits === 0) {
    const why = "there are no contexts to tag the kernel's translations with";
    add('mmu.kernelMappings', `${why} if mmu.tlb.asidBits is 0; use 'global', or set asidBits`);
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
  if (broadcast?.rangePages !== undefined && !broadcast.rangeOperations) {
    add('broadcast.rangePages', 'there are no range operations; leave it out or set rangeOperations to true');
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
