import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Platform, PlatformInput } from '../../src/machine/platform.ts';
import { parsePlatform } from '../../src/machine/platform-checks.ts';
import { platforms } from '../../src/platforms/index.ts';

type Change = (platform: PlatformInput) => unknown;

/** A copy of a built-in platform with something done to it; what the change returns is ignored. */
function changed(name: string, change: Change): unknown {
  const copy = structuredClone(platforms[name]) as PlatformInput;
  change(copy);
  return copy;
}

function problemsOf(json: unknown): string[] {
  const parsed = parsePlatform(json, 'my.json');
  return 'problems' in parsed ? parsed.problems : [];
}

const withoutBroadcast: Change = (p) => {
  delete p.broadcast;
  if (p.virtualization) p.virtualization.stage2Fences = 'local';
  p.shootdown = 'cross-call';
  p.agents = ['ipi'];
};

const softwareRefill: Change = (p) => {
  p.mmu.refill = 'software';
  p.mmu.accessedDirty = 'software';
  p.mmu.walkerReads = 'l1';
  p.mmu.pageTables = 'cached';
  delete p.mmu.walkCache;
  p.agents = ['ipi'];
};

const withoutBuffer: Change = (p) => {
  p.writeBufferEntries = 0;
  p.agents = p.agents.filter((agent) => agent !== 'drain');
};

const both =
  (...changes: Change[]): Change =>
  (p) => {
    for (const change of changes) change(p);
  };

describe('something that is no platform at all', () => {
  it.each([
    [null, 'got null'],
    [undefined, 'got nothing'],
    [[], 'got a list'],
    ['{', 'got "{" (parse the text as JSON first)'],
    [7, 'got 7'],
    [Number.NaN, 'got NaN'],
    [true, 'got true'],
    [12n, 'got a bigint'],
  ])('%s: one line', (json, words) => {
    expect(problemsOf(json)).toEqual([`my.json: expected a JSON object that describes a platform, ${words}`]);
  });

  it('an empty object: one line for each missing field', () => {
    const problems = problemsOf({});
    expect(problems).toContain('my.json: memoryBytes: missing; add it (physical memory)');
    for (const line of problems) expect(line).toMatch(/^my\.json: \w+: missing; add it/);
  });

  it('a name of several lines does not break a message', () => {
    const parsed = parsePlatform(null, 'my\nfile');
    expect(parsed).toEqual({ problems: [expect.stringMatching(/^my file: expected/)] });
  });
});

