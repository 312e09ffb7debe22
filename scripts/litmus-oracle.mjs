#!/usr/bin/env node
/**
 * Runs litmus tests against the sets of final states that herd7 computed for them:
 *
 *   node scripts/litmus-oracle.mjs FOLDER [PART...] [--all] [--max-seconds=N] [--threads=N] [--details]
 *     [--host=threads|lockstep] [--runs=1000] [--seed=1]
 *
 * Every way to run each test is tried; with --host each is run --runs times on the simulated machine instead.
 *
 * FOLDER has herd7-outcomes.jsonl or outcomes.jsonl and the tests that it names; with PARTs only those run
 * whose file contains one. Without --all only the core profile runs: plain instructions, no table entries
 * that hardware changes.
 * One line a suite:
 *   parsed   tests read, of all
 *   ran      tests that the engine ran, to the end or to a bound
 *   unsound  states found that are not allowed
 *   states   allowed states that were found, of all
 *   Allowed  tests whose condition hardware may satisfy, and a state here does
 *   flags    tests with herd7's flags exactly
 * Then every unsound state and every test that did not run; with --details every state not reached as well.
 * Exits 1 if a state is unsound.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import './register-ts.mjs';

const { exploreTest } = await import('../src/litmus/core/explore.ts');
const { LitmusError } = await import('../src/litmus/litmus-error.ts');
const { outcomeOf } = await import('../src/litmus/outcome.ts');
const { compareOutcome, References } = await import('../src/litmus/outcomes.ts');
const { parseLitmus } = await import('../src/litmus/parse-litmus.ts');

const COLUMNS = [
  'suite',
  'tests',
  'parsed',
  'ran',
  'bound',
  'unsound',
  'states',
  'Allowed',
  'flags',
  'seconds',
];
/** What is known of a test before it runs. */
const NOTHING = { parsed: false, ran: false, unsound: [], unreached: [], allowed: 0, seconds: 0 };

if (isMainThread) process.exit(await main(process.argv.slice(2)));
parentPort.on('message', async (reference) =>
  parentPort.postMessage(await runOne(workerData, reference, explore(workerData))),
);

/** @returns the exit code */
async function main(args) {
  const [folder, ...parts] = args.filter((arg) => !arg.startsWith('--'));
  const outcomes = ['herd7-outcomes.jsonl', 'outcomes.jsonl']
    .map((name) => join(folder ?? '', name))
    .find((file) => existsSync(file));
  if (folder === undefined || outcomes === undefined) {
    process.stderr.write('litmus-oracle: use: node scripts/litmus-oracle.mjs FOLDER [PART...] [--all]\n');
    return 2;
  }
  const number = (name, otherwise) =>
    Number(args.find((arg) => arg.startsWith(`--${name}=`))?.split('=')[1] ?? otherwise);
  const all = new References(readFileSync(outcomes, 'utf8'), outcomes).all;
  const chosen = all.filter(
    ({ file, core_profile: isCore }) =>
      (isCore || args.includes('--all')) && (parts.length === 0 || parts.some((part) => file.includes(part))),
  );
  const start = performance.now();
  const settings = { folder, maxSeconds: number('max-seconds', 60) };
  const host = args.find((arg) => arg.startsWith('--host='))?.slice('--host='.length);
  const results =
    host === undefined
      ? await runAll(chosen, settings, number('threads', 2))
      : await runOnMachine(chosen, settings, host, { runs: number('runs', 1000), seed: number('seed', 1) });
  report(results);
  for (const { file, unsound } of results)
    for (const state of unsound) console.log(`unsound    ${file}  ${state}`);
  for (const { file, problem } of results) if (problem) console.log(`not run    ${file}: ${problem}`);
  if (args.includes('--details')) {
    for (const { file, unreached } of results)
      for (const state of unreached) console.log(`unreached  ${file}  ${state}`);
    for (const { file, flags } of results)
      if (flags && !flags.same) console.log(`flags      ${file}  ${flags.found}, herd7: ${flags.expected}`);
  }
  console.log(`${((performance.now() - start) / 1000).toFixed(1)} s`);
  return results.some(({ unsound }) => unsound.length > 0) ? 1 : 0;
}

/** Every worker takes the next test when it has done one. */
async function runAll(references, settings, threads) {
  const results = [];
  let next = 0;
  const serve = async () => {
    let worker;
    while (next < references.length) {
      const reference = references[next++];
      worker ??= new Worker(new URL(import.meta.url), { workerData: settings });
      const result = await answerOf(worker, reference, settings.maxSeconds);
      results.push(result);
      if (process.stderr.isTTY) process.stderr.write(`\r${results.length} of ${references.length}`);
      if (!result.isStuck) continue;
      await worker.terminate();
      worker = undefined;
    }
    await worker?.terminate();
  };
  await Promise.all(Array.from({ length: threads }, serve));
  return results.sort((one, other) => (one.file < other.file ? -1 : 1));
}

