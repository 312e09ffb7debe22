/**
 * The machines of the random tester: tiny caches, so that every few accesses something is evicted, and
 * every legal pairing of a protocol with a cache organisation. Replacement, write buffer, walker, TLB and
 * maintenance vary along, so that each of their values meets each protocol.
 */
import { type Platform, type PlatformInput, platformSchema } from '../../machine/platform.ts';
import { definePlatform } from '../../platforms/define.ts';

/**
 * coherent: only what hardware keeps coherent, no finding may come up. software: aliases, destructive
 * invalidates and stale copies, and exactly the findings that the model predicts.
 */
export type Mode = 'coherent' | 'software';

export interface Organisation {
  readonly name: string;
  readonly title: string;
  readonly platform: Platform;
  readonly cpus: number;
  readonly modes: readonly Mode[];
}

const protocols = ['msi', 'mesi', 'moesi', 'none'] as const;
type Protocol = (typeof protocols)[number];
type L1d = PlatformInput['l1d'];
type Mmu = PlatformInput['mmu'];

/** What a shape changes; nested parts are merged into those of the base. */
interface Change {
  readonly lineBytes?: number;
  readonly l1d?: Partial<L1d>;
  readonly l2?: PlatformInput['l2'];
  readonly shared?: PlatformInput['shared'];
  readonly outer?: PlatformInput['outer'];
  readonly maintenance?: Partial<PlatformInput['maintenance']>;
  readonly walker?: readonly [Mmu['walkerReads'], Mmu['pageTables']];
  readonly tlb?: Partial<Mmu['tlb']>;
  readonly accessedDirty?: Mmu['accessedDirty'];
  readonly walkCache?: Mmu['walkCache'];
  readonly crossCall?: boolean;
  readonly writeBufferEntries?: number;
  readonly cpus?: number;
}

/** Data and instructions through TLBs so small that they miss all the time, over a second level. */
const twoLevelTlb: Partial<Mmu['tlb']> = {
  data: { entries: 2, ways: 2 },
  instruction: { entries: 2, ways: 1 },
  second: { entries: 8, ways: 4, replacement: 'lru' },
};
const noAsids: Partial<Mmu['tlb']> = { asidBits: 0 };
/** Two pages a way: two colours. With lines of 64 bytes the agents still find the few that are in use. */
const aliasing: Partial<L1d> = { organisation: 'vipt', sizeBytes: 16384, ways: 2, aliasPolicy: 'colour' };

const shapes: Readonly<Record<string, { readonly title: string; readonly change: Change }>> = {
  pipt: {
    title: 'physically indexed and tagged',
    change: { walkCache: { entries: 2, asidTagged: true } },
  },
  vipt: {
    title: 'virtually indexed, a way no larger than a page; cross calls',
    change: {
      l1d: { organisation: 'vipt' },
      walker: ['memory', 'uncached'],
      accessedDirty: 'hardware',
      crossCall: true,
      maintenance: { byAddress: 'local', icache: 'local' },
    },
  },
  'vipt-alias': {
    title: 'virtually indexed, two colours',
    change: { lineBytes: 64, l1d: aliasing, walker: ['memory', 'clean'], tlb: twoLevelTlb },
  },
  'vipt-alias-l2': {
    title: 'virtually indexed, four colours, over a private L2',
    change: {
      lineBytes: 64,
      l1d: { ...aliasing, ways: 1 },
      l2: { sizeBytes: 16384, ways: 2 },
      walker: ['l2', 'clean'],
    },
  },
  'vivt-asid': {
    title: 'virtually tagged with ASIDs',
    change: {
      l1d: { organisation: 'vivt', asidTagged: true, aliasPolicy: 'flush' },
      walker: ['memory', 'uncached'],
    },
  },
  vivt: {
    title: 'virtually tagged without ASIDs, flushed at every switch; cross calls',
    change: {
      l1d: { organisation: 'vivt', aliasPolicy: 'flush' },
      walker: ['memory', 'uncached'],
      tlb: noAsids,
      crossCall: true,
      maintenance: { byAddress: 'local', icache: 'local' },
    },
  },
  'write-through': {
    title: 'write-through straight to memory',
    change: { l1d: { write: 'write-through' }, walker: ['memory', 'cached'] },
  },
  'no-allocate': {
    title: 'write-back, but a store miss goes around',
    change: { l1d: { allocate: 'read' }, accessedDirty: 'hardware' },
  },
  l2: {
    title: 'private L2',
    change: { l2: { sizeBytes: 128, ways: 2 }, walker: ['l2', 'clean'], tlb: twoLevelTlb },
  },
  'l2-write-through': {
    title: 'write-through L1 over a private L2',
    change: { l1d: { write: 'write-through' }, l2: { sizeBytes: 128, ways: 4 }, walker: ['l2', 'cached'] },
  },
  shared: {
    title: 'shared L2',
    change: {
      shared: { sizeBytes: 128, ways: 2 },
      walker: ['l2', 'clean'],
      maintenance: { setWayReachesShared: true },
    },
  },
  'shared-system-cache': {
    title: 'shared L2 over a system cache that maintenance by address reaches',
    change: {
      shared: { sizeBytes: 64, ways: 2 },
      outer: { sizeBytes: 128, ways: 2, maintainedBy: 'address' },
      walker: ['memory', 'clean'],
    },
  },
  'shared-outer': {
    title: 'shared L2 over an outer cache with a controller of its own',
    change: {
      shared: { sizeBytes: 64, ways: 1 },
      outer: { sizeBytes: 128, ways: 4, maintainedBy: 'controller' },
      walker: ['memory', 'clean'],
    },
  },
  'vipt-index-l2': {
    title: 'virtually indexed, four colours, under a private L2 that traps aliases',
    change: {
      lineBytes: 64,
      l1d: { ...aliasing, ways: 1 },
      l2: { sizeBytes: 16384, ways: 2, primaryIndex: true },
      walker: ['l2', 'clean'],
      writeBufferEntries: 0,
    },
  },
};

