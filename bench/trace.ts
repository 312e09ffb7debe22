/**
 * How fast traces run, as ratios within one run: the whole machine against a bare loop over tags and data,
 * two CPUs against one, sixteen on however many cores there are, lines that all CPUs contend for, and the
 * reader. `node --import ./scripts/register-ts.mjs bench/trace.ts FOLDER [--rounds N]`, where FOLDER has
 * sort.lackey.gz and psort16.*.bin.gz; without it the traces are made up here.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ThreadsHost } from '../src/hosts/threads.ts';
import { STREAM_NOTES, TRACE_NOTE } from '../src/trace/notes.ts';
import { tracePlatform } from '../src/trace/platform.ts';
import { openBytes, readRecords } from '../src/trace/reader.ts';
import { plainRun, runPlaced } from '../src/trace/run.ts';
import { loadTrace } from '../src/trace/source.ts';
import { CHUNK_MAP_WORDS, ChunkMap } from '../src/trace/words.ts';
import type { PlacedTrace } from '../src/trace/workload.ts';
import { bareLoop, contendedTrace, madeUpTrace, privateTrace, wordsOf } from './workloads/trace.ts';

const { values, positionals } = parseArgs({
  options: { rounds: { type: 'string', default: '5' } },
  allowPositionals: true,
});
const rounds = Number(values.rounds);
const folder = positionals[0];
const LINE_BYTES = 64;
const CONTENDED_CPUS = [2, 4, 8, 16];
const CONTENDED_ACCESSES = 400_000;
/** Rounds before those that count: so long the compilers take, and longer for the second worker than for the first. */
const WARM_UP = 4;

const inFolder = (name: string) => (folder === undefined ? undefined : join(folder, name));
const newMap = () => new ChunkMap(new Int32Array(new SharedArrayBuffer(CHUNK_MAP_WORDS * 4)));

async function load(path: string | undefined, split: boolean, map: ChunkMap) {
  if (path === undefined || !existsSync(path)) return null;
  return (await loadTrace(path, { lineBytes: LINE_BYTES, split, progress: false }, map)).feed;
}

const host = new ThreadsHost();

/** Millions of accesses a second, all CPUs together, over the time of the slowest. */
async function machineRate(traces: readonly PlacedTrace[]): Promise<number> {
  const cpus = traces.length;
  const run = plainRun(tracePlatform({ cpus }), [], { cpus, host: 'threads', maxSeconds: 600 });
  const result = await runPlaced(run, traces, host);
  if (result.outcome !== 'finished') throw new Error(`${result.outcome} ${result.error ?? ''}`);
  const slowest = Math.max(...result.cpus.map(({ notes }) => notes[TRACE_NOTE.MILLISECONDS]));
  const accesses = result.cpus.reduce((sum, { notes }) => {
    const [loads, stores, fetches] = notes.slice(STREAM_NOTES.from, STREAM_NOTES.to);
    return sum + loads + stores + fetches;
  }, 0);
  return accesses / slowest / 1000;
}

/** Millions of records a second, of a file; and the memory of the process, MB. */
async function readerRate(path: string): Promise<number> {
  const began = performance.now();
  let records = 0;
  for await (const batch of readRecords(openBytes(path), path)) records += batch.count;
  return records / (performance.now() - began) / 1000;
}

const sortPath = inFolder('sort.lackey.gz');
const sort = (await load(sortPath, true, newMap())) ?? madeUpTrace();
const map16 = newMap();
const psort: PlacedTrace[] = [];
for (let cpu = 0; cpu < 16; cpu++) {
  const feed = (await load(inFolder(`psort16.${cpu}.bin.gz`), false, map16)) ?? privateTrace(cpu);
  psort.push({ feed, cpu, space: 0 });
}

const measured: Record<string, number[]> = {};
const note = (name: string, rate: number) => {
  const list = measured[name] ?? [];
  list.push(rate);
  measured[name] = list;
};
for (let round = -WARM_UP; round < rounds; round++) {
  const keep = round < 0 ? () => {} : note;
  if (sortPath !== undefined) keep('lackey reader', await readerRate(sortPath));
  keep('bare loop', bareLoop(wordsOf(sort)));
  keep('1 CPU', await machineRate([{ feed: sort, cpu: 0, space: 0 }]));
  keep('2 CPUs', await machineRate([0, 1].map((cpu) => ({ feed: sort, cpu, space: cpu }))));
  keep('16 CPUs, psort', await machineRate(psort));
  for (const cpus of CONTENDED_CPUS) {
    const traces = Array.from({ length: cpus }, (_, cpu) => ({
      feed: contendedTrace(cpu, CONTENDED_ACCESSES),
      cpu,
      space: 0,
    }));
    keep(`${cpus} CPUs, contended`, await machineRate(traces));
  }
}
await host.close();

const median = (list: number[]) => list.sort((a, b) => a - b)[list.length >> 1];
const rate = Object.fromEntries(Object.entries(measured).map(([name, list]) => [name, median(list)]));
console.log(`${folder ?? 'made-up traces'}: plain machine, no checker, median of ${rounds}`);
for (const [name, value] of Object.entries(rate)) {
  const unit = name === 'lackey reader' ? 'M records/s' : 'M accesses/s';
  console.log(`${name.padEnd(22)} ${value.toFixed(1).padStart(7)} ${unit}`);
}
const ratio = (a: string, b: string) => (rate[a] / rate[b]).toFixed(2);
console.log(`1 CPU / bare loop      ${ratio('1 CPU', 'bare loop')}`);
console.log(`2 CPUs / 1 CPU         ${ratio('2 CPUs', '1 CPU')}`);
console.log(`memory of this process ${(process.memoryUsage().rss / 1e6).toFixed(0)} MB`);
