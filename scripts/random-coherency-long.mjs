/**
 * The long run of the random coherency tester: every organisation, every mode it has, on both hosts. One
 * line each: accesses per second, findings, and how many of them the model predicted. Exit code 1 if a
 * coherent run finds anything, or a software run differs from the model.
 *
 *   node scripts/random-coherency-long.mjs [--accesses 10000000] [--host lockstep|threads|both]
 *     [--organisation NAME] [--seed 1]
 */
import { parseArgs } from 'node:util';
import './register-ts.mjs';

/** A threads run logs what it did for the model, so it is kept short and repeated with other seeds. */
const CHUNK = { lockstep: 1_000_000, threads: 200_000 };
const LIMITS = { maxSteps: Number.MAX_SAFE_INTEGER, maxSeconds: 3600 };

const { values } = parseArgs({
  options: {
    accesses: { type: 'string', default: '10000000' },
    host: { type: 'string', default: 'both' },
    organisation: { type: 'string' },
    seed: { type: 'string', default: '1' },
  },
});
const accesses = Number(values.accesses);
const seed = Number(values.seed);
if (!(accesses > 0) || !Number.isInteger(seed) || !['lockstep', 'threads', 'both'].includes(values.host)) {
  process.stderr.write('usage: --accesses N --host lockstep|threads|both --organisation NAME --seed N\n');
  process.exit(2);
}

const { createWorkload, NOTE, organisationNamed, organisations, randomCoherencyJob } = await import(
  '../src/scenarios/random-coherency/index.ts'
);
const { runLockstep } = await import('../src/hosts/lockstep.ts');
const { RandomWalk } = await import('../src/hosts/schedulers/random.ts');
const { ThreadsHost } = await import('../src/hosts/threads.ts');

const threads = new ThreadsHost();
const hosts = {
  lockstep: async (job) => runLockstep(job, createWorkload(job.source.parameters), new RandomWalk(job.seed)),
  threads: (job) => threads.run(job),
};

/** Why a result is not as it should be, or undefined. */
function fault(mode, result) {
  const wanted = mode === 'software' && result.findingCount > 0 ? 'finding' : 'finished';
  if (result.outcome !== wanted)
    return result.error ?? `${result.outcome} ${JSON.stringify(result.findings[0] ?? '')}`;
  if (mode === 'coherent') return undefined;
  const predicted = result.cpus[0].notes[NOTE.PREDICTED] ?? 0;
  return predicted === result.findingCount
    ? undefined
    : `${result.findingCount} findings, ${predicted} predicted`;
}

/** Runs one organisation in one mode on one host, in chunks with a seed each; returns whether it passed. */
async function run(organisation, mode, host) {
  const began = performance.now();
  const totals = { accesses: 0, findings: 0, predicted: 0 };
  let why;
  for (let chunk = 0; totals.accesses < accesses && !why; chunk++) {
    const size = Math.min(CHUNK[host], accesses - totals.accesses);
    const job = { ...randomCoherencyJob(organisation, mode, size, seed + chunk), ...LIMITS };
    const result = await hosts[host](job);
    why = fault(mode, result);
    if (why) why = `seed ${job.seed}: ${why}`;
    totals.accesses += result.cpus.reduce((sum, cpu) => sum + (cpu.notes[NOTE.ACCESSES] ?? 0), 0);
    totals.findings += result.findingCount;
    totals.predicted += result.cpus[0].notes[NOTE.PREDICTED] ?? 0;
  }
  const rate = Math.round((totals.accesses / (performance.now() - began)) * 1000);
  const figures = `${totals.accesses} accesses ${rate}/s, ${totals.findings} findings, ${totals.predicted} predicted`;
  process.stdout.write(`${why ? 'FAIL' : 'ok'} ${organisation.name} ${mode} ${host}: ${figures}\n`);
  if (why) process.stdout.write(`  ${why}\n`);
  return why === undefined;
}

const chosen = values.organisation === undefined ? organisations : [organisationNamed(values.organisation)];
let hasPassed = true;
for (const organisation of chosen) {
  for (const mode of organisation.modes) {
    for (const host of Object.keys(hosts)) {
      if (values.host !== 'both' && values.host !== host) continue;
      hasPassed = (await run(organisation, mode, host)) && hasPassed;
    }
  }
}
await threads.close();
process.exitCode = hasPassed ? 0 : 1;
