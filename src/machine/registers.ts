/**
 * Names of the words in a machine's buffer: control registers, clocks, counters, and the records that are
 * kept as groups of words.
 */

/**
 * Words of a CPU's control block. Those that another thread may write are accessed with Atomics. What snoops
 * look at fills a host cache line of its own, so that a snoop costs the CPU no other word that it uses.
 */
export const CTL = {
  LOCK: 0,
  /** CPUs that want this CPU's lock: a bulk run gives way to them. */
  SNOOPERS: 1,
  /** A snoop that this CPU's bulk run is to do itself (see `Snoops.ask`), LOCK_WANTED, or 0. */
  REQUEST: 2,
  /** Not 0: whoever holds the lock is probably a bulk run of this CPU, which answers requests. */
  ANSWERS: 3,
  /** Line number + 1 of the exclusive monitor. */
  MONITOR: 4,
  /** Line number + 1 that a blocked CPU watches. */
  WATCH: 5,
  WATCH_HIT: 6,
  /** Counts wake-up events; the word that a blocked thread sleeps on. */
  EVENT: 16,
  IRQ_PENDING: 17,
  IRQ_IN_FLIGHT: 18,
  IRQ_MASKED: 19,
  /** RUN_* */
  RUN: 20,
  /** Broadcast invalidates of this CPU that some target has not completed. */
  OUTSTANDING: 21,
  /** CPU number + 1 that alone can wake this CPU; negative if it is an interrupt handler there that does. */
  WAITS_FOR: 22,
  ASID: 23,
  /** Physical address of the root table. */
  ROOT: 24,
  MMU_ON: 25,
  CACHE_ON: 26,
  WALK_ACTIVE: 27,
  WALK_VA: 28,
  WALK_CANCELLED: 29,
  /** Buffered stores ever issued and ever drained. */
  STORES_IN: 30,
  STORES_OUT: 31,
  /** Queue of incoming broadcasts: head and tail count up for ever. */
  QUEUE_HEAD: 32,
  QUEUE_TAIL: 33,
  /** Broadcasts that have acted and wait for older buffered stores to drain. */
  QUEUE_ACTED: 34,
  /** Simulated time in quanta, for the bound on skew between threads. */
  QUANTUM: 35,
  /** Epoch (see EPOCH below) in which the running access began. */
  ACCESS_EPOCH: 37,
  /** An access with a translated address is under way while the lock is given up for its transaction. */
  IN_ACCESS: 39,
  /** Cycles that others have stolen from this CPU and that its clock has not seen yet. */
  STOLEN: 40,
  /** Last data address, where the prefetcher goes on from. */
  LAST_VA: 41,
  /** Counts the times that this CPU stopped waiting. */
  WAKES: 42,
  /** Index + 1 of the ghost word that names the CPU (number + 1) that alone can wake this CPU. */
  WAITS_FOR_HOLDER: 43,
  /** Counts the changes of this CPU's TLBs and context: what was looked up before is good until then. */
  TLB_CHANGES: 44,
  /** The program waits at a barrier for its own stores to drain. */
  DRAINING: 45,
  /** Ghost: how often the table that the walker reads next had been freed when the walker learnt of it. */
  WALK_GENERATION: 46,
  /** 1: TLB entries are common, not private (TTBR.CnP). */
  COMMON: 47,
  /** 1 while a guest's code runs. */
  GUEST: 48,
  /** VMID of the guest that runs, or ran last; the host's is 0. */
  VMID: 49,
  /** What TLB tags of this CPU have above the ASID now: see `tagOf` in tlb-tag.ts. */
  TAG_HIGH: 50,
  /** Physical address of the root table of stage 2. */
  STAGE2_ROOT: 51,
  /** HCR_*: what the host has set up for the guest. */
  HCR: 52,
  /** GUEST_*: what the guest has switched on. */
  GUEST_CONTROL: 53,
  /** The host's context, while a guest runs. */
  HOST_ROOT: 54,
  HOST_ASID: 55,
  HOST_MMU_ON: 56,
  HOST_COMMON: 57,
  /** The guest's context, while the host runs. */
  GUEST_ROOT: 58,
  GUEST_ASID: 59,
  /** 1 while the host handles an exit after which the guest goes on. */
  GUEST_HELD: 60,
  /** What the attributes of the guest's own entries mean: see memory-types.ts. */
  GUEST_TYPES: 61,
  /** 1: the CPU’s program has no interrupt handlers, so that it takes none, masked or not. */
  NO_VECTORS: 62,
  WORDS: 64,
} as const;

/**
 * Words of the answer to a snoop: what was found, in the two low bits, and above them a number that every
 * answer counts up; then the line. What was found and most of the line fill one host cache line.
 */
export const REPLY = { FOUND: 0, LINE: 1, COUNT_ONE: 4 } as const;

/** Values of CTL.MMU_ON. */
export const MMU_STAGE1 = 1;
export const MMU_TWO_STAGES = 2;

/** Bits of CTL.HCR: stage 2 overrules caching (FWB), registers of the MMU trap (TVM), set/way traps (TSW). */
export const HCR_FWB = 1;
export const HCR_TVM = 2;
export const HCR_TSW = 4;

