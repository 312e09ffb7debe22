/** Traces that bench/trace.ts makes up, and the loop that it compares with. */
import { type FeedBuffers, wholeFeed } from '../../src/trace/feed.ts';
import { CHUNKS, NAME_WORDS } from '../../src/trace/words.ts';

const BASE = 0x4000_0000;
const MADE_UP_ACCESSES = 4_000_000;
const PRIVATE_ACCESSES = 400_000;
const CONTENDED_LINES = 16;

function feedOf(words: Uint32Array): FeedBuffers {
  const shared = new Uint32Array(new SharedArrayBuffer(words.byteLength));
  shared.set(words);
  return wholeFeed(shared, new Int32Array(CHUNKS * NAME_WORDS), 0);
}

/** The words of a feed that has them all. */
export function wordsOf(feed: FeedBuffers): Uint32Array {
  if (!feed.whole) throw new Error('this feed is streamed');
  return feed.whole;
}

function randomFrom(seed: number): (below: number) => number {
  let state = 88_172_645 + seed * 7919;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

/** Straight code with jumps, and loads and stores with some locality. */
export function madeUpTrace(): FeedBuffers {
  const random = randomFrom(1);
  const words = new Uint32Array(MADE_UP_ACCESSES);
  let pc = BASE;
  let data = 0x5000_0000;
  for (let i = 0; i < words.length; i++) {
    const draw = random(100);
    if (draw < 68) {
      pc = random(16) === 0 ? BASE + random(1 << 13) * 4 : pc + 4;
      words[i] = pc | 2;
    } else {
      data = random(6) === 0 ? 0x5000_0000 + random(1 << 15) * 4 : data + 4;
      words[i] = data | (draw < 90 ? 0 : 1);
    }
  }
  return feedOf(words);
}

/** One CPU's own data. */
export function privateTrace(cpu: number): FeedBuffers {
  const random = randomFrom(cpu);
  const words = new Uint32Array(PRIVATE_ACCESSES);
  for (let i = 0; i < words.length; i++) {
    words[i] = (BASE + cpu * 0x10_0000 + random(4096) * 4) | (random(100) < 30 ? 1 : 0);
  }
  return feedOf(words);
}

/** Words of a few lines that every CPU reads and writes. */
export function contendedTrace(cpu: number, accesses: number): FeedBuffers {
  const random = randomFrom(cpu);
  const words = new Uint32Array(accesses);
  for (let i = 0; i < words.length; i++) {
    words[i] = (BASE + random(CONTENDED_LINES * 16) * 4) | (random(100) < 30 ? 1 : 0);
  }
  return feedOf(words);
}

const SETS = 64;
const WAYS = 8;

/**
 * Tags, data and a most recently used way for each of two caches of 32 KB, nothing else: what no simulator
 * in this language can beat by much. Returns millions of accesses a second.
 */
export function bareLoop(words: Uint32Array): number {
  const tags = [0, 1].map(() => new Int32Array(SETS * WAYS).fill(-1));
  const mrus = [0, 1].map(() => new Uint8Array(SETS));
  const datas = [0, 1].map(() => new Int32Array(SETS * WAYS * 16));
  const began = performance.now();
  const sink = loop(words, tags[0], mrus[0], datas[0], tags[1], mrus[1], datas[1]);
  const ms = performance.now() - began;
  if (sink === 1) console.error('');
  return words.length / ms / 1000;
}

function loop(
  words: Uint32Array,
  dataTags: Int32Array,
  dataMru: Uint8Array,
  data: Int32Array,
  codeTags: Int32Array,
  codeMru: Uint8Array,
  code: Int32Array,
): number {
  let sink = 0;
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    const isFetch = (word & 3) === 2;
    const tags = isFetch ? codeTags : dataTags;
    const mru = isFetch ? codeMru : dataMru;
    const lines = isFetch ? code : data;
    const line = word >>> 6;
    const set = line & (SETS - 1);
    let slot = set * WAYS + mru[set];
    if (tags[slot] !== line) {
      let way = 0;
      while (way < WAYS && tags[set * WAYS + way] !== line) way++;
      if (way === WAYS) way = (mru[set] + 1) % WAYS;
      mru[set] = way;
      slot = set * WAYS + way;
      tags[slot] = line;
    }
    const at = slot * 16 + ((word >>> 2) & 15);
    if ((word & 3) === 1) lines[at] = i;
    else sink ^= lines[at];
  }
  return sink;
}
