/**
 * What the race library promises, measured: every wrong variant is found by a default exploration from five
 * seeds, every right one is verified at its small size and clean for many PCT schedules at its normal size.
 * One line each; exit code 1 if a promise does not hold, 0 if it does or the limit of a search came first.
 *
 *   node scripts/races-long.mjs [--race NAME] [--schedules 100000] [--verify-runs 200000] [--seed 1]
 *     [--workers 2]
 */
import { parseArgs } from 'node:util';
import './register-ts.mjs';

const { values } = parseArgs({
  options: {
    race: { type: 'string' },
    schedules: { type: 'string', default: '100000' },
    'verify-runs': { type: 'string', default: '200000' },
    seed: { type: 'string', default: '1' },
    workers: { type: 'string', default: '2' },
  },
});
const { races } = await import('../src/scenarios/index.ts');
const { makePlan } = await import('../src/lab/plan.ts');
const { defaultBudgets, search } = await import('../src/lab/search.ts');

const SEEDS = 5;
const DEFAULT_RUNS = 10_000;
const SHRINK_RUNS = 20_000;
let isKept = true;

const planOf = (scenario, variant, isSmall) => {
  const small = isSmall ? scenario.small : undefined;
  return makePlan({ scenario, variant, cpus: small?.cpus, given: small?.parameters ?? {} });
};

const optionsOf = (plan, strategy, runs, seed) => ({
  strategy,
  seed,
  runs,
  reference: plan.scenario.name,
  depth: 3,
  budgets: defaultBudgets(plan),
  most: { preemptions: 2, delays: 2 },
  workers: Number(values.workers),
  shrinkRuns: SHRINK_RUNS,
});

/** One line; a broken promise is marked. */
function tell(plan, holds, text) {
  if (!holds) isKept = false;
  const { scenario, variant, platform, cpus } = plan;
  const where = `${scenario.name} ${variant.name} (${platform.name}, ${cpus} CPUs)`;
  process.stdout.write(`${holds ? 'ok  ' : 'FAIL'} ${where}: ${text}\n`);
}

async function timed(plan, strategy, runs, seed) {
  const began = performance.now();
  const found = await search(plan, optionsOf(plan, strategy, runs, seed));
  return { ...found, seconds: (performance.now() - began) / 1000 };
}

async function findBug(scenario, variant) {
  const plan = planOf(scenario, variant, false);
  const times = [];
  const shapes = new Set();
  let hits = 0;
  for (let i = 0; i < SEEDS; i++) {
    const { counterexample, seconds } = await timed(
      plan,
      'pct',
      DEFAULT_RUNS,
      Number(values.seed) + i * DEFAULT_RUNS,
    );
    times.push(seconds.toFixed(1));
    if (!counterexample) continue;
    if (variant.expect.some((kind) => counterexample.signature.endsWith(kind))) hits++;
    const { preemptions, delays, minimal } = counterexample.shrunk;
    shapes.add(
      `${counterexample.signature}, ${preemptions} preemptions and ${delays} delays${minimal ? ', none has fewer' : ''}`,
    );
  }
  tell(
    plan,
    hits === SEEDS,
    `found from ${hits} of ${SEEDS} seeds in ${times.join(' ')} s; ${[...shapes].join(' | ')}`,
  );
}

async function verify(scenario, variant) {
  const plan = planOf(scenario, variant, true);
  const { report, seconds } = await timed(plan, 'dpor', Number(values['verify-runs']), 1);
  const { complete, runs, redundant, failures } = report;
  const how = complete ? 'verified' : 'not verified, the limit came first';
  const counts = `${runs} schedules and ${redundant} cut short, ${seconds.toFixed(1)} s`;
  tell(plan, failures.length === 0, `${how}: ${counts} ${failures.map((f) => f.signature).join(' ')}`);
}

async function sample(scenario, variant) {
  const plan = planOf(scenario, variant, false);
  const runs = Number(values.schedules);
  const { report, seconds } = await timed(plan, 'pct', runs, Number(values.seed));
  const rate = Math.round(report.runs / seconds);
  const found = report.failures.map((f) => `${f.signature} ${f.count}`).join(' ') || 'clean';
  tell(plan, report.failures.length === 0, `${report.runs} PCT schedules, ${rate}/s: ${found}`);
}

for (const scenario of races) {
  if (values.race !== undefined && scenario.name !== values.race) continue;
  for (const variant of scenario.variants) {
    if (variant.expect === 'clean') {
      await verify(scenario, variant);
      if (Number(values.schedules) > 0) await sample(scenario, variant);
    } else await findBug(scenario, variant);
  }
}
process.exitCode = isKept ? 0 : 1;