/** Every cost is one cycle: the tester is about order, not about time. */
const costs = Object.fromEntries(
  Object.entries(platformSchema.shape.costs.shape).flatMap(([name, schema]) =>
    // What few machines have may be left out, and must be where there is nothing that it could be the cost of.
    schema.safeParse(undefined).success ? [] : [[name, 1]],
  ),
) as PlatformInput['costs'];

const replacements = ['lru', 'round-robin', 'random'] as const;

function organisation(protocol: Protocol, shape: string, column: number): Organisation {
  const { title, change } = shapes[shape];
  const row = protocols.indexOf(protocol);
  // Along the diagonals, so that no replacement and no buffer size stays with one protocol or shape.
  const replacement = replacements[(row + column) % replacements.length];
  const writeBufferEntries = change.writeBufferEntries ?? [2, 0, 3][(row + 2 * column) % 3];
  const [walkerReads, pageTables] = change.walker ?? ['l1', 'cached'];
  const isCoherent = protocol !== 'none';
  const tiny = { sizeBytes: 64, ways: 2, replacement };
  const behind = <T extends object>(spec: T | undefined) => spec && { ...spec, replacement };
  const broadcast = { scope: 'all', rangeOperations: true, queueEntries: 2 } as const;
  const input: PlatformInput = {
    name: `${protocol}-${shape}`,
    title: `${protocol === 'none' ? 'no coherence' : protocol.toUpperCase()}, ${title}`,
    clockMHz: 100,
    maxCpus: 4,
    memoryBytes: 1 << 17,
    lineBytes: change.lineBytes ?? 16,
    coherence: protocol,
    l1d: { organisation: 'pipt', ...tiny, ...change.l1d },
    l1i: {
      ...tiny,
      sizeBytes: 4 * (change.lineBytes ?? 16),
      organisation: 'pipt',
      snooped: isCoherent,
      fillsFrom: isCoherent ? 'data-caches' : 'unification',
    },
    ...(change.l2 && { l2: behind(change.l2) }),
    ...(change.shared && { shared: behind(change.shared) }),
    ...(change.outer && { outer: behind(change.outer) }),
    maintenance: {
      byAddress: 'broadcast',
      icache: 'broadcast',
      setWayReachesShared: false,
      ...change.maintenance,
    },
    mmu: {
      levels: [
        { bits: 10, leaf: false },
        { bits: 10, leaf: true },
      ],
      entryBytes: 4,
      refill: 'hardware',
      walkerReads,
      accessedDirty: change.accessedDirty ?? 'ignored',
      tlb: {
        data: { entries: 8, ways: 4, replacement },
        asidBits: 8,
        multipleMatch: 'first',
        ...change.tlb,
      },
      ...(change.walkCache && { walkCache: change.walkCache }),
      pageTables,
      splitContextSwitch: false,
      // The programs' pages lie where the linear mapping is, and their lines must not pass for the kernel's.
      ...(change.l1d?.asidTagged && { kernelMappings: 'per-context' as const }),
    },
    shootdown: change.crossCall ? 'cross-call' : 'broadcast',
    ...(!change.crossCall && { broadcast }),
    flushAllAbovePages: 1,
    writeBufferEntries,
    agents: [
      ...(writeBufferEntries > 0 ? (['drain'] as const) : []),
      'evict',
      'prefetch',
      'walk',
      ...(change.crossCall ? (['ipi'] as const) : (['broadcast'] as const)),
    ],
    costs,
    sources: {},
  };
  const platform = definePlatform(input);
  const cpus = change.cpus ?? 1 + ((row + column + 1) % 4);
  // Without a protocol nothing is coherent but a machine with one CPU, and that is not worth a run.
  // Exceptions make aliases coherent: there is nothing that software would see of them.
  const traps = platform.l2?.primaryIndex === true;
  const modes: Mode[] = isCoherent ? (traps ? ['coherent'] : ['coherent', 'software']) : ['software'];
  return { name: input.name, title: input.title, platform, cpus: Math.max(isCoherent ? 2 : 1, cpus), modes };
}

/**
 * A write-through L1D without an L2 behind it never owns a line, so there is nothing that MOESI could add. What
 * makes aliases coherent without a protocol between CPUs is a machine with one.
 */
const isLegal = (protocol: Protocol, shape: string) =>
  !(protocol === 'moesi' && shape === 'write-through') && !(protocol === 'none' && shape === 'vipt-index-l2');

export const organisations: readonly Organisation[] = protocols.flatMap((protocol) =>
  Object.keys(shapes).flatMap((shape, column) =>
    isLegal(protocol, shape) ? [organisation(protocol, shape, column)] : [],
  ),
);

/** @throws Error that lists the names */
export function organisationNamed(name: string): Organisation {
  const found = organisations.find((o) => o.name === name);
  if (found) return found;
  const names = organisations.map((o) => o.name).join(', ');
  throw new Error(`random-coherency: no organisation '${name}'; there are ${names}`);
}
