#!/usr/bin/env node
/**
 * What a campaign promises, tried: it is killed with SIGKILL at random moments and run again until it is done. Its
 * journal must then be complete, without duplicates, equal after sorting to that of an undisturbed campaign, and hold
 * every line that it held when it was killed. With --queue it runs through a Redis server (append-only file on), and
 * whoever takes part is killed in turn: a worker, the server, the runner. One line each; exit code 1 if it does not
 * hold.
 *
 *   node scripts/campaign-kill.mjs [--runs 10000] [--kills 20] [--seed 1] [--workers 2] [--queue] [--job-runs 200]
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startRedisServer } from './redis-server.mjs';

const launcher = fileURLToPath(new URL('flushlab.mjs', import.meta.url));

/** Random numbers from a seed: mulberry32. @returns from 0 to below 1 */
function randomFrom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Half of the runs show the race, half must not: the shortest race of the library. */
function campaignOf(runs) {
  const each = Math.floor(runs / 2);
  const entry = { kind: 'stress', scenarios: ['reclaim-batch'] };
  const entries = [{ ...entry, seeds: [{ from: 1, to: each }] }];
  if (runs % 2 === 1) {
    entries.push({ ...entry, variants: ['fixed'], seeds: [{ from: each + 1, to: each + 1 }] });
  }
  return { name: `${runs} runs`, entries };
}

