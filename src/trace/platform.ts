/**
 * Machines for traces: a plain one whose caches hold the traced program and nothing else, so that its
 * counts are those of a cache simulator, and changes to it or to any platform from the command line.
 */
import { PAGE_BYTES, type Platform, waySizeBytes } from '../machine/platform.ts';
import { parsePlatform } from '../machine/platform-checks.ts';
import { x86_64 } from '../platforms/x86-64.ts';
import { TraceError } from './trace-error.ts';

/** Physical memory of every trace run, bytes: programs are larger than scenarios. */
const MEMORY_BYTES = 1 << 28;
/** What a platform file may name; only traces ask for more, for fully associative caches. */
const SCHEMA_WAYS = 64;
const MAX_WAYS = 65_536;

/**
 * L1 caches with LRU, write-back and write-allocate, no L2; the kernel and the table walker bypass them;
 * instruction caches neither snoop nor are snooped. Costs are those of x86-64, but for uncached accesses:
 * here they are the kernel's, and cost what a cached access would.
 */
function plainPlatform(): Platform {
  const { l2: _l2, shared: _shared, ...rest } = x86_64;
  const platform: Platform = {
    ...rest,
    name: 'plain',
    title: 'L1 caches that hold the traced program alone',
    memoryBytes: MEMORY_BYTES,
    coherence: 'mesi',
    l1d: { ...x86_64.l1d, organisation: 'pipt' },
    l1i: { ...x86_64.l1i, organisation: 'pipt', snooped: false, fillsFrom: 'unification' },
    mmu: {
      ...x86_64.mmu,
      walkerReads: 'memory',
      pageTables: 'uncached',
      accessedDirty: 'ignored',
      tlb: {
        data: { entries: 64, ways: 4, replacement: 'round-robin' },
        instruction: { entries: 64, ways: 4, replacement: 'round-robin' },
        asidBits: 12,
        multipleMatch: 'first',
      },
    },
    broadcast: { scope: 'all', rangeOperations: false, queueEntries: 4 },
    writeBufferEntries: 0,
    agents: ['ipi', 'broadcast'],
    costs: {
      ...x86_64.costs,
      uncachedCycles: x86_64.costs.l1HitCycles,
      broadcastLatencyCycles: 100,
      broadcastOccupancyCycles: 20,
      broadcastTargetCycles: 20,
    },
    sources: {},
  };
  return platform;
}

export interface CacheShape {
  readonly sizeBytes: number;
  readonly ways: number;
  readonly lineBytes: number;
}

export interface PlatformChanges {
  /** The plain machine where left out. */
  readonly base?: Platform | undefined;
  readonly l1d?: CacheShape | undefined;
  readonly l1i?: CacheShape | undefined;
  /** `null` takes the private L2 away. */
  readonly l2?: CacheShape | null | undefined;
  readonly tlb?: { readonly entries: number; readonly ways: number } | undefined;
  readonly asids?: boolean | undefined;
  readonly coherence?: Platform['coherence'] | undefined;
  readonly cpus: number;
}

/** The platform of a trace run. @throws TraceError naming what contradicts what */
export function tracePlatform(changes: PlatformChanges): Platform {
  const base = changes.base ?? plainPlatform();
  const lines = [changes.l1d, changes.l1i, changes.l2].flatMap((shape) => (shape ? [shape.lineBytes] : []));
  const lineBytes = lines[0] ?? base.lineBytes;
  if (lines.some((line) => line !== lineBytes)) {
    throw new TraceError(`lines of ${lines.join(' and ')} bytes: give all caches of a machine the same line`);
  }
  const { lineBytes: _a, ...l1d } = { ...base.l1d, ...changes.l1d };
  const { lineBytes: _b, ...l1i } = { ...base.l1i, ...changes.l1i };
  const { l2: baseL2, ...withoutL2 } = base;
  const shape = changes.l2 === undefined ? baseL2 : changes.l2;
  const l2 = shape
    ? { sizeBytes: shape.sizeBytes, ways: shape.ways, replacement: baseL2?.replacement ?? 'lru' }
    : null;
  const tlb = { ...base.mmu.tlb };
  if (changes.tlb) {
    tlb.data = { ...tlb.data, ...changes.tlb };
    if (tlb.instruction) tlb.instruction = { ...tlb.instruction, ...changes.tlb };
  }
  if (changes.asids === false) tlb.asidBits = 0;
  if (changes.asids === true && tlb.asidBits === 0) tlb.asidBits = 8;
  const mmu = { ...base.mmu, tlb };
  if (tlb.asidBits === 0 && mmu.walkCache) mmu.walkCache = { ...mmu.walkCache, asidTagged: false };
  const platform: Platform = {
    ...withoutL2,
    lineBytes,
    l1d: l1d as Platform['l1d'],
    l1i: l1i as Platform['l1i'],
    ...(l2 && { l2 }),
    mmu,
    coherence: changes.coherence ?? base.coherence,
    maxCpus: Math.max(base.maxCpus, changes.cpus),
    memoryBytes: Math.max(base.memoryBytes, MEMORY_BYTES),
    agents: base.agents.filter((agent) => !['evict', 'prefetch', 'walk'].includes(agent)),
  };
  check(platform);
  return platform;
}

/** Holds it to the checks of every platform; only caches may have more ways than a platform file can say. */
function check(platform: Platform): void {
  const checked = { ...platform };
  for (const name of ['l1d', 'l1i', 'l2'] as const) {
    const cache = platform[name];
    if (!cache || cache.ways <= SCHEMA_WAYS) continue;
    const { lineBytes } = platform;
    const sets = cache.sizeBytes / lineBytes / cache.ways;
    if (cache.ways > MAX_WAYS || !Number.isInteger(Math.log2(sets))) {
      throw new TraceError(
        `${name}: ${cache.ways} ways of ${lineBytes} bytes in ${cache.sizeBytes}: use a power-of-two number of sets`,
      );
    }
    Object.assign(checked, {
      [name]: { ...cache, ways: SCHEMA_WAYS, sizeBytes: SCHEMA_WAYS * lineBytes * sets },
    });
  }
  const parsed = parsePlatform(checked, `platform ${platform.name}`);
  if ('problems' in parsed) throw new TraceError(parsed.problems[0]);
}

/** Page colours that keep a cache's index the same by virtual and by physical address. */
export function coloursOf(platform: Platform): number {
  const caches = [platform.l1d, platform.l1i, platform.l2, platform.shared, platform.outer];
  const ways = caches.map((cache) => (cache ? waySizeBytes(cache) : 0));
  const most = 2 ** Math.floor(Math.log2(Math.max(PAGE_BYTES, ...ways)));
  // With more colours than these a small program could not fill memory.
  return Math.min(1024, most / PAGE_BYTES);
}
