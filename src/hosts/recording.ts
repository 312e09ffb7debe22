/**
 * Takes down a run: its choices in the order in which they were taken, and a digest of everything that they
 * did. All in shared memory, so that the threads of one run write one record; whoever writes holds the turn.
 */
import { createHash } from 'node:crypto';
import type { EventLog } from '../machine/events.ts';

/** The order in which a run took its steps: enough to take them again. */
export interface Recording {
  /** CPUs' steps and agents' actions as they happened, numbered as on lockstep (see machine/agents.ts). */
  readonly choices: number[];
  /** SHA-256 of what the choices did, as 64 hex digits; empty if `truncated`. See `Recorder`. */
  readonly digest: string;
  /** There were more choices than there was room for: `choices` are the first ones. */
  readonly truncated: boolean;
}

/** Choices that a run on threads has room for: 16 MB, of which the host hands out what is written to. */
const CAPACITY = 4 << 20;

/** Header words. */
const COUNT = 0;
const FILLED = 1;
const TRUNCATED = 2;
/** The digest so far, right before the block that goes into it next. */
const CHAIN = 8;
const CHAIN_WORDS = 8;
const BLOCK = CHAIN + CHAIN_WORDS;
const BLOCK_WORDS = 1 << 14;
const CHOICES = BLOCK + BLOCK_WORDS;

/**
 * The digest is a chain over blocks of 2^14 words: each is the SHA-256 of the one before (at first zeros)
 * and the block, because the inner state of a hash cannot pass from thread to thread. The last block may be
 * shorter. The words are, for each choice: its number, how many words its events have, the events. What a
 * sleeper finds (a deadlock) or the workload at the end of the run belongs to no choice, and is not in it.
 */
export class Recorder {
  /** What the threads of a run share. */
  readonly buffer: SharedArrayBuffer;
  private readonly words: Int32Array;
  private readonly capacity: number;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.words = new Int32Array(buffer);
    this.capacity = this.words.length - CHOICES;
  }

  /** @param capacity choices that there is room for */
  static create(capacity: number = CAPACITY): Recorder {
    return new Recorder(new SharedArrayBuffer((CHOICES + capacity) * 4));
  }

  /** Adds a choice and what it did, and clears that. */
  append(choice: number, events: EventLog): void {
    const { words } = this;
    const count = words[COUNT];
    if (count === this.capacity) {
      words[TRUNCATED] = 1;
    } else {
      words[CHOICES + count] = choice;
      words[COUNT] = count + 1;
      this.put(choice, events);
    }
    events.clear();
  }

  private put(choice: number, events: EventLog): void {
    const { words } = this;
    let filled = words[FILLED];
    for (let i = -2; i < events.length; i++) {
      words[BLOCK + filled++] = i >= 0 ? events.words[i] : i === -2 ? choice : events.length;
      if (filled < BLOCK_WORDS) continue;
      words[FILLED] = filled;
      this.chained().copy(new Uint8Array(this.buffer, CHAIN * 4, CHAIN_WORDS * 4));
      filled = 0;
    }
    words[FILLED] = filled;
  }

  /** The chain's next link. */
  private chained(): Buffer {
    const bytes = (CHAIN_WORDS + this.words[FILLED]) * 4;
    return createHash('sha256')
      .update(new Uint8Array(this.buffer, CHAIN * 4, bytes))
      .digest();
  }

  /** What has been taken down so far. */
  recording(): Recording {
    const { words } = this;
    const truncated = words[TRUNCATED] === 1;
    return {
      choices: Array.from(words.subarray(CHOICES, CHOICES + words[COUNT])),
      digest: truncated ? '' : this.chained().toString('hex'),
      truncated,
    };
  }
}