function start(args) {
  const child = spawn(process.execPath, [launcher, 'campaign', ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  // Whoever is ended in the middle leaves nothing behind.
  const orphaned = () => child.kill('SIGKILL');
  process.once('exit', orphaned);
  const gone = new Promise((resolve) =>
    child.once('close', (code, signal) => resolve({ code, signal, stderr })),
  );
  void gone.then(() => process.off('exit', orphaned));
  return { child, gone };
}

async function finish({ gone }, what) {
  const { code, signal, stderr } = await gone;
  if (code !== 0) throw new Error(`${what}: ended with ${signal ?? `exit code ${code}`}: ${stderr.trim()}`);
}

/** What of the journal is whole. */
function wholeLines(path) {
  try {
    const text = readFileSync(path, 'utf8');
    return text.slice(0, text.lastIndexOf('\n') + 1);
  } catch {
    return '';
  }
}

const countOf = (text) => Math.max(0, text.split('\n').length - 2);

/** @throws Error that says what does not hold */
function check(path, reference, before, runs) {
  const text = readFileSync(path, 'utf8');
  for (const [i, earlier] of before.entries()) {
    if (!text.startsWith(earlier)) throw new Error(`lines were lost after kill ${i + 1}`);
  }
  const lines = text.split('\n').slice(1, -1);
  const units = new Set(lines.map((line) => JSON.parse(line).unit));
  if (units.size !== lines.length) throw new Error(`${lines.length - units.size} duplicates`);
  if (lines.length !== runs) throw new Error(`${lines.length} lines, and not ${runs}`);
  const sorted = (whole) => whole.split('\n').sort().join('\n');
  if (sorted(text) !== sorted(readFileSync(reference, 'utf8')))
    throw new Error('not equal to an undisturbed one');
  const rest = readdirSync(join(path, '..')).filter((name) => /\.lock\.|\.new$/.test(name));
  if (rest.length > 0) throw new Error(`left behind: ${rest.join(', ')}`);
}

/** Moments of kills: when so many lines are there, and so many milliseconds later. */
function moments(kills, runs, random) {
  // Short enough that a small campaign is not over before.
  const jitter = Math.min(300, runs / 20);
  const lines = Array.from({ length: kills }, () => Math.floor(random() * runs * 0.95)).sort((a, b) => a - b);
  return lines.map((at) => ({ lines: at, milliseconds: Math.floor(random() * jitter) }));
}

async function until(path, { lines, milliseconds }, isOver) {
  while (countOf(wholeLines(path)) < lines && !isOver()) await sleep(20);
  await sleep(milliseconds);
}

async function inFolder(action) {
  const folder = mkdtempSync(join(tmpdir(), 'flushlab-campaign-kill-'));
  try {
    return await action(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function undisturbed(folder, runs, workers) {
  const file = join(folder, 'campaign.json');
  writeFileSync(file, JSON.stringify(campaignOf(runs)));
  const reference = join(folder, 'undisturbed.ndjson');
  const began = performance.now();
  // A few are run before a thread has started.
  const threads = runs < 1000 ? 0 : workers;
  await finish(start(['run', file, '--journal', reference, '--workers', String(threads)]), 'undisturbed');
  return { file, reference, seconds: (performance.now() - began) / 1000 };
}

/** On the pool. @returns figures; @throws Error that says what does not hold */
export function killOnPool({ runs, kills, seed, workers }) {
  return inFolder(async (folder) => {
    const { file, reference, seconds: alone } = await undisturbed(folder, runs, workers);
    const path = join(folder, 'killed.ndjson');
    const random = randomFrom(seed);
    const before = [];
    let killed = 0;
    const began = performance.now();
    const run = () => start(['run', file, '--journal', path, '--workers', String(workers)]);
    for (const moment of moments(kills, runs, random)) {
      const running = run();
      await until(path, moment, () => running.child.exitCode !== null);
      running.child.kill('SIGKILL');
      if ((await running.gone).signal === 'SIGKILL') killed++;
      before.push(wholeLines(path));
    }
    await finish(run(), 'the last run');
    const seconds = (performance.now() - began) / 1000;
    check(path, reference, before, runs);
    return { runs, killed, alone, seconds, at: before.map(countOf) };
  });
}

/** Through a queue. @returns figures; @throws Error that says what does not hold */
export function killOnQueue({ runs, kills, seed, workers, jobRuns }) {
  return inFolder(async (folder) => {
    const { file, reference, seconds: alone } = await undisturbed(folder, runs, workers);
    const path = join(folder, 'killed.ndjson');
    const random = randomFrom(seed);
    let redis = await startRedisServer(folder, { appendOnly: true });
    const { url, port } = redis;
    const work = () => start(['work', '--queue', url, '--workers', '1', '--lease', '2', '--quiet']);
    const run = () =>
      start([
        'run',
        file,
        '--journal',
        path,
        '--queue',
        url,
        '--job-runs',
        String(jobRuns),
        '--patience',
        '60',
      ]);
    const team = Array.from({ length: workers }, work);
    let runner = run();
    const before = [];
    const killed = { worker: 0, server: 0, runner: 0 };
    const began = performance.now();
    try {
      for (const [i, moment] of moments(kills, runs, random).entries()) {
        await until(path, moment, () => runner.child.exitCode !== null);
        const who = Object.keys(killed)[i % 3];
        if (who === 'server') {
          await redis.kill('SIGKILL');
          await sleep(random() * 500);
          redis = await startRedisServer(folder, { appendOnly: true, port });
          killed.server++;
        } else {
          const at = who === 'worker' ? Math.floor(random() * team.length) : -1;
          const one = at < 0 ? runner : team[at];
          one.child.kill('SIGKILL');
          if ((await one.gone).signal === 'SIGKILL') killed[who]++;
          before.push(wholeLines(path));
          if (at < 0) runner = run();
          else team[at] = work();
        }
      }
      await finish(runner, 'the last runner');
      const seconds = (performance.now() - began) / 1000;
      check(path, reference, before, runs);
      return { runs, killed, alone, seconds, at: before.map(countOf) };
    } finally {
      for (const { child } of [...team, runner]) child.kill('SIGKILL');
      await redis.kill('SIGKILL');
    }
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '10000' },
      kills: { type: 'string', default: '20' },
      seed: { type: 'string', default: '1' },
      workers: { type: 'string', default: '2' },
      'job-runs': { type: 'string', default: '200' },
      queue: { type: 'boolean', default: false },
    },
  });
  const [runs, kills, seed, workers, jobRuns] = ['runs', 'kills', 'seed', 'workers', 'job-runs'].map((name) =>
    Number(values[name]),
  );
  const where = values.queue ? 'queue' : 'pool';
  try {
    const kill = values.queue ? killOnQueue : killOnPool;
    const { killed, alone, seconds, at } = await kill({ runs, kills, seed, workers, jobRuns });
    const who = Object.entries(typeof killed === 'number' ? { run: killed } : killed);
    const text = who.map(([name, count]) => `${name} ${count} times`).join(', ');
    console.log(
      `ok   ${where}: ${runs} runs, seed ${seed}; killed: ${text}; lines at the kills: ${at.join(' ')}`,
    );
    console.log(`     ${seconds.toFixed(0)} s; undisturbed, without a queue: ${alone.toFixed(0)} s`);
  } catch (error) {
    console.log(`FAIL ${where}: ${runs} runs, seed ${seed}: ${error.message}`);
    process.exitCode = 1;
  }
}
