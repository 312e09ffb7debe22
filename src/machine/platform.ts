/**
 * What a platform is: plain data that describes one kind of machine. The schema is the single source
 * of the type, of the checks on a user's JSON file and of `flushlab platform --schema`.
 */
import { z } from 'zod';

const powerOfTwo = (min: number, max: number) =>
  z
    .int()
    .min(min)
    .max(max)
    .refine((n) => (n & (n - 1)) === 0, 'must be a power of two');

const replacement = z.enum(['lru', 'round-robin', 'random']).describe('victim choice within a set');

const cacheShape = {
  sizeBytes: z
    .int()
    .min(16)
    .max(1 << 26)
    .describe('capacity in bytes: sets x ways x lineBytes'),
  ways: z.int().min(1).max(64).describe('associativity; size / line for a fully associative cache'),
  replacement: replacement.default('lru'),
};

const cacheSchema = z.strictObject(cacheShape);

const l1dSchema = z.strictObject({
  ...cacheShape,
  organisation: z
    .enum(['pipt', 'vipt', 'vivt'])
    .describe('how a line is indexed and tagged: physical or virtual index, physical or virtual tag'),
  asidTagged: z.boolean().default(false).describe('VIVT only: lines carry the ASID that filled them'),
  aliasPolicy: z
    .enum(['colour', 'uncached', 'flush', 'unmanaged'])
    .optional()
    .describe(
      'who keeps aliases apart: needed when a way of a virtually indexed cache is larger than a page, or tags are virtual',
    ),
  write: z.enum(['write-back', 'write-through']).default('write-back'),
  allocate: z.enum(['read-write', 'read']).default('read-write').describe('does a store miss allocate'),
});

const l1iSchema = z.strictObject({
  ...cacheShape,
  organisation: z.enum(['pipt', 'vipt', 'vivt']),
  asidTagged: z.boolean().default(false).describe('VIVT only: lines carry the ASID that filled them'),
  snooped: z
    .boolean()
    .describe(
      'stores of any CPU invalidate copies in this cache (Arm CTR_EL0.DIC = 1 in effect; x86 always)',
    ),
  fillsFrom: z
    .enum(['data-caches', 'unification'])
    .describe(
      'a fill sees dirty lines of the data caches (CTR_EL0.IDC = 1), or only what was cleaned to the PoU',
    ),
  fetchAhead: z
    .boolean()
    .default(false)
    .describe(
      'instructions may have been fetched long before they run: only a context synchronization (ISB, an exception, a return from one) discards them',
    ),
});

const privateL2Schema = z
  .strictObject({
    ...cacheShape,
    primaryIndex: z
      .boolean()
      .optional()
      .describe(
        'a line remembers the virtual index bits that the L1 was filled through; an L1 miss through others raises a virtual coherency exception (R4000SC)',
      ),
  })
  .describe('private, unified, physically indexed, inclusive of the L1D');
const outerSchema = z.strictObject({
  ...cacheShape,
  maintainedBy: z
    .enum(['address', 'controller'])
    .describe(
      'address: CPU operations to the PoC reach it (a system cache); controller: only its own registers do (PL310)',
    ),
});

const tlbSchema = z.strictObject({
  entries: z.int().min(1).max(65536),
  ways: z.int().min(1).max(65536).describe('equal to entries when fully associative'),
  replacement: replacement.default('round-robin'),
});

