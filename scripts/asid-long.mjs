/**
 * The ASID allocators for long, on threads: many more address spaces than numbers, and switch after switch. One line:
 * how often numbers ran out (added up over the CPUs where each has numbers of its own), what was found, and how long
 * it took. Exit code 1 if something was found or a CPU stuck; 0 if not, also where the time was over first.
 *
 *   node scripts/asid-long.mjs [--allocator arm64-bitmap] [--platform neoverse] [--cpus 16] [--spaces 200]
 *     [--asids 31] [--switches 20000] [--seed 1] [--order spread] [--seconds 600]
 *
 * CPUs run the same spaces (order spread), except with arm-ipi, which on three CPUs and more does not keep to the rules
 * if two run one space: see arm-ipi.ts. There each has spaces of its own, with numbers that are common to all.
 */
import { parseArgs } from 'node:util';
import './register-ts.mjs';

/** Bytes for the tables and the page of one space, at most. */
const SPACE_BYTES = 1 << 16;

const { values } = parseArgs({
  options: {
    allocator: { type: 'string', default: 'arm64-bitmap' },
    platform: { type: 'string' },
    cpus: { type: 'string', default: '16' },
    spaces: { type: 'string', default: '200' },
    asids: { type: 'string', default: '31' },
    switches: { type: 'string', default: '20000' },
    seed: { type: 'string', default: '1' },
    order: { type: 'string' },
    seconds: { type: 'string', default: '600' },
  },
});
const { allocator, asids } = values;
const order = values.order ?? (allocator === 'arm-ipi' ? 'own' : 'spread');
const [cpus, spaces, switches] = [values.cpus, values.spaces, values.switches].map(Number);

const { default: scenario, ROLLOVERS_NOTE } = await import('../src/scenarios/asid/asid-rollover.ts');
const { resolveParameters } = await import('../src/scenarios/scenario.ts');
const { platformOf } = await import('../src/lab/plan.ts');
const { ThreadsHost } = await import('../src/hosts/threads.ts');

const given = platformOf(values.platform ?? scenario.defaultPlatform('correct', { allocator }), '--platform');
// What it is searched for takes more CPUs and more memory than some of these machines have.
const platform = {
  ...given,
  maxCpus: Math.max(given.maxCpus, cpus),
  memoryBytes: Math.max(given.memoryBytes, 2 ** Math.ceil(Math.log2((spaces + 4) * SPACE_BYTES))),
};
const parameters = {
  ...resolveParameters(scenario, { allocator, tasks: spaces, asids, switches, order }),
  variant: 'correct',
};
const host = new ThreadsHost();
const began = performance.now();
const result = await host.run({
  platform,
  cpus,
  source: { module: scenario.module, parameters },
  seed: Number(values.seed),
  checked: true,
  quantumCycles: 10_000,
  maxSteps: 2e9,
  maxSeconds: Number(values.seconds),
});
const seconds = (performance.now() - began) / 1000;
await host.close();

const byCpu = result.cpus.map(({ notes }) => notes[ROLLOVERS_NOTE] ?? 0);
const rollovers = byCpu.reduce((sum, each) => sum + each, 0);
const isGood = result.outcome === 'finished' || result.outcome === 'time-limit';
process.stdout.write(
  `${isGood ? 'ok' : 'FAIL'} ${allocator} ${platform.name}, ${cpus} CPUs, ${spaces} spaces, ${asids} ASIDs, ` +
    `${switches} switches, order ${order}: ${rollovers} rollovers (${Math.min(...byCpu)} to ${Math.max(...byCpu)} a CPU), ` +
    `${result.findingCount} findings, ${result.steps} steps, ${seconds.toFixed(1)} s, ${result.outcome}\n`,
);
if (!isGood)
  process.stdout.write(`  ${result.error ?? JSON.stringify([result.findings, result.unfinished])}\n`);
process.exitCode = isGood ? 0 : 1;