describe('a field that is wrong by itself', () => {
  const cases: [string, Change, string, ...string[]][] = [
    ['zero ways', (p) => (p.l1d.ways = 0), 'l1d.ways', 'at least 1', 'it is 0'],
    ['half a CPU', (p) => (p.maxCpus = 1.5), 'maxCpus', 'a whole number'],
    ['no CPU', (p) => (p.maxCpus = 0), 'maxCpus', 'at least 1'],
    ['too many CPUs', (p) => (p.maxCpus = 129), 'maxCpus', 'at most 128', 'it is 129'],
    ['too little memory', (p) => (p.memoryBytes = 32768), 'memoryBytes', 'at least 65536'],
    ['uneven memory', (p) => (p.memoryBytes = 100_000), 'memoryBytes', 'power of two', 'it is 100000'],
    ['uneven line', (p) => (p.lineBytes = 48), 'lineBytes', 'power of two'],
    ['long, uneven line', (p) => (p.lineBytes = 300), 'lineBytes', 'at most 256'],
    ['no clock', (p) => (p.clockMHz = 0), 'clockMHz', 'more than 0'],
    ['negative cost', (p) => (p.costs.dmbCycles = -1), 'costs.dmbCycles', 'at least 0', 'it is -1'],
    ['cost as text', (p) => Object.assign(p.costs, { dmbCycles: '1' }), 'costs.dmbCycles', 'a number', '"1"'],
    [
      'missing cost',
      (p) => Reflect.deleteProperty(p.costs, 'dmbCycles'),
      'costs.dmbCycles',
      'missing',
      'memory barrier',
    ],
    [
      'entries of 5 bytes',
      (p) => Object.assign(p.mmu, { entryBytes: 5 }),
      'mmu.entryBytes',
      '4 or 8',
      'it is 5',
    ],
    [
      'unknown protocol',
      (p) => Object.assign(p, { coherence: 'mosi' }),
      'coherence',
      "'msi', 'mesi', 'moesi' or 'none'",
    ],
    ['unknown agent', (p) => Object.assign(p, { agents: ['ipi', 'walker'] }), 'agents.1', '"walker"'],
    ['no levels', (p) => (p.mmu.levels = []), 'mmu.levels', 'at least 1 entries'],
    ['blank in the name', (p) => (p.name = 'sun 4m'), 'name', 'lower-case letters', '"sun 4m"'],
    ['a list for a cache', (p) => Object.assign(p, { l1d: [] }), 'l1d', 'an object', 'a list'],
    ['null for a cache', (p) => Object.assign(p, { l2: null }), 'l2', 'an object', 'null'],
    [
      'misspelt key',
      (p) => Object.assign(p, { flushallAbovePage: 1 }),
      'flushallAbovePage',
      'unknown key',
      "'flushAllAbovePages'",
    ],
    [
      'misspelt key in a part',
      (p) => Object.assign(p.mmu.tlb, { asidbit: 8 }),
      'mmu.tlb.asidbit',
      "'asidBits'",
    ],
    [
      'misspelt key in an optional part',
      (p) => Object.assign(p, { l2: { sizeBytes: 1 << 20, ways: 1, way: 1 } }),
      'l2.way',
      "'ways'",
    ],
    [
      'misspelt key in a list',
      (p) => Object.assign(p.mmu.levels[1], { leave: 1 }),
      'mmu.levels.1.leave',
      "'leaf'",
    ],
    ['unprintable key', (p) => Object.assign(p, { '\n': 1 }), '"\\n"', 'unknown key'],
    [
      'misspelt key instead of the right one',
      (p) => {
        Object.assign(p.costs, { isbCycle: p.costs.isbCycles });
        Reflect.deleteProperty(p.costs, 'isbCycles');
      },
      'costs.isbCycle',
      "'isbCycles'",
    ],
  ];
  it.each(cases)('%s: one line', (_, change, path, ...words) => {
    const problems = problemsOf(changed('sun4m', change));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(`my.json: ${path}: `);
    for (const word of words) expect(problems[0]).toContain(word);
  });
});

