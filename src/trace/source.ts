/** Reads trace files into feeds: streamed by a thread of their own, or whole. */
import { Worker } from 'node:worker_threads';
import { createFeed, type FeedBuffers, FeedWriter, namesOf, wholeFeed } from './feed.ts';
import { nameOf, openBytes, readRecords, type TraceFormat } from './reader.ts';
import { KIND_FETCH } from './records.ts';
import { CHUNKS, type ChunkMap, Encoder, NAME_WORDS, Relocation } from './words.ts';

export interface ReadOptions {
  readonly lineBytes: number;
  /** An access that touches two lines counts in both. */
  readonly split: boolean;
  /** Told by the beginning of the file where left out. */
  readonly format?: TraceFormat | undefined;
  /** Show progress on stderr. */
  readonly progress: boolean;
}

export interface ReadOrder {
  readonly paths: readonly string[];
  readonly feeds: readonly FeedBuffers[];
  readonly options: ReadOptions;
}

/** Traces that a thread reads while CPUs run them. */
export class StreamedTraces {
  readonly feeds: readonly FeedBuffers[];
  private readonly worker: Worker;

  private constructor(feeds: readonly FeedBuffers[], worker: Worker) {
    this.feeds = feeds;
    this.worker = worker;
  }

  /**
   * Begins to read, one feed a path. What is wrong with a trace comes out of its feed.
   * @throws Error if the reading thread does not start
   */
  static async open(paths: readonly string[], options: ReadOptions): Promise<StreamedTraces> {
    const feeds = paths.map(() => createFeed());
    const order: ReadOrder = { paths, feeds, options };
    const fromSource = import.meta.url.endsWith('.ts');
    const url = new URL(`./reader-thread${fromSource ? '.ts' : '.js'}`, import.meta.url);
    const register = new URL('../../scripts/register-ts.mjs', import.meta.url);
    const execArgv = fromSource ? ['--import', register.href] : [];
    const worker = new Worker(url, { execArgv, workerData: order, stdin: false });
    // Whoever runs the machine blocks on a feed, and would never hear that nobody is going to fill it.
    await started(worker);
    worker.unref();
    worker.on('error', (error) => {
      for (const feed of feeds) new FeedWriter(feed).fail(String(error));
    });
    return new StreamedTraces(feeds, worker);
  }

  async close(): Promise<void> {
    await this.worker.terminate();
  }
}

/** Resolves when the thread says that it runs. */
function started(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (why: string) => reject(new Error(`the thread that reads traces did not start: ${why}`));
    worker.once('message', () => resolve());
    worker.once('error', (error) => failed(String(error)));
    worker.once('exit', (code) => failed(`it ended with code ${code}`));
  });
}

/** Told about the bytes of the file read so far and in all (0 for a pipe), and the records. */
type Consumed = (bytes: number, total: number, records: number) => void;

/** Reads one trace into its feed. What is wrong with it is told through the feed. */
export async function streamTrace(
  path: string,
  feed: FeedBuffers,
  options: ReadOptions,
  consumed: Consumed,
): Promise<void> {
  const writer = new FeedWriter(feed);
  try {
    const where = nameOf(path);
    const encoder = new Encoder(where, namesOf(feed), options.lineBytes, options.split);
    let records = 0;
    let progress = [0, 0];
    const bytes = openBytes(path, (read, total) => {
      progress = [read, total];
    });
    let words = await writer.next();
    let length = 0;
    for await (const batch of readRecords(bytes, where, options.format)) {
      for (let done = false; !done; ) {
        if (!words) return;
        const sink = { words, length };
        done = encoder.encode(batch, sink);
        length = sink.length;
        if (done) break;
        writer.put(length, encoder.chunkCount);
        words = await writer.next();
        length = 0;
      }
      records += batch.count;
      consumed(progress[0], progress[1], records);
    }
    if (length > 0) writer.put(length, encoder.chunkCount);
    writer.end();
  } catch (error) {
    writer.fail(error instanceof Error ? error.message : String(error));
  }
}

export interface WholeTrace {
  readonly feed: FeedBuffers;
  readonly records: number;
  readonly fetches: number;
}

/**
 * Reads a trace whole, and puts it into an address space.
 * @throws TraceError what is wrong with it
 */
export async function loadTrace(path: string, options: ReadOptions, map: ChunkMap): Promise<WholeTrace> {
  const where = nameOf(path);
  const names = new Int32Array(CHUNKS * NAME_WORDS);
  const encoder = new Encoder(where, names, options.lineBytes, options.split);
  let words: Uint32Array = new Uint32Array(1 << 20);
  let length = 0;
  let records = 0;
  let fetches = 0;
  for await (const batch of readRecords(openBytes(path), where, options.format)) {
    for (let done = false; !done; ) {
      const sink = { words, length };
      done = encoder.encode(batch, sink);
      length = sink.length;
      if (done) break;
      const grown = new Uint32Array(words.length * 2);
      grown.set(words);
      words = grown;
    }
    records += batch.count;
    for (let i = 0; i < batch.count; i++) if (batch.kind[i] === KIND_FETCH) fetches++;
  }
  const shared = new Uint32Array(new SharedArrayBuffer(length * 4));
  shared.set(words.subarray(0, length));
  new Relocation(names, map).relocate(shared, encoder.chunkCount);
  // What is relocated already has names that stay where they are.
  const fixed = new Int32Array(CHUNKS * NAME_WORDS);
  return { feed: wholeFeed(shared, fixed, 0), records, fetches };
}