/**
 * Bits of CTL.GUEST_CONTROL: translation of stage 1 is on (SCTLR.M), data may be cached (SCTLR.C); the platform does
 * not ask the guest about caching.
 */
export const GUEST_MMU = 1;
export const GUEST_CACHES = 2;
export const GUEST_NO_SAY = 4;

/** In CTL.REQUEST: somebody wants the lock itself. */
export const LOCK_WANTED = -1;

/** Values of CTL.RUN. */
export const RUN_RUNNING = 0;
export const RUN_WATCH = 1;
export const RUN_BARRIER = 2;
export const RUN_IDLE = 3;
export const RUN_FINISHED = 4;

/** Words of the global control block. */
export const GLOBAL = {
  /** Not 0: everybody stops. STOP_* */
  STOP: 0,
  /** Ghost time: counts table stores, TLB fills, invalidates and contract points. */
  EPOCH: 16,
  WATCHERS: 32,
  /** Kind + 1 of the first finding, under FINDING_LOCK. */
  FINDINGS: 48,
  FINDING_LOCK: 49,
  /** Serialized runs of the threads host: who holds it takes the next step. */
  TURN: 64,
  /** Programs that have ended, and CPUs whose threads sleep. */
  ENDED: 80,
  ASLEEP: 81,
  /** Counts the times that a thread got up. */
  RISEN: 82,
  /** Ghost: states that the scenario declares and the run has come to, a bit each. */
  REACHED: 83,
  /** Ghost: for each of them how many CPUs are in the stretch that goes with it. */
  WINDOWS: 96,
  /** Cycles for which the interconnect was occupied, modulo 2^32, where threads keep it (see MachineState). */
  BUS_USED: 128,
  WORDS: 144,
} as const;

export const STOP_NONE = 0;
export const STOP_FINDING = 1;
export const STOP_DEADLOCK = 2;
export const STOP_STEPS = 3;
export const STOP_TIME = 4;
export const STOP_ERROR = 5;
export const STOP_DONE = 6;
export const STOP_REACHED = 7;

/** Words of a CPU's time block (Float64, cycles). */
export const TIME = {
  CLOCK: 0,
  /** When the event that wakes a waiting CPU happened. */
  EVENT: 1,
  /** When the last of this CPU's broadcasts completed. */
  COMPLETED: 2,
  /** Until when this CPU's port for incoming broadcasts is busy. */
  PORT_BUSY: 3,
  /** Until when the write buffer's port is busy draining. */
  DRAINED: 4,
  /** Arrival times of the 32 interrupt vectors. */
  IRQ: 5,
  WORDS: 37,
} as const;

/** Counters of a CPU, in the order of their words. Cycles where the name says so, otherwise events. */
export const counterNames = [
  'steps',
  'loads',
  'stores',
  'atomics',
  'fetches',
  'l1dMisses',
  'l1iMisses',
  'l2Hits',
  'sharedHits',
  'outerHits',
  'memoryReads',
  'cacheToCache',
  'upgrades',
  'evictions',
  'writeBacks',
  'invalidationsReceived',
  'downgrades',
  'uncached',
  'maintenance',
  'tlbMisses',
  'secondTlbHits',
  'walks',
  'walkReads',
  'faults',
  'tlbInvalidates',
  'broadcastsIssued',
  'broadcastsReceived',
  'stolenCycles',
  'ipisSent',
  'interrupts',
  'interruptCycles',
  'waitCycles',
  'dirtyEvictions',
  'l2Evictions',
  'dirtySupplied',
  'missesHeldElsewhere',
  'coherencyExceptions',
] as const;
export type CounterName = (typeof counterNames)[number];
export const COUNT = Object.fromEntries(counterNames.map((n, i) => [n, i])) as Record<CounterName, number>;

/** Words of a buffered store. */
export const STORE = { VA: 0, PA: 1, SIZE: 2, LOW: 3, HIGH: 4, ATTRIBUTES: 5, WORDS: 8 } as const;

/** Instructions fetched ahead: how many ever since they were discarded, then, from FIRST on, entries of so many words. */
export const FETCHED = {
  COUNT: 0,
  FIRST: 8,
  VALID: 0,
  VA: 1,
  PA: 2,
  WORD: 3,
  VERSION: 4,
  WORDS: 8,
  ENTRIES: 8,
} as const;

/** Words of a queued broadcast invalidate. */
export const DVM = { KIND: 0, VA: 1, PAGES: 2, ASID: 3, FROM: 4, STORES: 5, EPOCH: 6, WORDS: 8 } as const;

/** Ring of the last TLB invalidates per CPU: word 0 counts, then entries. */
export const TLB_LOG = {
  KIND: 0,
  VA: 1,
  PAGES: 2,
  ASID: 3,
  FROM: 4,
  EPOCH: 5,
  WORDS: 8,
  ENTRIES: 64,
} as const;

/** Words of a finding in the buffer; checker/finding.ts gives them meaning. */
export const FINDING = { WORDS: 24, ENTRIES: 64 } as const;