describe('fields that contradict each other', () => {
  const cases: [string, string, Change, string, ...string[]][] = [
    [
      'line larger than the cache',
      'sun4m',
      (p) => Object.assign(p.l1i, { sizeBytes: 16, ways: 1 }),
      'l1i.sizeBytes',
      '16 bytes cannot hold a line of 32',
      'at least 32',
    ],
    [
      'more ways than lines',
      'sun4m',
      (p) => Object.assign(p.l1d, { sizeBytes: 256, ways: 16 }),
      'l1d.ways',
      'at most 8',
    ],
    [
      'sets no power of two',
      'sun4m',
      (p) => (p.l1d.sizeBytes = 12288),
      'l1d.sizeBytes',
      '4 ways x 32 bytes',
      'use 8192 or 16384',
    ],
    [
      'size no multiple of a set',
      'sun4m',
      (p) => (p.l1d.sizeBytes = 16400),
      'l1d.sizeBytes',
      'use 16384 or 32768',
    ],
    [
      'sets of a shared cache',
      'x86-64',
      (p) => (p.shared!.ways = 16),
      'shared.sizeBytes',
      'power-of-two number of sets',
    ],
    [
      'sets of an outer cache',
      'neoverse',
      (p) => (p.outer!.ways = 12),
      'outer.sizeBytes',
      'power-of-two number of sets',
    ],
    [
      'L2 smaller than the L1D',
      'neoverse',
      (p) => (p.l2!.sizeBytes = 32768),
      'l2.sizeBytes',
      'includes the L1D',
      '65536',
    ],
    [
      'VIPT with aliases',
      'sun4m',
      (p) => Object.assign(p.l1d, { organisation: 'vipt', sizeBytes: 32768 }),
      'l1d.aliasPolicy',
      '8192 bytes',
      'at least 8 ways',
    ],
    [
      'VIVT without a policy',
      'sun4m',
      (p) => (p.l1d.organisation = 'vivt'),
      'l1d.aliasPolicy',
      'virtually tagged',
      'name an aliasPolicy',
    ],
    [
      'VIVT with colours and ways',
      'sun4m',
      (p) => Object.assign(p.l1d, { organisation: 'vivt', aliasPolicy: 'colour' }),
      'l1d.aliasPolicy',
      "'flush' or 'uncached'",
    ],
    [
      'ASIDs in a PIPT cache',
      'sun4m',
      (p) => (p.l1d.asidTagged = true),
      'l1d.asidTagged',
      'this cache is PIPT',
      'false',
    ],
    [
      'ASIDs in a VIPT cache',
      'x86-64',
      (p) => (p.l1i.asidTagged = true),
      'l1i.asidTagged',
      'this cache is VIPT',
    ],
    [
      'ASIDs in a cache without any',
      'sun4m',
      (p) => {
        Object.assign(p.l1i, { organisation: 'vivt', asidTagged: true });
        p.mmu.tlb.asidBits = 0;
      },
      'l1i.asidTagged',
      'mmu.tlb.asidBits 0',
    ],
    [
      'ASIDs in a walk cache without any',
      'x86-64',
      (p) => (p.mmu.tlb.asidBits = 0),
      'mmu.walkCache.asidTagged',
      'mmu.tlb.asidBits 0',
    ],
    [
      'owned lines of a write-through L1D',
      'sun4m',
      (p) => (p.l1d.write = 'write-through'),
      'coherence',
      "'moesi' is not possible",
      "'msi' or 'mesi'",
    ],
    ['snoops without coherence', 'sun4m', (p) => (p.coherence = 'none'), 'l1i.snooped', "coherence 'none'"],
    [
      'too few bits',
      'sun4m',
      (p) => (p.mmu.levels[2].bits = 5),
      'mmu.levels',
      'add up to 19',
      'change one level by 1',
    ],
    ['too many bits', 'sun4m', (p) => (p.mmu.levels[0].bits = 9), 'mmu.levels', 'add up to 21', 'by -1'],
    ['last level without pages', 'sun4m', (p) => (p.mmu.levels[2].leaf = false), 'mmu.levels.2.leaf', 'true'],
    ['pages of 4 GB', 'x86-64', (p) => (p.mmu.levels[0].leaf = true), 'mmu.levels.0.leaf', '4 GB'],
    [
      'root table too large',
      'sun4m',
      (p) =>
        (p.mmu.levels = [
          { bits: 13, leaf: false },
          { bits: 7, leaf: true },
        ]),
      'mmu.levels.0.bits',
      '16 KB',
      'at most 12',
    ],
    [
      'last table too large',
      'sun4m',
      (p) =>
        (p.mmu.levels = [
          { bits: 9, leaf: false },
          { bits: 11, leaf: true },
        ]),
      'mmu.levels.1.bits',
      'one page',
      'at most 10',
    ],
    [
      'last table too large for 8 bytes',
      'x86-64',
      (p) =>
        (p.mmu.levels = [
          { bits: 10, leaf: false },
          { bits: 10, leaf: true },
        ]),
      'mmu.levels.1.bits',
      'at most 9',
    ],
    ['more ways than entries', 'sun4m', (p) => (p.mmu.tlb.data.ways = 128), 'mmu.tlb.data.ways', 'use 64'],
    [
      'ways that do not divide entries',
      'sun4m',
      (p) => (p.mmu.tlb.data.ways = 3),
      'mmu.tlb.data.entries',
      '48 or 96 entries, or 64 ways',
    ],
    [
      'uneven sets of a TLB',
      'neoverse',
      (p) => (p.mmu.tlb.second!.ways = 4),
      'mmu.tlb.second.entries',
      '1024 or 2048 entries',
    ],
    [
      'dirty bits without a walker',
      'sun4m',
      both(softwareRefill, (p) => (p.mmu.accessedDirty = 'hardware')),
      'mmu.accessedDirty',
      "'software' or 'ignored'",
    ],
    [
      'walk cache without a walker',
      'sun4m',
      both(softwareRefill, (p) => (p.mmu.walkCache = { entries: 4, asidTagged: false })),
      'mmu.walkCache',
      'leave out walkCache',
    ],
    [
      'walks without a walker',
      'sun4m',
      both(softwareRefill, (p) => (p.agents = ['walk'])),
      'agents',
      "remove 'walk'",
    ],
    [
      'walker in an L2 that is not there',
      'sun4m',
      (p) => (p.mmu.walkerReads = 'l2'),
      'mmu.walkerReads',
      "'memory' or 'l1'",
    ],
    [
      'cached tables, walker in memory',
      'neoverse',
      (p) => (p.mmu.walkerReads = 'memory'),
      'mmu.pageTables',
      "'clean' or 'uncached'",
    ],
    [
      'cached tables, walker in the L2',
      'neoverse',
      (p) => (p.mmu.walkerReads = 'l2'),
      'mmu.pageTables',
      "reads 'l2'",
    ],
    [
      'cached tables, written through to an L2, walker in memory',
      'sun4d',
      (p) => (p.mmu.walkerReads = 'memory'),
      'mmu.pageTables',
      "reads 'memory'",
    ],
    [
      'uncached tables, walker in the L1D',
      'neoverse',
      (p) => (p.mmu.pageTables = 'uncached'),
      'mmu.pageTables',
      "use 'cached'",
    ],
    [
      'shootdown by a broadcast that is not there',
      'sun4m',
      (p) => (p.shootdown = 'broadcast'),
      'shootdown',
      "'cross-call'",
    ],
    [
      'agent of a broadcast that is not there',
      'sun4m',
      (p) => (p.agents = ['broadcast']),
      'agents',
      "'broadcast' needs a broadcast section",
    ],
    [
      'ranges of a broadcast of pages',
      'sun4d',
      (p) => Object.assign(p.broadcast!, { scope: 'page', rangeOperations: true }),
      'broadcast.rangeOperations',
      "scope 'page'",
    ],
    [
      'drain without a buffer',
      'sun4m',
      (p) => (p.writeBufferEntries = 0),
      'agents',
      "'drain' needs a write buffer",
    ],
    [
      'agent twice',
      'sun4m',
      (p) => (p.agents = ['ipi', 'evict', 'ipi']),
      'agents',
      "'ipi' is listed more than once",
    ],
    [
      'virtual coherency of a PIPT L1D',
      'sun4d',
      both(withoutBuffer, (p) => (p.l2!.primaryIndex = true)),
      'l2.primaryIndex',
      'this one is PIPT',
      'leave it out',
    ],
    [
      'virtual coherency without aliases',
      'r4000',
      (p) => (p.l1d.ways = 4),
      'l2.primaryIndex',
      'ways of one page at most',
    ],
    [
      'virtual coherency of buffered stores',
      'r4000',
      (p) => (p.writeBufferEntries = 4),
      'writeBufferEntries',
      'use 0 with l2.primaryIndex',
    ],
    [
      'cost of an exception that is never taken',
      'r4000',
      (p) => (p.l2!.primaryIndex = false),
      'costs.coherencyExceptionCycles',
      'l2.primaryIndex to true',
    ],
    [
      'virtual tags that are physical',
      'arm1136',
      (p) => (p.maintenance.unmapped = 'tags'),
      'maintenance.unmapped',
      'the L1D is VIPT',
      "'fault' or 'ignored'",
    ],
    [
      'translations for virtual tags',
      'arm926',
      (p) => (p.maintenance.unmapped = 'ignored'),
      'maintenance.unmapped',
      "use 'tags'",
    ],
    [
      'cost of a controller that is not there',
      'arm1136',
      (p) => (p.costs.outerLineCycles = 60),
      'costs.outerLineCycles',
      'set it to 0',
      "maintained by 'controller'",
    ],
    [
      'cost of a controller beside a system cache',
      'neoverse',
      (p) => (p.costs.outerLineCycles = 60),
      'costs.outerLineCycles',
      "maintained by 'controller'",
    ],
    [
      'more colours than memory',
      'hypersparc',
      (p) => (p.memoryBytes = 65536),
      'memoryBytes',
      '131072 bytes',
      'use at least 131072',
    ],
    [
      'contexts of the kernel without ASIDs',
      'arm926',
      (p) => (p.mmu.kernelMappings = 'per-context'),
      'mmu.kernelMappings',
      "use 'global'",
    ],
  ];
  it.each(cases)('%s: one line', (_, name, change, path, ...words) => {
    const problems = problemsOf(changed(name, change));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(`my.json: ${path}: `);
    for (const word of words) expect(problems[0]).toContain(word);
  });

  it('tells all of them at once', () => {
    const problems = problemsOf(
      changed(
        'sun4m',
        both(
          (p) => (p.l1d.sizeBytes = 12288),
          (p) => (p.mmu.walkerReads = 'l2'),
        ),
      ),
    );
    expect(problems).toHaveLength(2);
  });
});

