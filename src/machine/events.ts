/**
 * What happened, step by step, for whoever wants to know: which steps depend on each other, what a run did,
 * whether a replay did the same. The machine says it at the moment at which it happens; nobody asks while a
 * run is timed.
 */

/** Kinds of events, with what their three words mean. All addresses are physical unless said otherwise. */
export const EVENT = {
  /** Value read: address, value, virtual address. */
  LOAD: 1,
  /** A store is performed: address, value, size in bytes. */
  STORE: 2,
  /** A store enters the write buffer: its number there, address, value. */
  BUFFER: 3,
  /** A buffered store leaves: its number, 1 if the CPU's program has ended. Its STORE follows. */
  DRAIN: 4,
  /** TLB lookup: virtual address, result (see Translation.lookup). */
  LOOKUP: 5,
  /** A walk begins: virtual address. */
  WALK: 6,
  /** The walker read an entry: address, entry, virtual address. */
  WALK_READ: 7,
  /** The TLB gets an entry: virtual page + 2^20 * log2 of its pages, entry, address of the entry. */
  FILL: 8,
  /** A TLB invalidate acts on this CPU: kind + TLBI_KINDS * pages, virtual or intermediate address, CPU that issued it. */
  TLBI: 9,
  /** A broadcast is queued for this CPU: its number there, kind, CPU that issued it. */
  QUEUE: 10,
  /** A queued broadcast acts: its number, CPU that issued it. */
  ACT: 11,
  /** A broadcast of this CPU is complete at a target: the target. */
  COMPLETE: 12,
  /** This CPU looks whether its broadcasts are complete: how many are not. */
  BARRIER: 13,
  /** An IPI is sent to this CPU: vector, sender. */
  IPI_SENT: 14,
  /** It is delivered: vector. */
  IPI_DELIVERED: 15,
  /** The handler begins: vector. */
  IPI_TAKEN: 16,
  /** A step that would take an interrupt if one were pending. */
  OPEN: 17,
  /** This CPU watches a line, for a store by anyone: the line's address. */
  WATCH: 18,
  /** Context switch: table base, ASID, and which of the two registers was written alone (CONTEXT_*). */
  CONTEXT: 19,
  /** An access begins: what the kernel has promised so far holds for it. */
  BEGIN: 20,
  /** The kernel promises that an old entry is not used any more: address of the entry. */
  CONTRACT: 21,
  /** The kernel frees a frame: its number. */
  FREED: 22,
  /** A line moves out of this CPU's private caches: address, 1 if dirty. */
  EVICT: 23,
  /** A line moves in or out behind the private caches: address, 1 if written. */
  BEHIND: 24,
  /** Maintenance looks at a line of this CPU's caches: address (-1: by set and way, or all). */
  MAINTAIN: 25,
  /** A finding: kind. */
  FINDING: 26,
  /** Caches of this CPU on or off. */
  CACHES: 27,
  /** The walker looks whether an invalidate has come meanwhile. */
  WALK_CHECK: 28,
  /** This CPU's stores have drained, up to this number, as a barrier demanded. */
  DRAINED: 29,
  /** An access must wait until a buffered store has drained: the store's number. */
  HELD: 30,
  /** A program ends (0), or the CPU of one that has ended takes a step (1). */
  ENDED: 31,
  /** The run comes to a state that the scenario declares, for the first time: the state's number. */
  REACHED: 32,
  /** A stretch that goes with such a state begins or ends (1), or somebody looks whether it is on (0): number, which. */
  WINDOW: 33,
  /** An access raises a virtual coherency exception instead of performing: address, virtual address. */
  COHERENCY: 34,
  /**
   * A rule on ASIDs is looked at: key of the number (see kernel/asid/asid-invariants.ts), 1 if a space starts
   * using it on this CPU and 0 if it stops, address of the word that says which number is that space's own (0: none).
   */
  ASID: 35,
  /** This CPU goes into a guest (1) or leaves it (0): which, VMID, root of stage 2. GUEST_CONTEXT follows. */
  GUEST: 36,
  /** What translates on this CPU has changed with a guest: root, ASID, GUEST_* of the guest's own control. */
  GUEST_CONTEXT: 37,
  /**
   * The walker takes an intermediate address to what it remembers of stage 2, or remembers it there: address, entry
   * (0: none is found), virtual address of the walk.
   */
  STAGE2: 38,
  /**
   * Something was read as others have it, whatever this CPU's write buffer has: the word of an instruction, or the
   * second of an access of two words. Address. The LOAD is said besides.
   */
  READ_PAST: 40,
} as const;

/** By which EVENT.TLBI counts pages, above the kind. */
export const TLBI_KINDS = 16;

/** Third word of EVENT.CONTEXT: both registers in one step, the second of two steps, or one register alone. */
export const CONTEXT_ASID = 2;
export const CONTEXT_BASE = 3;

/** Words of an event: kind, CPU, and three words of its own. */
export const EVENT_WORDS = 5;

/** Takes events down, one after the other. */
export class EventLog {
  /** EVENT_WORDS words each; the first `length` words are valid. */
  words = new Int32Array(4096 * EVENT_WORDS);
  length = 0;

  push(kind: number, cpu: number, a: number, b: number, c: number): void {
    if (this.length === this.words.length) {
      const larger = new Int32Array(this.words.length * 2);
      larger.set(this.words);
      this.words = larger;
    }
    const { words, length } = this;
    words[length] = kind;
    words[length + 1] = cpu;
    words[length + 2] = a;
    words[length + 3] = b;
    words[length + 4] = c;
    this.length = length + EVENT_WORDS;
  }

  clear(): void {
    this.length = 0;
  }
}
