/**
 * What an exploration reports must not depend on how many workers it had: many small explorations of the race
 * library, each with 0, 1, 2, 3 and 5 workers, and the reports compared letter by letter. Prints one line;
 * exit code 1 if any two differ.
 *
 *   node scripts/explore-workers.mjs [--explorations 1000] [--seed 1]
 */
import { parseArgs } from 'node:util';
import './register-ts.mjs';

const { values } = parseArgs({
  options: {
    explorations: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
  },
});
const { explore, openShardPool, strategies } = await import('../src/explore/explorer.ts');
const { jobOf, makePlan } = await import('../src/lab/plan.ts');
const { defaultBudgets, exploreLimits } = await import('../src/lab/search.ts');
const { races } = await import('../src/scenarios/index.ts');

const WORKERS = [0, 1, 2, 3, 5];
/** Most runs of an exploration: of every fourth as many as make several shards. */
const FEW = 40;
const SEVERAL_SHARDS = 600;
/** Of one in two hundred: more than are tried before a search for all schedules is cut up. */
const CUT_UP = 2100;

const cases = races.flatMap((scenario) => scenario.variants.map((variant) => ({ scenario, variant })));
const explorations = Number(values.explorations);
const perCase = Math.ceil(explorations / cases.length);

/** The n-th exploration: case by case, with each strategy in turn, other seeds and another number of runs. */
function exploration(n) {
  const { scenario, variant } = cases[Math.floor(n / perCase)];
  const { cpus, parameters: given = {} } = scenario.small ?? {};
  const plan = makePlan({ scenario, variant, cpus, given });
  const strategy = strategies[n % strategies.length];
  const isCutUp = strategy === 'dpor' && n % 200 < strategies.length;
  const most = Math.floor(n / strategies.length) % 4 === 0 ? SEVERAL_SHARDS : FEW;
  const options = {
    strategy,
    seed: Number(values.seed) + n * 1000,
    // A multiplier that has no factor in common with the limits spreads them.
    runs: isCutUp ? CUT_UP : 1 + ((n * 7919) % most),
    depth: 1 + (n % 5),
    budgets: defaultBudgets(plan),
    most: { preemptions: n % 3, delays: n % 2 },
  };
  // All explorations of a case are of one job: workers keep its machine.
  return { plan, job: jobOf(plan, exploreLimits(plan), Number(values.seed)), options };
}

const pools = WORKERS.map((workers) => ({ workers, pool: openShardPool(workers) }));
const began = performance.now();
const sums = { schedules: 0, failed: 0, different: 0 };
for (let n = 0; n < explorations; n++) {
  const { plan, job, options } = exploration(n);
  let first;
  for (const { workers, pool } of pools) {
    const report = JSON.stringify(await explore(job, { ...options, workers }, pool));
    first ??= report;
    if (report === first) continue;
    sums.different++;
    const what = `${plan.scenario.name} ${plan.variant.name}, ${JSON.stringify(options)}`;
    process.stdout.write(`FAIL ${what}: ${workers} workers\n  ${report}\n  ${first}\n`);
  }
  const { runs, redundant, failures } = JSON.parse(first);
  sums.schedules += runs + redundant;
  if (failures.length > 0) sums.failed++;
}
for (const { pool } of pools) await pool.close();

const { schedules, failed, different } = sums;
const seconds = ((performance.now() - began) / 1000).toFixed(0);
const verdict = different === 0 ? 'all reports alike' : `${different} reports differ`;
process.stdout.write(
  `${explorations} explorations (${failed} with failures, ${schedules} schedules), each with ${WORKERS.join(', ')} workers, ${seconds} s: ${verdict}\n`,
);
process.exitCode = different === 0 ? 0 : 1;
