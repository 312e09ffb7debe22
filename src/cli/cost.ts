/** flushlab cost: what a mechanism costs in simulated cycles. */
import { Command, Option } from 'commander';
import { ThreadsHost } from '../hosts/threads.ts';
import { experiments } from '../lab/experiments/index.ts';
import type { LockstepPool } from '../lab/lockstep-pool.ts';
import {
  COST_QUANTUM_CYCLES,
  type CostCell,
  type CostLimits,
  type CostRow,
  costCells,
  costJob,
  type Mechanism,
  measureLockstep,
  measureThreads,
  mechanisms,
} from '../lab/shootdown-cost.ts';
import type { Platform } from '../machine/platform.ts';
import { costCaption } from '../report/cost-caption.ts';
import { costText } from '../report/cost-text.ts';
import { costReport, toJson } from '../report/json.ts';
import { wrap } from '../report/text.ts';
import { asidCost, worldSwitchCost } from './cost-asid.ts';
import { checkMechanism, experimentCost } from './cost-experiment.ts';
import { flushCost } from './cost-flush.ts';
import { lineMaintenanceCost, setWayHostCost } from './cost-maintenance.ts';
import { type AgainstFlags, againstOption, publishedCost } from './cost-published.ts';
import { type CostFlags, limitsOf, measured } from './cost-run.ts';
import { EXIT, UsageError } from './errors.ts';
import {
  drawSeed,
  integers,
  maxSecondsOption,
  maxStepsOption,
  quantumOption,
  resolvePlatform,
  seedOption,
  workersOption,
} from './options.ts';
import { print, stdoutStyle } from './terminal.ts';

const DEFAULT_CPUS = [1, 2, 4, 8, 16];
const DEFAULT_PAGES = [1, 8, 64];
/** The other experiments can be had with no page in use. */
const NEEDS_PAGES = ['tlb-shootdown', 'flush', 'context-flush', 'set-way-host'];
const USUAL_PLATFORMS: Readonly<Record<string, string>> = {
  'world-switch': 'arm1136',
  'set-way-host': 'cortex-a53',
};
const EXPERIMENTS =
  'tlb-shootdown: the initiator of a munmap, and its targets; flush: every flush interface; context-flush: flushing a context, and giving the address space another one; asid: ASIDs that run out, and what they save; world-switch: to a guest and back, in five designs; line-maintenance: operations on a line by address; set-way-host: emptying caches by set and way, or by address';
/** Experiments that have a table of their own here: what every platform has of it, laid out for reading. */
const OWN_TABLES = ['line-maintenance', 'set-way-host'];
const OTHER_EXPERIMENTS = Object.values(experiments).filter(({ name }) => !OWN_TABLES.includes(name));
const EXPERIMENT_TITLES = OTHER_EXPERIMENTS.map(({ name, title }) => `${name}: ${title}`).join('; ');

/** @param done takes the exit code */
export function costCommand(done: (code: number) => void): Command {
  const mechanism = new Option(
    '--mechanism <name>',
    'how TLBs are flushed: cross-call, broadcast or both; of an experiment: its own',
  );
  const host = new Option('--host <host>', 'whose cycles').choices(['lockstep', 'threads', 'both']);
  return new Command('cost')
    .description('measure what a mechanism costs, in simulated cycles')
    .argument('[experiment]', `${EXPERIMENTS}; ${EXPERIMENT_TITLES}`)
    .option(
      '--cpus <list>',
      'CPU counts (default: 1,2,4,8,16; of flushes: 1 and 4, if there are so many)',
      integers('--cpus', 1, 128),
    )
    .option(
      '--pages <list>',
      'pages a munmap or a flush; pages in use (default: 1,8,64; of asid 0 to 256, of world-switch 2,8,16,48, of set-way-host 1,8,64,256)',
      integers('--pages', 0, 512),
    )
    .option(
      '--work <list>',
      'world-switch: cycles of other work between two switches (default: 0,1000,10000,100000)',
      integers('--work', 0, 10_000_000),
    )
    .addOption(mechanism.default('both'))
    .addOption(host.default('lockstep'))
    .option(
      '--platform <name|file>',
      'a built-in platform, or your own as a JSON file (default: neoverse; of world-switch: arm1136, of set-way-host: cortex-a53)',
    )
    .addOption(seedOption())
    .addOption(quantumOption(COST_QUANTUM_CYCLES))
    .addOption(maxStepsOption('cell').default(100_000_000))
    .addOption(maxSecondsOption('cell', 300))
    .addOption(workersOption('lockstep: cells side by side'))
    .addOption(againstOption())
    .option('--json', 'print JSON')
    .option('--quiet', 'no progress on stderr')
    .action(async (experiment: string | undefined, flags: CostFlags & AgainstFlags) => {
      if (flags.against !== undefined) done(await publishedCost(experiment, flags));
      else done(await cost(experiment ?? '', flags));
    });
}