const costNames = {
  l1HitCycles: 'load or store that hits the L1',
  l2HitCycles: 'private L2 hit, total',
  sharedHitCycles: 'shared L2 hit, total',
  outerHitCycles: 'outer or system cache hit, total',
  memoryCycles: 'line from memory, total',
  cacheToCacheCycles: 'line from another CPU’s cache, total',
  upgradeCycles: 'shared to exclusive without data',
  busOccupancyCycles: 'time one coherence transaction holds the interconnect',
  uncachedCycles: 'non-cacheable or device access',
  atomicCycles: 'added to the access of an atomic read-modify-write',
  drainDelayCycles: 'time after which a buffered store drains by itself',
  secondTlbHitCycles: 'first-level TLB miss that hits the second level',
  walkStepCycles: 'added to the table read of each walk step',
  maintenanceLineCycles: 'cache maintenance of one line by address, tag access only',
  setWayLineCycles: 'cache maintenance of one line by set/way, tag access only',
  maintenanceBroadcastCycles: 'added when maintenance by address is broadcast',
  tlbInvalidateCycles: 'issue of one TLB invalidate on the issuing CPU',
  tlbInvalidateAllCycles: 'issue of a TLB invalidate that names no page',
  broadcastLatencyCycles: 'broadcast invalidate: from the interconnect to a target, and the answer back',
  broadcastOccupancyCycles: 'time one broadcast invalidate holds the interconnect',
  broadcastTargetCycles: 'time a broadcast invalidate steals from each target',
  dmbCycles: 'memory barrier with nothing outstanding',
  dsbCycles: 'completion barrier with nothing outstanding',
  isbCycles: 'context synchronization',
  contextSwitchCycles: 'write of table base and ASID',
  ipiSendCycles: 'sending an IPI, on the sender',
  ipiLatencyCycles: 'from sending until the target can take it',
  interruptEntryCycles: 'interrupt entry up to the first kernel instruction that matters',
  interruptExitCycles: 'return from interrupt',
  faultEntryCycles: 'page-fault entry',
  faultExitCycles: 'return from page fault',
  instructionCycles: 'work of a program between memory operations, per unit of cpu.compute',
} as const;

export type CostName = keyof typeof costNames;

/** Costs that most machines do not have. */
const rareCostNames = {
  flushCallCycles: 'work of a cache flush of the kernel besides maintenance: SPARC spills register windows',
  coherencyExceptionCycles: 'virtual coherency exception: entry and return, without what its handler does',
  outerLineCycles: 'an operation of the outer cache’s controller on one line',
  guestExitCycles: 'from a guest to the host: the trap and what the hypervisor saves',
  guestEntryCycles: 'from the host into a guest: what the hypervisor restores, and the return',
} as const;
type RareCostName = keyof typeof rareCostNames;

const cycles = z.number().min(0).max(1e9);
const costsSchema = z.strictObject({
  ...(Object.fromEntries(Object.entries(costNames).map(([k, d]) => [k, cycles.describe(d)])) as {
    [K in keyof typeof costNames]: z.ZodNumber;
  }),
  ...(Object.fromEntries(
    Object.entries(rareCostNames).map(([k, d]) => [k, cycles.default(0).describe(d)]),
  ) as { [K in RareCostName]: z.ZodDefault<z.ZodNumber> }),
});

const levelsSchema = z
  .array(
    z.strictObject({
      bits: z.int().min(0).max(20).describe('index bits resolved at this level'),
      leaf: z.boolean().describe('an entry of this level may map memory'),
    }),
  )
  .min(1)
  .max(4)
  .describe('from the root down; the bits add up to 20, the page is 4 KB');

const virtualizationSchema = z
  .strictObject({
    vmidBits: z
      .int()
      .min(1)
      .max(14)
      .describe('VMIDs that TLB entries carry; 0 is the host’s. Real ones may have 16 bits, here 14 at most'),
    stage2Levels: levelsSchema,
    forcedWriteBack: z
      .boolean()
      .describe('stage 2 may overrule what the guest says about caching (Arm FEAT_S2FWB)'),
    ipaCache: z
      .strictObject({ entries: z.int().min(1).max(1024) })
      .optional()
      .describe('remembers translations of stage 2 alone, intermediate to physical; absent: none'),
    stage2Fences: z
      .enum(['broadcast', 'local'])
      .describe('reach of the host’s invalidates by VMID or by intermediate address'),
    guestCaching: z
      .enum(['mair', 'tex-remap', 'none'])
      .default('mair')
      .describe(
        'how a guest says what is cached: its control register, and entries that name a field of MAIR (Arm long descriptors) or of PRRR and NMRR (short ones); none: it has no say, its entries’ attributes and its caching bit count for nothing (RISC-V without Svpbmt)',
      ),
  })
  .describe('two stages of translation for guests');

