/**
 * Names of the words in a machine's buffer: control registers, clocks, counters, and the records that are
 * kept as groups of words.
 */

/** Words of a CPU's control block. Those that another thread may write are accessed with Atomics. */
export const CTL = {
  LOCK: 0,
  /** CPUs that want this CPU's lock: a bulk run gives way to them. */
  SNOOPERS: 1,
  /** Counts wake-up events; the word that a blocked thread sleeps on. */
  EVENT: 2,
  IRQ_PENDING: 3,
  IRQ_IN_FLIGHT: 4,
  IRQ_MASKED: 5,
  /** RUN_* */
  RUN: 6,
  /** Line number + 1 that a blocked CPU watches. */
  WATCH: 7,
  WATCH_HIT: 8,
  /** Broadcast invalidates of this CPU that some target has not completed. */
  OUTSTANDING: 9,
  /** CPU number + 1 that alone can wake this CPU. */
  WAITS_FOR: 10,
  /** Line number + 1 of the exclusive monitor. */
  MONITOR: 11,
  ASID: 12,
  /** Physical address of the root table. */
  ROOT: 13,
  MMU_ON: 14,
  CACHE_ON: 15,
  WALK_ACTIVE: 16,
  WALK_VA: 17,
  WALK_CANCELLED: 18,
  /** Buffered stores ever issued and ever drained. */
  STORES_IN: 19,
  STORES_OUT: 20,
  /** Queue of incoming broadcasts: head and tail count up for ever. */
  QUEUE_HEAD: 21,
  QUEUE_TAIL: 22,
  /** Broadcasts that have acted and wait for older buffered stores to drain. */
  QUEUE_ACTED: 23,
  /** Simulated time in quanta, for the bound on skew between threads. */
  QUANTUM: 24,
  /** Random state of the threads host's agents. */
  AGENT_RANDOM: 25,
  /** Epoch (see EPOCH below) in which the running access began. */
  ACCESS_EPOCH: 26,
  INTERRUPT_DEPTH: 27,
  /** An access with a translated address is under way while the lock is given up for its transaction. */
  IN_ACCESS: 28,
  /** Cycles that others have stolen from this CPU and that its clock has not seen yet. */
  STOLEN: 29,
  /** Last data address, where the prefetcher goes on from. */
  LAST_VA: 30,
  /** Counts the times that this CPU stopped waiting. */
  WAKES: 31,
  /** Index + 1 of the ghost word that names the CPU (number + 1) that alone can wake this CPU. */
  WAITS_FOR_HOLDER: 32,
  /** Counts the changes of this CPU's TLBs and context: what was looked up before is good until then. */
  TLB_CHANGES: 33,
  /** The program waits at a barrier for its own stores to drain. */
  DRAINING: 34,
  /** Ghost: how often the table that the walker reads next had been freed when the walker learnt of it. */
  WALK_GENERATION: 35,
  WORDS: 48,
} as const;

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
  WORDS: 128,
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
] as const;
export type CounterName = (typeof counterNames)[number];
export const COUNT = Object.fromEntries(counterNames.map((n, i) => [n, i])) as Record<CounterName, number>;

/** Words of a buffered store. */
export const STORE = { VA: 0, PA: 1, SIZE: 2, LOW: 3, HIGH: 4, ATTRIBUTES: 5, WORDS: 8 } as const;

/** Words of a queued broadcast invalidate. */
export const DVM = { KIND: 0, VA: 1, PAGES: 2, ASID: 3, FROM: 4, STORES: 5, WORDS: 8 } as const;

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