describe('a platform that is unusual but sensible', () => {
  const cases: [string, string, Change][] = [
    ['alias policy where there are no aliases', 'sun4m', (p) => (p.l1d.aliasPolicy = 'colour')],
    ['VIPT with a way of one page', 'sun4m', (p) => (p.l1d.organisation = 'vipt')],
    [
      'VIPT with aliases that nobody manages',
      'sun4m',
      (p) => Object.assign(p.l1d, { organisation: 'vipt', sizeBytes: 32768, aliasPolicy: 'unmanaged' }),
    ],
    [
      'VIVT with ASIDs',
      'sun4m',
      (p) => Object.assign(p.l1d, { organisation: 'vivt', asidTagged: true, aliasPolicy: 'flush' }),
    ],
    [
      'VIVT, direct mapped, coloured',
      'sun4m',
      (p) => Object.assign(p.l1d, { organisation: 'vivt', ways: 1, aliasPolicy: 'colour' }),
    ],
    [
      'two addresses in one register without ASIDs',
      'sun4m',
      (p) => Object.assign(p.mmu, { splitContextSwitch: true, tlb: { ...p.mmu.tlb, asidBits: 0 } }),
    ],
    [
      'write-through L1D without L2, MESI',
      'sun4m',
      (p) => Object.assign(p, { coherence: 'mesi', l1d: { ...p.l1d, write: 'write-through' } }),
    ],
    [
      'no coherence',
      'sun4m',
      (p) => Object.assign(p, { coherence: 'none', l1i: { ...p.l1i, snooped: false } }),
    ],
    ['broadcast beside cross calls', 'neoverse', (p) => (p.shootdown = 'cross-call')],
    ['no broadcast', 'neoverse', withoutBroadcast],
    ['software refill', 'sun4m', softwareRefill],
    [
      'tables cleaned for a walker in memory',
      'neoverse',
      (p) => Object.assign(p.mmu, { walkerReads: 'memory', pageTables: 'clean' }),
    ],
    [
      'walker that reads a shared L2',
      'x86-64',
      (p) => {
        delete p.l2;
        Object.assign(p.mmu, { walkerReads: 'l2', pageTables: 'clean' });
      },
    ],
    [
      'cached tables, written through to where the walker reads',
      'sun4d',
      (p) => Object.assign(p.mmu, { walkerReads: 'l2', pageTables: 'cached' }),
    ],
    [
      'cached tables, written through to memory',
      'sun4m',
      (p) => {
        p.coherence = 'mesi';
        p.l1d.write = 'write-through';
        p.mmu.pageTables = 'cached';
      },
    ],
    [
      'walker that reads a private L2',
      'neoverse',
      (p) => Object.assign(p.mmu, { walkerReads: 'l2', pageTables: 'uncached' }),
    ],
    [
      'tables of 32-bit Arm',
      'sun4m',
      (p) =>
        (p.mmu.levels = [
          { bits: 12, leaf: true },
          { bits: 8, leaf: true },
        ]),
    ],
    [
      'two levels of 1024 entries',
      'sun4m',
      (p) =>
        (p.mmu.levels = [
          { bits: 10, leaf: true },
          { bits: 10, leaf: true },
        ]),
    ],
    [
      'fully associative caches of one line',
      'sun4m',
      (p) =>
        Object.assign(p, {
          l1d: { ...p.l1d, sizeBytes: 32, ways: 1 },
          l1i: { ...p.l1i, sizeBytes: 32, ways: 1 },
        }),
    ],
    ['TLB of three entries', 'sun4m', (p) => (p.mmu.tlb.data = { entries: 3, ways: 3 })],
    [
      'one CPU, no agents, no buffer',
      'sun4m',
      (p) => Object.assign(p, { maxCpus: 1, agents: [], writeBufferEntries: 0 }),
    ],
    ['the least memory', 'sun4m', (p) => (p.memoryBytes = 65536)],
    ['a flush that ignores what is not mapped', 'sun4m', (p) => (p.maintenance.unmapped = 'ignored')],
    [
      'aliases that nobody notices',
      'r4000',
      (p) => {
        delete p.l2!.primaryIndex;
        p.costs.coherencyExceptionCycles = 0;
      },
    ],
    ['kernel of each context', 'sun4m', (p) => (p.mmu.kernelMappings = 'per-context')],
    ['as many colours as memory', 'hypersparc', (p) => (p.memoryBytes = 131072)],
    ['rare costs left out', 'sun4m', (p) => Reflect.deleteProperty(p.costs, 'flushCallCycles')],
    ['L2 as large as the L1D', 'neoverse', (p) => (p.l2!.sizeBytes = 65536)],
  ];
  it.each(cases)('%s: accepted', (_, name, change) => {
    expect(problemsOf(changed(name, change))).toEqual([]);
  });
});