/** One test after the other, each on as many threads as it has. */
async function runOnMachine(references, settings, host, options) {
  const { stressTest } = await import('../src/litmus/machine/stress.ts');
  const { ThreadsHost } = await import('../src/hosts/threads.ts');
  const threads = host === 'threads' ? new ThreadsHost() : undefined;
  const results = [];
  for (const reference of references) {
    const stress = (test, text) => stressTest(test, text, { ...options, threads });
    results.push({ ...(await runOne(settings, reference, stress)), complete: true, flags: undefined });
    if (process.stderr.isTTY) process.stderr.write(`\r${results.length} of ${references.length}`);
  }
  await threads?.close();
  return results;
}

/** An engine that does not keep to its limit must not keep the others waiting. */
function answerOf(worker, reference, maxSeconds) {
  return new Promise((resolve) => {
    const giveUp = (problem) => {
      const { file, kind } = reference;
      resolve({ ...NOTHING, file, kind, parsed: true, seconds: maxSeconds, isStuck: true, problem });
    };
    const patience = setTimeout(() => giveUp(`no answer in twice ${maxSeconds} s`), 2000 * maxSeconds + 5000);
    worker.removeAllListeners();
    worker.once('error', (error) => giveUp(String(error.stack ?? error)));
    worker.once('message', resolve);
    worker.on('exit', () => giveUp('the worker ended'));
    worker.prependListener('message', () => clearTimeout(patience));
    worker.prependListener('error', () => clearTimeout(patience));
    worker.postMessage(reference);
  });
}

function explore({ maxSeconds }) {
  return (test) => exploreTest(test, { maxStates: Number.POSITIVE_INFINITY, maxSeconds });
}

/** @param engine finds the final states of a test, given it and its text */
async function runOne({ folder }, reference, engine) {
  const { file, kind } = reference;
  const result = {
    file,
    kind,
    parsed: false,
    ran: false,
    unsound: [],
    unreached: [],
    allowed: 0,
    seconds: 0,
  };
  const start = performance.now();
  try {
    const text = readFileSync(join(folder, file), 'utf8');
    const test = parseLitmus(text);
    result.parsed = true;
    const found = await engine(test, text);
    result.seconds = (performance.now() - start) / 1000;
    const outcome = outcomeOf(test, found, result.seconds);
    const comparison = compareOutcome(outcome, reference);
    const flags = { found: outcome.flags.join(' '), expected: reference.flags?.join(' ') };
    Object.assign(result, comparison, {
      ran: true,
      complete: outcome.complete,
      isReached: outcome.positive > 0,
    });
    if (comparison) result.flags = { ...flags, same: comparison.sameFlags };
  } catch (error) {
    result.problem = error instanceof LitmusError ? error.in(file) : (error.stack ?? String(error));
  }
  return result;
}

function report(results) {
  const suites = new Map();
  for (const result of results) {
    const suite = result.file.split('/')[0];
    suites.set(suite, [...(suites.get(suite) ?? []), result]);
  }
  const rows = [...suites].map(([suite, tests]) => rowOf(suite, tests));
  if (rows.length > 1) rows.push(rowOf('all', results));
  const table = [COLUMNS, ...rows];
  const widths = COLUMNS.map((_, column) => Math.max(...table.map((row) => row[column].length)));
  for (const row of table) {
    console.log(
      row.map((text, n) => (n === 0 ? text.padEnd(widths[n]) : text.padStart(widths[n]))).join('  '),
    );
  }
}

function rowOf(suite, tests) {
  const count = (test) => tests.filter(test).length;
  const sum = (value) => tests.reduce((total, test) => total + value(test), 0);
  const allowed = sum((test) => test.allowed);
  const isAllowed = ({ ran, kind }) => ran && kind === 'Allowed';
  return [
    suite,
    `${tests.length}`,
    `${count((test) => test.parsed)}`,
    `${count((test) => test.ran)}`,
    `${count((test) => test.ran && !test.complete)}`,
    `${sum((test) => test.unsound.length)}`,
    `${allowed - sum((test) => test.unreached.length)}/${allowed}`,
    `${count((test) => isAllowed(test) && test.isReached)}/${count(isAllowed)}`,
    `${count((test) => test.flags?.same)}/${count((test) => test.flags)}`,
    sum((test) => test.seconds).toFixed(1),
  ];
}
