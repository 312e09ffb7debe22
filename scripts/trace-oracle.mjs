#!/usr/bin/env node
/**
 * Runs a folder of traces against the counts that were computed for them elsewhere:
 *
 *   node scripts/trace-oracle.mjs FOLDER [NAME...] [--threads]
 *
 * FOLDER has NAME.lackey.gz with NAME.json (an L1 at several geometries) and NAMET.C.bin.gz with
 * NAMET.mesi-rr.json and NAMET.msi-sync.json (T cores). With --threads the latter also run on real
 * threads, whose totals of misses stand beside the deterministic ones. Exits 1 on a difference.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import './register-ts.mjs';

const args = process.argv.slice(2);
const withThreads = args.includes('--threads');
const [folder, ...names] = args.filter((arg) => !arg.startsWith('--'));
if (folder === undefined) {
  process.stderr.write('trace-oracle: use: node scripts/trace-oracle.mjs FOLDER [NAME...] [--threads]\n');
  process.exit(2);
}

const { compare, needsOf, parseOracle } = await import('../src/trace/oracle.ts');
const { tracePlatform } = await import('../src/trace/platform.ts');
const { plainRun, runTrace } = await import('../src/trace/run.ts');

let differing = 0;

/** @param {object} changes what differs from a run of one trace on lockstep */
function runOf(paths, shape, changes) {
  const { coherence, ...rest } = changes;
  const platform = tracePlatform({ l1d: shape, l1i: shape, cpus: paths.length, coherence });
  return plainRun(platform, paths, rest);
}

function report(name, result, oracle) {
  const { compared, differences } = compare(result, oracle, name);
  const verdict = differences.length === 0 ? 'equal' : `${differences.length} DIFFER`;
  differing += differences.length;
  console.log(
    `${name.padEnd(34)} ${String(compared).padStart(4)} counts ${verdict}, ${result.seconds.toFixed(1)} s`,
  );
  for (const { what, expected, got } of differences.slice(0, 10))
    console.log(`  ${what}: ${got}, expected ${expected}`);
}

async function geometries(name, oracle) {
  for (const { geometry } of oracle.entries) {
    const shape = { sizeBytes: geometry.size, ways: geometry.ways, lineBytes: geometry.line };
    const result = await runTrace(runOf([join(folder, `${name}.lackey.gz`)], shape, {}));
    report(`${name} ${geometry.size},${geometry.ways},${geometry.line}`, result, oracle);
  }
}

const PSORT_L1 = { sizeBytes: 32768, ways: 8, lineBytes: 64 };

async function cores(name, oracle) {
  const paths = Array.from({ length: oracle.cores }, (_, i) => join(folder, `${oracle.trace}.${i}.bin.gz`));
  const { order, coherence, split } = needsOf(oracle);
  const result = await runTrace(runOf(paths, PSORT_L1, { order, coherence, split }));
  report(name, result, oracle);
  if (withThreads && oracle.mode === 'mesi-rr') await onThreads(name, paths, oracle, result);
}

/** Reads and writes per core must be equal, and the checker must find nothing; misses may differ. */
async function onThreads(name, paths, oracle, turns) {
  const sum = (run) => run.cpus.reduce((all, cpu) => all + cpu.l1dMisses, 0);
  for (const checked of [false, true]) {
    const result = await runTrace(runOf(paths, PSORT_L1, { host: 'threads', split: false, checked }));
    const wrong = oracle.per_core.filter(
      ({ reads, writes }, i) => result.cpus[i].reads !== reads || result.cpus[i].writes !== writes,
    ).length;
    if (wrong > 0 || result.outcome !== 'finished') differing++;
    console.log(
      `${`${name} on threads${checked ? ', checked' : ''}`.padEnd(34)} ${result.outcome}, ${result.findingCount} findings, reads and writes of ${wrong} CPUs differ, ${sum(result)} misses (in turns ${sum(turns)}), ${result.seconds.toFixed(1)} s`,
    );
  }
}

const oracles = readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.slice(0, -'.json'.length))
  .filter(
    (name) => names.length === 0 || names.some((wanted) => name === wanted || name.startsWith(`${wanted}.`)),
  )
  .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
if (oracles.length === 0) {
  process.stderr.write(
    `trace-oracle: ${folder} has no such .json: name a folder of traces and their counts\n`,
  );
  process.exit(2);
}
for (const name of oracles) {
  const oracle = parseOracle(readFileSync(join(folder, `${name}.json`), 'utf8'), name);
  if ('entries' in oracle) await geometries(name, oracle);
  else await cores(name, oracle);
}
process.exit(differing === 0 ? 0 : 1);