async function cost(experiment: string, flags: CostFlags): Promise<number> {
  if (Object.hasOwn(experiments, experiment) && !OWN_TABLES.includes(experiment)) {
    return experimentCost(experiments[experiment], flags, flags.seed ?? drawSeed());
  }
  checkMechanism(flags.mechanism);
  const usual = USUAL_PLATFORMS[experiment] ?? 'neoverse';
  const platform = resolvePlatform(flags.platform ?? usual);
  const seed = flags.seed ?? drawSeed();
  if (NEEDS_PAGES.includes(experiment) && flags.pages?.includes(0)) {
    throw new UsageError(`--pages 0: cost ${experiment} takes an integer from 1 to 512`);
  }
  if (experiment === 'flush' || experiment === 'context-flush') {
    return flushCost(experiment, platform, flags, seed);
  }
  if (experiment === 'asid') return asidCost(platform, flags, seed);
  if (experiment === 'world-switch') return worldSwitchCost(platform, flags, seed);
  if (experiment === 'line-maintenance') return lineMaintenanceCost(platform, flags, seed);
  if (experiment === 'set-way-host') return setWayHostCost(platform, flags, seed);
  if (experiment !== 'tlb-shootdown') {
    const known = [
      'tlb-shootdown, flush, context-flush, asid, world-switch, line-maintenance, set-way-host',
      ...OTHER_EXPERIMENTS.map(({ name }) => name),
    ];
    const what = experiment === '' ? 'which experiment' : `there is no experiment '${experiment}'`;
    throw new UsageError(`cost: ${what}: use one of ${known.join(', ')}, or --against published`);
  }
  const limits = limitsOf(flags, seed);
  const { cpus = DEFAULT_CPUS, pages = DEFAULT_PAGES } = flags;
  const cells = costCells(mechanismsOf(flags, platform), cpus, pages);
  const hosts = flags.host === 'both' ? (['lockstep', 'threads'] as const) : [flags.host];
  // Before anything runs: whatever cannot be done is said at once.
  for (const host of hosts) for (const cell of cells) costJob(platform, cell, limits, host);
  const { rows, interrupted } = await measure(platform, cells, limits, hosts, flags);
  if (flags.json === true) print(toJson(costReport(platform, limits, rows)));
  else {
    const view = { clockMHz: platform.clockMHz, times: true };
    print(wrap(costCaption(platform, hosts, flags.quantum)).join('\n'));
    print(`seed ${seed}\n`);
    if (rows.length > 0) print(costText(rows, view, stdoutStyle));
  }
  return interrupted ? EXIT.INTERRUPTED : EXIT.OK;
}

function mechanismsOf(flags: CostFlags, platform: Platform): Mechanism[] {
  if (flags.mechanism !== 'both') return [flags.mechanism];
  // Both means both that there are.
  return platform.broadcast ? [...mechanisms] : ['cross-call'];
}

/** Measures on each host in turn; Ctrl-C leaves the rows measured so far. */
export async function measure(
  platform: Platform,
  cells: readonly CostCell[],
  limits: CostLimits,
  hosts: readonly CostRow['host'][],
  flags: { readonly workers: number; readonly quiet?: boolean },
  threads = new ThreadsHost(),
): Promise<{ rows: CostRow[]; interrupted: boolean }> {
  const rows: CostRow[] = [];
  const total = cells.length * hosts.length;
  const all = async (pool: LockstepPool, tell: (text: string) => boolean) => {
    let goesOn = true;
    const take = (row: CostRow) => {
      rows.push(row);
      goesOn = tell(`${row.host}: ${rows.length} of ${total} measured`);
      return goesOn;
    };
    for (const host of hosts) {
      if (!goesOn) return;
      if (host === 'lockstep') await measureLockstep(platform, cells, limits, pool, take);
      else await measureThreads(platform, cells, limits, threads, take);
    }
  };
  const { interrupted } = await measured(cells.length, flags, all, () => threads.close());
  return { rows, interrupted };
}
