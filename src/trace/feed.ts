/**
 * Hands a trace from the thread that reads it to the thread of the CPU that runs it: a ring of slots in
 * shared memory, so that a trace of any length takes the same memory, or the whole trace at once.
 */
import { TraceError } from './trace-error.ts';
import { CHUNKS, NAME_WORDS } from './words.ts';

const SLOTS = 8;
const SLOT_WORDS = 1 << 14;
const MESSAGE_BYTES = 1024;

/** Words of the header. Produced and consumed count slots for ever. */
const PRODUCED = 0;
const CONSUMED = 16;
const STATE = 32;
const MESSAGE_LENGTH = 33;
/** Per slot: words in it, and chunks that the trace had named by then. */
const LENGTHS = 48;
const CHUNK_COUNTS = LENGTHS + SLOTS;
const NAMES = CHUNK_COUNTS + SLOTS;
const HEADER_WORDS = NAMES + CHUNKS * NAME_WORDS;

const OPEN = 0;
const ENDED = 1;
const FAILED = 2;
/** The consumer wants no more. */
const ABANDONED = 3;

/** Longest wait before a thread looks again: a safety net, every change is notified. */
const NAP_MS = 200;

/** What crosses threads. `whole` is there when the trace is not streamed. */
export interface FeedBuffers {
  readonly header: Int32Array;
  readonly message: Uint8Array;
  readonly slots: Uint32Array;
  readonly whole: Uint32Array | null;
}

export function createFeed(): FeedBuffers {
  return {
    header: new Int32Array(new SharedArrayBuffer(HEADER_WORDS * 4)),
    message: new Uint8Array(new SharedArrayBuffer(MESSAGE_BYTES)),
    slots: new Uint32Array(new SharedArrayBuffer(SLOTS * SLOT_WORDS * 4)),
    whole: null,
  };
}

/** A feed that has everything already. */
export function wholeFeed(words: Uint32Array, names: Int32Array, chunkCount: number): FeedBuffers {
  const header = new Int32Array(new SharedArrayBuffer(HEADER_WORDS * 4));
  header.set(names.subarray(0, CHUNKS * NAME_WORDS), NAMES);
  header[CHUNK_COUNTS] = chunkCount;
  header[STATE] = ENDED;
  const nothing = new SharedArrayBuffer(0);
  return { header, message: new Uint8Array(nothing), slots: new Uint32Array(nothing), whole: words };
}

/** The names of the trace's chunks, filled by its encoder. */
export function namesOf(feed: FeedBuffers): Int32Array {
  return feed.header.subarray(NAMES, NAMES + CHUNKS * NAME_WORDS);
}

/** The reading side. */
export class FeedWriter {
  private readonly feed: FeedBuffers;

  constructor(feed: FeedBuffers) {
    this.feed = feed;
  }

  /** The next slot to fill, when there is one; null: nobody wants more. */
  async next(): Promise<Uint32Array | null> {
    const { header, slots } = this.feed;
    for (;;) {
      if (Atomics.load(header, STATE) === ABANDONED) return null;
      const consumed = Atomics.load(header, CONSUMED);
      const produced = header[PRODUCED];
      if (produced - consumed < SLOTS) {
        const at = (produced % SLOTS) * SLOT_WORDS;
        return slots.subarray(at, at + SLOT_WORDS);
      }
      const { async: isAsync, value } = Atomics.waitAsync(header, CONSUMED, consumed, NAP_MS);
      if (isAsync) await value;
    }
  }

  /** Hands over the slot that `next` gave. */
  put(length: number, chunkCount: number): void {
    const { header } = this.feed;
    const slot = header[PRODUCED] % SLOTS;
    header[LENGTHS + slot] = length;
    header[CHUNK_COUNTS + slot] = chunkCount;
    Atomics.add(header, PRODUCED, 1);
    Atomics.notify(header, PRODUCED);
  }

  end(): void {
    this.finish(ENDED);
  }

  /** The consumer's next `take` throws this. */
  fail(message: string): void {
    const { header, message: bytes } = this.feed;
    const text = new TextEncoder().encode(message).subarray(0, MESSAGE_BYTES);
    bytes.set(text);
    header[MESSAGE_LENGTH] = text.length;
    this.finish(FAILED);
  }

  private finish(state: number): void {
    const { header } = this.feed;
    Atomics.compareExchange(header, STATE, OPEN, state);
    Atomics.notify(header, PRODUCED);
  }
}

/** The running side: blocks its thread until the reader has something. */
export class FeedReader {
  private readonly feed: FeedBuffers;
  private taken = false;

  constructor(feed: FeedBuffers) {
    this.feed = feed;
  }

  /**
   * The next stretch of the trace, or null at its end. Good until the next call.
   * @throws TraceError what the reader found wrong
   */
  take(): Uint32Array | null {
    const { header, slots, whole } = this.feed;
    if (whole) return this.takeWhole(whole);
    if (this.taken) {
      Atomics.add(header, CONSUMED, 1);
      Atomics.notify(header, CONSUMED);
      this.taken = false;
    }
    const consumed = header[CONSUMED];
    for (;;) {
      // The state before the count: what was produced before the end is seen once the end is.
      const state = Atomics.load(header, STATE);
      const produced = Atomics.load(header, PRODUCED);
      if (produced > consumed) break;
      if (state === ENDED) return null;
      if (state === FAILED) throw new TraceError(this.message());
      Atomics.wait(header, PRODUCED, produced, NAP_MS);
    }
    this.taken = true;
    const slot = consumed % SLOTS;
    return slots.subarray(slot * SLOT_WORDS, slot * SLOT_WORDS + header[LENGTHS + slot]);
  }

  private takeWhole(whole: Uint32Array): Uint32Array | null {
    if (this.taken) return null;
    this.taken = true;
    return whole;
  }

  /** Chunks that the trace had named when the last stretch was encoded. */
  get chunkCount(): number {
    const { header, whole } = this.feed;
    return header[CHUNK_COUNTS + (whole ? 0 : header[CONSUMED] % SLOTS)];
  }

  /** Lets the reader stop: no more is wanted. */
  abandon(): void {
    const { header } = this.feed;
    Atomics.compareExchange(header, STATE, OPEN, ABANDONED);
    Atomics.add(header, CONSUMED, 1);
    Atomics.notify(header, CONSUMED);
  }

  private message(): string {
    return new TextDecoder().decode(this.feed.message.slice(0, this.feed.header[MESSAGE_LENGTH]));
  }
}
