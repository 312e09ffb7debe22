/**
 * Reads a trace as a stream: whatever the format, gzip or not, file or pipe, in constant memory.
 */
import { createReadStream, fstatSync } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { BinaryParser } from './binary.ts';
import { DinParser } from './din.ts';
import { LackeyParser } from './lackey.ts';
import { Records, type TraceParser } from './records.ts';
import { TraceError } from './trace-error.ts';

export const traceFormats = ['lackey', 'din', 'xdin', 'binary'] as const;
export type TraceFormat = (typeof traceFormats)[number];

const CHUNK_BYTES = 1 << 18;
/** Enough of the beginning to tell the formats apart. */
const SNIFF_BYTES = 64;

/** Opens a file, or standard input for `-`. @throws TraceError if it cannot be read */
export async function* openBytes(
  path: string,
  consumed: (bytes: number, total: number) => void = () => {},
): AsyncGenerator<Uint8Array> {
  const fromStdin = path === '-';
  const options = { highWaterMark: CHUNK_BYTES, ...(fromStdin && { fd: 0, autoClose: false }) };
  const stream = createReadStream(fromStdin ? '' : path, options);
  let read = 0;
  let total = 0;
  stream.on('open', (fd: number) => {
    total = sizeOf(fd);
  });
  if (fromStdin) total = sizeOf(0);
  try {
    for await (const chunk of stream) {
      read += (chunk as Buffer).length;
      consumed(read, total);
      yield chunk as Buffer;
    }
  } catch (error) {
    throw new TraceError(
      `${nameOf(path)}: ${reasonOf(error)}: name a readable trace, or - for standard input`,
    );
  }
}

/** Size of a regular file, 0 for a pipe. */
function sizeOf(fd: number): number {
  try {
    const stat = fstatSync(fd);
    return stat.isFile() ? stat.size : 0;
  } catch {
    return 0;
  }
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'no such file';
  if (code === 'EISDIR') return 'is a folder';
  if (code === 'EACCES') return 'permission denied';
  return message.replace(/\s+/g, ' ');
}

/** How messages call a trace. */
export function nameOf(path: string): string {
  return path === '-' ? 'standard input' : path;
}

/**
 * Batches of records from a stream of bytes. The batch that is yielded is overwritten by the next.
 * @param where the trace's name in errors
 * @param format what it is in, or undefined to tell by its beginning
 * @throws TraceError naming the line that is malformed
 */
export async function* readRecords(
  bytes: AsyncIterable<Uint8Array>,
  where: string,
  format?: TraceFormat,
): AsyncGenerator<Records> {
  const records = new Records();
  let parser: TraceParser | undefined;
  let head: Uint8Array = new Uint8Array(0);
  for await (const chunk of gunzipped(bytes, where)) {
    let part = chunk;
    if (!parser) {
      head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
      if (!format && head.length < SNIFF_BYTES) continue;
      parser = parserFor(format ?? sniff(head, where), where);
      part = head;
    }
    for (let at = 0; at < part.length; ) {
      at = parser.parse(part, at, records);
      if (records.isFull) {
        yield records;
        records.count = 0;
      }
    }
  }
  if (!parser) {
    if (head.length === 0) throw new TraceError(`${where}: the trace is empty: record it again`);
    parser = parserFor(format ?? sniff(head, where), where);
    parser.parse(head, 0, records);
  }
  if (records.isFull) {
    yield records;
    records.count = 0;
  }
  parser.end(records);
  if (records.count > 0) yield records;
}

function parserFor(format: TraceFormat, where: string): TraceParser {
  if (format === 'lackey') return new LackeyParser(where);
  if (format === 'binary') return new BinaryParser(where);
  return new DinParser(where, format === 'xdin');
}

/** Tells the formats apart by how a trace begins. */
function sniff(head: Uint8Array, where: string): TraceFormat {
  if (head.subarray(0, SNIFF_BYTES).includes(0)) return 'binary';
  const text = Buffer.from(head.subarray(0, SNIFF_BYTES)).toString('latin1');
  if (/^(I {2}| [LSM] |==\d|--\d|\*\*\d)/.test(text)) return 'lackey';
  if (/^\s*[rwi]\s/.test(text)) return 'xdin';
  if (/^\s*[0-4]\s/.test(text)) return 'din';
  throw new TraceError(
    `${where}:1: not a trace that flushlab knows: give one of lackey, din or binary, or name it with --format`,
  );
}

/** Unpacks gzip (by its magic number), passes anything else through. */
async function* gunzipped(bytes: AsyncIterable<Uint8Array>, where: string): AsyncGenerator<Uint8Array> {
  const iterator = bytes[Symbol.asyncIterator]();
  let first: Uint8Array = new Uint8Array(0);
  let next = await iterator.next();
  while (first.length < 2 && next.done !== true) {
    first = Buffer.concat([first, next.value]);
    if (first.length < 2) next = await iterator.next();
  }
  const whole = (async function* () {
    if (first.length > 0) yield first;
    for (let more = await iterator.next(); more.done !== true; more = await iterator.next()) yield more.value;
  })();
  if (first[0] !== 0x1f || first[1] !== 0x8b) {
    yield* whole;
    return;
  }
  const gunzip = createGunzip({ chunkSize: CHUNK_BYTES });
  const pump = feed(whole, gunzip);
  // The error comes out where the stream is read; here it must only not be unhandled.
  pump.catch((error: unknown) => gunzip.destroy(error as Error));
  try {
    for await (const chunk of gunzip) yield chunk as Buffer;
  } catch (error) {
    if (error instanceof TraceError) throw error;
    throw new TraceError(
      `${where}: ${reasonOf(error)}: the gzip file is damaged or cut off, record it again`,
    );
  }
}

async function feed(bytes: AsyncIterable<Uint8Array>, into: NodeJS.WritableStream): Promise<void> {
  for await (const chunk of bytes) {
    if (!into.write(chunk)) await new Promise((resolve) => into.once('drain', resolve));
  }
  into.end();
}