const socketsSchema = z
  .strictObject({
    cpusEach: z.int().min(1).max(128).describe('CPUs of a socket: 0 to this - 1 are in the first, and so on'),
    cacheToCacheCycles: cycles.describe('line from a cache of another socket, total'),
    memoryCycles: cycles.describe('line from the memory of another socket, total'),
    upgradeCycles: cycles.describe('shared to exclusive where another socket has a copy'),
    ipiLatencyCycles: cycles.describe('from sending an IPI to another socket until the target can take it'),
    broadcastLatencyCycles: cycles.describe(
      'broadcast invalidate: from the interconnect to a target in another socket, and the answer back',
    ),
  })
  .describe(
    'the machine has several sockets; what crosses between them takes these times, not those of costs',
  );

export const agentNames = ['drain', 'evict', 'prefetch', 'walk', 'broadcast', 'ipi'] as const;
export type AgentName = (typeof agentNames)[number];

export const platformSchema = z
  .strictObject({
    name: z.string().regex(/^[a-z0-9][a-z0-9._-]*$/, 'use lower-case letters, digits, dot, dash'),
    title: z.string(),
    clockMHz: z.number().positive().describe('to convert cycles to time where a source gives time'),
    maxCpus: z.int().min(1).max(128).describe('on threads 64 of them can run'),
    memoryBytes: powerOfTwo(1 << 16, 1 << 28).describe('physical memory'),
    lineBytes: powerOfTwo(16, 256).describe('the line of every cache and the unit of coherence'),
    coherence: z
      .enum(['msi', 'mesi', 'moesi', 'none'])
      .describe('protocol between the private data caches of the inner shareable domain'),
    l1d: l1dSchema,
    l1i: l1iSchema,
    l2: privateL2Schema.optional(),
    shared: cacheSchema.optional().describe('L2 shared by all CPUs, in front of the point of coherency'),
    outer: outerSchema.optional().describe('outer or system cache'),
    maintenance: z.strictObject({
      byAddress: z
        .enum(['broadcast', 'local'])
        .describe('data-cache maintenance by address: inner shareable domain or this CPU only'),
      icache: z.enum(['broadcast', 'local']).describe('I-cache maintenance'),
      setWay: z
        .boolean()
        .optional()
        .describe('false: there are no operations by set and way, under whatever name'),
      setWayReachesShared: z.boolean().describe('set/way operations act on the shared L2 too'),
      unmapped: z
        .enum(['fault', 'ignored', 'tags'])
        .default('fault')
        .describe(
          'by virtual address where nothing is mapped: a fault; nothing, because lines match by translation (hyperSPARC); or the line is found by its virtual tag alone',
        ),
    }),
    dma: z
      .strictObject({
        snooped: z.boolean().describe('transfers of devices look into the caches'),
        iommu: z.boolean().describe('devices use I/O addresses that a table of their own translates'),
      })
      .default({ snooped: true, iommu: false })
      .describe('how devices reach memory'),
    mmu: z.strictObject({
      levels: levelsSchema,
      entryBytes: z.union([z.literal(4), z.literal(8)]).describe('distance between two table entries'),
      refill: z.enum(['hardware', 'software']).describe('who walks the tables on a TLB miss'),
      walkerReads: z
        .enum(['l1', 'l2', 'memory'])
        .describe(
          'where a table read looks first: coherent with the L1D, the point of unification, or only memory',
        ),
      accessedDirty: z
        .enum(['ignored', 'software', 'hardware'])
        .describe('who sets accessed and dirty bits: nobody, a fault handler, the walker by compare-and-set'),
      tlb: z.strictObject({
        data: tlbSchema,
        instruction: tlbSchema.optional().describe('absent: instruction fetches use the data TLB'),
        second: tlbSchema.optional().describe('unified second level (main TLB)'),
        asidBits: z.int().min(0).max(16).describe('0: entries carry no ASID'),
        multipleMatch: z
          .enum(['first', 'abort'])
          .describe('what a lookup does that matches two entries: take the first, or raise an abort'),
        commonNotPrivate: z
          .boolean()
          .optional()
          .describe('CPUs may say that others may use their entries (Arm FEAT_TTCNP)'),
      }),
      walkCache: z
        .strictObject({ entries: z.int().min(1).max(256), asidTagged: z.boolean() })
        .optional()
        .describe('cache of upper-level entries'),
      pageTables: z
        .enum(['cached', 'uncached', 'clean'])
        .describe(
          'how the kernel writes tables: cached; through an uncached alias; cached, then cleaned to where the walker reads',
        ),
      splitContextSwitch: z.boolean().describe('table base and ASID are two registers'),
      kernelMappings: z
        .enum(['global', 'per-context'])
        .default('global')
        .describe(
          'translations and virtually tagged lines of the kernel: global, or tagged with the context that ran when they were made',
        ),
    }),
    virtualization: virtualizationSchema.optional().describe('absent: no guests'),
    shootdown: z
      .enum(['cross-call', 'broadcast'])
      .describe('how the kernel port of this machine invalidates TLBs of other CPUs'),
    crossCallsSerialized: z
      .boolean()
      .default(false)
      .describe('the kernel port of this machine takes one global lock around a cross call'),
    broadcast: z
      .strictObject({
        scope: z.enum(['all', 'page']).describe('page: only page and context demaps can be broadcast'),
        rangeOperations: z.boolean().describe('one operation can name a range'),
        rangePages: z
          .int()
          .min(1)
          .max(1 << 20)
          .optional()
          .describe('pages that one range operation can name; absent: any number'),
        targeted: z
          .boolean()
          .optional()
          .describe('an operation can be sent to chosen CPUs alone (compare Arm TLBI domains)'),
        queueEntries: z
          .int()
          .min(1)
          .max(64)
          .describe('broadcasts a target can hold before it stalls the bus'),
        serialized: z
          .boolean()
          .optional()
          .describe('the kernel port of this machine takes one global lock around a broadcast flush'),
      })
      .optional()
      .describe('absent: the hardware cannot invalidate TLBs of other CPUs'),
    flushAllAbovePages: z
      .int()
      .min(1)
      .describe('a range larger than this is flushed as the whole address space'),
    sockets: socketsSchema.optional(),
    writeBufferEntries: z.int().min(0).max(64),
    agents: z.array(z.enum(agentNames)).describe('what the hardware does at its own time'),
    costs: costsSchema.describe('in cycles of the CPU clock'),
    sources: z
      .record(z.string(), z.string())
      .describe('path of a figure (e.g. "costs.memoryCycles") to where it comes from'),
  })
  .describe('a flushlab platform');

/** A validated platform description. */
export type Platform = z.infer<typeof platformSchema>;
export type TlbSpec = z.infer<typeof tlbSchema>;
export type PlatformInput = z.input<typeof platformSchema>;

/**
 * Virtual addresses from here on are the kernel's in every address space, and so are those of its linear
 * mapping, which are the physical addresses themselves.
 */
export const KERNEL_BASE = 0xc000_0000;
export const PAGE_SHIFT = 12;
export const PAGE_BYTES = 1 << PAGE_SHIFT;

/** Bytes one way spans: what decides whether a virtually indexed cache can hold aliases. */
export function waySizeBytes(spec: { sizeBytes: number; ways: number }): number {
  return spec.sizeBytes / spec.ways;
}

/** Number of page colours of a cache: sets that one physical line may live in when indexed virtually. */
export function colours(spec: { sizeBytes: number; ways: number; organisation?: string }): number {
  if (spec.organisation === undefined || spec.organisation === 'pipt') return 1;
  return Math.max(1, waySizeBytes(spec) / PAGE_BYTES);
}
