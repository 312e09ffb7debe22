/** Trace runs for tests. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PlatformChanges, tracePlatform } from '../../src/trace/platform.ts';
import { plainRun, runPlaced, summarise, type TraceResult, type TraceRun } from '../../src/trace/run.ts';
import { loadTrace } from '../../src/trace/source.ts';
import { CHUNK_MAP_WORDS, ChunkMap } from '../../src/trace/words.ts';
import type { Access, Geometry } from './reference-cache.ts';

const folder = mkdtempSync(join(tmpdir(), 'flushlab-trace-'));
let files = 0;
const OPERATIONS = [1n, 2n, 4n, 3n];

/** Writes accesses as a binary trace; returns its path. */
export function traceFile(accesses: readonly Access[]): string {
  const bytes = Buffer.alloc(accesses.length * 8);
  for (const [i, { kind, address, size }] of accesses.entries()) {
    bytes.writeBigUInt64LE((OPERATIONS[kind] << 56n) | (BigInt(size) << 48n) | BigInt(address), i * 8);
  }
  const path = join(folder, `${files++}.bin`);
  writeFileSync(path, bytes);
  return path;
}

function shapeOf({ size, ways, line }: Geometry) {
  return { sizeBytes: size, ways, lineBytes: line };
}

/** A run of traces, one a CPU, on the plain machine with these L1 caches. */
export function runWith(
  paths: readonly string[],
  geometry: Geometry,
  changes: Partial<TraceRun> = {},
  platform: Partial<PlatformChanges> = {},
): TraceRun {
  const shape = shapeOf(geometry);
  const cpus = changes.cpus ?? paths.length;
  const machine = tracePlatform({ l1d: shape, l1i: shape, cpus, ...platform });
  return plainRun(machine, paths, { maxSeconds: 60, ...changes });
}

/** Like `runTrace`, with the traces read beforehand in this thread: faster for many small ones. */
export async function runLoaded(run: TraceRun): Promise<TraceResult> {
  const map = new ChunkMap(new Int32Array(new SharedArrayBuffer(CHUNK_MAP_WORDS * 4)));
  const options = { lineBytes: run.platform.lineBytes, split: run.split, progress: false };
  const traces = [];
  for (const [i, path] of run.paths.entries()) {
    const { feed } = await loadTrace(path, options, map);
    traces.push({ feed, cpu: i % run.cpus, space: 0 });
  }
  return summarise(run, await runPlaced(run, traces), 0);
}
