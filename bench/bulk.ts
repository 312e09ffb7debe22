/**
 * How fast bulk accesses are, as ratios within one run: the whole machine against a bare loop over tags
 * and data, two CPUs against one, sixteen against two. `node --import ./scripts/register-ts.mjs
 * bench/bulk.ts [--accesses N] [--rounds N]`
 */
import { parseArgs } from 'node:util';
import { ThreadsHost } from '../src/hosts/threads.ts';
import { platforms } from '../src/platforms/index.ts';
import { type BulkParameters, makeTrace, NOTE_BEGAN, NOTE_ENDED } from './workloads/bulk.ts';

const { values } = parseArgs({
  options: { accesses: { type: 'string', default: '20000000' }, rounds: { type: 'string', default: '5' } },
});
const accesses = Number(values.accesses);
const rounds = Number(values.rounds);
const module = new URL('./workloads/bulk.ts', import.meta.url).href;
const base = { accesses, privateBytes: 16_384, storePercent: 30 };
/** Shared accesses come in visits of four to a line, as in a critical section, or scattered. */
const VISIT = 4;
/** Rounds before those that count: so long the compilers take. */
const WARM_UP = 2;

/** Tags, data and a most recently used way, nothing else: what no simulator in this language can beat. */
function bareLoop(trace: Uint32Array, repeat: number): number {
  const sets = 256;
  const ways = 4;
  const tags = new Int32Array(sets * ways).fill(-1);
  const mru = new Uint8Array(sets);
  const data = new Int32Array(sets * ways * 16);
  let sink = 0;
  const began = performance.now();
  for (let r = 0; r < repeat; r++) {
    for (let i = 0; i < trace.length; i++) {
      const word = trace[i];
      const line = word >>> 6;
      const set = line & (sets - 1);
      let slot = set * ways + mru[set];
      if (tags[slot] !== line) {
        let way = 0;
        while (way < ways && tags[set * ways + way] !== line) way++;
        if (way === ways) way = (mru[set] + 1) % ways;
        mru[set] = way;
        slot = set * ways + way;
        tags[slot] = line;
      }
      const at = slot * 16 + ((word >>> 2) & 15);
      if ((word & 1) === 1) data[at] = i;
      else sink ^= data[at];
    }
  }
  const ms = performance.now() - began;
  if (sink === 1) console.error('');
  return (repeat * trace.length) / ms / 1000;
}

const host = new ThreadsHost();

/** Millions of accesses a second, all CPUs together, from the first to begin to the last to end. */
async function machineRate(cpus: number, sharedPercent: number, burst = VISIT): Promise<number> {
  const parameters = { ...base, sharedPercent, burst, accesses };
  const result = await host.run({
    platform: platforms.neoverse,
    cpus,
    source: { module, parameters: { ...(parameters satisfies BulkParameters) } },
    seed: 1,
    checked: false,
    quantumCycles: 1e12,
    maxSteps: 1e15,
    maxSeconds: 300,
  });
  if (result.outcome !== 'finished') throw new Error(`${result.outcome} ${result.error ?? ''}`);
  const began = Math.min(...result.cpus.map((cpu) => cpu.notes[NOTE_BEGAN]));
  const ended = Math.max(...result.cpus.map((cpu) => cpu.notes[NOTE_ENDED]));
  return (cpus * parameters.accesses) / (ended - began) / 1000;
}

const median = (list: number[]) => list.sort((a, b) => a - b)[list.length >> 1];
const measured: Record<string, number[]> = {};
let round = -WARM_UP;
const note = (name: string, rate: number) => {
  if (round < 0) return;
  measured[name] = [...(measured[name] ?? []), rate];
};
const trace = makeTrace(0, { ...base, sharedPercent: 0, burst: VISIT });
for (; round < rounds; round++) {
  note('bare loop', bareLoop(trace, Math.ceil(accesses / trace.length)));
  note('1 CPU, private', await machineRate(1, 0));
  note('1 CPU, 1 % shared', await machineRate(1, 1));
  note('2 CPUs, private', await machineRate(2, 0));
  note('2 CPUs, 1 % shared', await machineRate(2, 1));
  note('2 CPUs, scattered', await machineRate(2, 1, 1));
  note('16 CPUs, private', await machineRate(16, 0));
  note('16 CPUs, 1 % shared', await machineRate(16, 1));
}
await host.close();
const rate = Object.fromEntries(Object.entries(measured).map(([name, list]) => [name, median(list)]));
console.log(
  `16 KB private per CPU, 30 % stores, neoverse, ${accesses} accesses per CPU, median of ${rounds};\n1 % shared: visits of ${VISIT} accesses to one of 16 lines shared with one other CPU, or scattered`,
);
for (const [name, value] of Object.entries(rate)) {
  console.log(`${name.padEnd(22)} ${value.toFixed(1).padStart(7)} M accesses/s`);
}
const ratio = (a: string, b: string) => (rate[a] / rate[b]).toFixed(2);
console.log(`1 CPU private / bare loop      ${ratio('1 CPU, private', 'bare loop')}`);
console.log(`2 CPUs / 1 CPU, private        ${ratio('2 CPUs, private', '1 CPU, private')}`);
console.log(`2 CPUs / 1 CPU, 1 % shared     ${ratio('2 CPUs, 1 % shared', '1 CPU, 1 % shared')}`);
console.log(`2 CPUs / 1 CPU, scattered      ${ratio('2 CPUs, scattered', '1 CPU, 1 % shared')}`);
console.log(`16 CPUs / 2 CPUs, private      ${ratio('16 CPUs, private', '2 CPUs, private')}`);
console.log(`16 CPUs / 2 CPUs, 1 % shared   ${ratio('16 CPUs, 1 % shared', '2 CPUs, 1 % shared')}`);