describe('any change to a platform', () => {
  /** Every path of a platform, parts included. */
  function pathsOf(value: unknown): string[][] {
    if (typeof value !== 'object' || value === null) return [[]];
    return [
      [],
      ...Object.entries(value).flatMap(([key, part]) => pathsOf(part).map((path) => [key, ...path])),
    ];
  }

  /** Sets what is at `path`, or removes it where the value is undefined; returns the root. */
  function put(json: unknown, path: readonly string[], value: unknown): unknown {
    if (path.length === 0) return value;
    // An earlier change may have taken away what this one is about.
    if (typeof json !== 'object' || json === null) return json;
    const [key, ...rest] = path;
    const part = json as Record<string, unknown>;
    const next = put(part[key], rest, value);
    if (next === undefined) delete part[key];
    else part[key] = next;
    return json;
  }

  const words =
    'l1 l2 memory vipt vivt pipt none msi software hardware broadcast cross-call cached uncached clean page x';
  const numbers = [0, 1, -1, 0.5, 3, 4, 16, 1 << 12, 1 << 20, 2 ** 31, Number.NaN];
  const others = [undefined, null, true, false, [], {}, ['drain'], ['walk', 'walk']];
  const likelyValues = fc.oneof(
    fc.constantFrom(...words.split(' ')),
    fc.constantFrom(...numbers),
    // A later change may write into a value, so each run needs its own.
    fc.constantFrom<unknown>(...others).map((value) => structuredClone(value)),
    fc.integer({ min: 0, max: 1 << 16 }),
    fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true }),
  );
  const mutated = fc.constantFrom(...Object.values(platforms)).chain((platform) => {
    const paths = pathsOf(platform);
    const extra = fc.tuple(fc.constantFrom(...paths), fc.string()).map(([path, key]) => [...path, key]);
    const path = fc.oneof(
      { weight: 9, arbitrary: fc.constantFrom(...paths) },
      { weight: 1, arbitrary: extra },
    );
    const changes = fc.array(fc.tuple(path, likelyValues), { minLength: 1, maxLength: 4 });
    return changes.map((list) =>
      list.reduce<unknown>((json, [at, v]) => put(json, at, v), structuredClone(platform)),
    );
  });

  it('gives a platform or lines that say where, and never throws', () => {
    fc.assert(
      fc.property(mutated, (json) => {
        const parsed = parsePlatform(json, 'my.json');
        if ('platform' in parsed) return;
        expect(parsed.problems.length).toBeGreaterThan(0);
        for (const line of parsed.problems) expect(line).toMatch(/^my\.json: [^\n\r]+$/);
      }),
      { numRuns: 3000 },
    );
  });

  it('a platform that got through gets through again, unchanged', () => {
    fc.assert(
      fc.property(mutated, (json) => {
        const parsed = parsePlatform(json, 'first');
        if ('problems' in parsed) return;
        const again: Platform = JSON.parse(JSON.stringify(parsed.platform));
        expect(parsePlatform(again, 'second')).toEqual(parsed);
      }),
      { numRuns: 3000 },
    );
  });

  it('does not change what it is given', () => {
    const json = changed('sun4m', (p) => (p.l1d.ways = 0));
    const before = structuredClone(json);
    parsePlatform(json, 'my.json');
    expect(json).toEqual(before);
  });
});
