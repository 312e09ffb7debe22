/**
 * Which flush call of the kernel is needed where: each call of each flush scenario is left out of the right
 * variant, on every platform. Prints sites by platforms; exit code 1 if a call is needed nowhere and not listed
 * as such, or listed and needed somewhere.
 *
 *   node scripts/flush-mutations.mjs [--scenario NAME] [--platform NAME,NAME...] [--runs 20] [--seed 1]
 *     [--workers 2]
 */
import { parseArgs } from 'node:util';
import './register-ts.mjs';

function refuse(why) {
  process.stderr.write(`flush-mutations: ${why}\n`);
  process.exit(2);
}

function given() {
  try {
    return parseArgs({
      options: {
        scenario: { type: 'string' },
        platform: { type: 'string', multiple: true, default: [] },
        runs: { type: 'string', default: '20' },
        seed: { type: 'string', default: '1' },
        workers: { type: 'string', default: '2' },
      },
    }).values;
  } catch (error) {
    return refuse(error.message);
  }
}

const values = given();
const [runs, seed, workers] = ['runs', 'seed', 'workers'].map((name) => {
  const value = Number(values[name]);
  const least = name === 'seed' ? 0 : 1;
  if (!Number.isInteger(value) || value < least)
    refuse(`--${name} ${values[name]}: use an integer from ${least}`);
  return value;
});
const { flushScenarios } = await import('../src/scenarios/index.ts');
const { platforms } = await import('../src/platforms/index.ts');
const { LockstepPool } = await import('../src/lab/lockstep-pool.ts');
const { mutationRow } = await import('../src/lab/flush-mutations.ts');
const { table } = await import('../src/report/text.ts');

const names = values.platform.flatMap((list) => list.split(','));
const unknown = names.find((name) => !Object.hasOwn(platforms, name));
const scenarios = flushScenarios.filter(({ name }) => (values.scenario ?? name) === name);
if (unknown !== undefined || scenarios.length === 0) {
  const wrong = unknown === undefined ? `scenario '${values.scenario}'` : `platform '${unknown}'`;
  refuse(`there is no ${wrong}`);
}
const chosen = Object.values(platforms).filter(({ name }) => names.length === 0 || names.includes(name));
const pool = new LockstepPool(workers);
const options = { platforms: chosen, runs, seed, pool };

const cellText = (result) => {
  if (typeof result === 'object') return result.kind ?? 'no answer';
  return result === 'clean' ? '-' : 'n/a';
};
const flaws = [];
for (const scenario of scenarios) {
  const rows = [];
  for (const site of Object.keys(scenario.sites)) {
    const { seen, flaw } = await mutationRow(scenario, site, options);
    rows.push([site, ...chosen.map(({ name }) => cellText(seen.get(name)))]);
    // On a choice of platforms nothing can be said of a call that none of these needs.
    if (flaw !== undefined && (names.length === 0 || scenario.neverMatters[site] !== undefined))
      flaws.push(flaw);
  }
  const columns = [scenario.name, ...chosen.map(({ name }) => name)];
  const titles = columns.map((title) => ({ title, align: 'left' }));
  process.stdout.write(`${table(titles, rows).join('\n')}\n`);
  for (const [site, reason] of Object.entries(scenario.neverMatters)) {
    process.stdout.write(`  ${site} never matters: ${reason}\n`);
  }
  process.stdout.write('\n');
}
await pool.close();
for (const flaw of flaws) process.stdout.write(`FAIL ${flaw}\n`);
process.exitCode = flaws.length > 0 ? 1 : 0;
