/** flushlab demo, which `npm start` runs: the cost of a shootdown, and what leaving it out does. */
import { availableParallelism } from 'node:os';
import { Command } from 'commander';
import { explain } from '../checker/explain.ts';
import { ThreadsHost } from '../hosts/threads.ts';
import { jobOf, makePlan } from '../lab/plan.ts';
import { COST_QUANTUM_CYCLES, costCells, mechanisms } from '../lab/shootdown-cost.ts';
import { platforms } from '../platforms/index.ts';
import { costCaption } from '../report/cost-caption.ts';
import { costText } from '../report/cost-text.ts';
import { findingText } from '../report/run-text.ts';
import { paint, plural, wrap } from '../report/text.ts';
import { findVariant } from '../scenarios/scenario.ts';
import { tlbShootdown } from '../scenarios/tlb-shootdown/scenario.ts';
import { measure } from './cost.ts';
import { EXIT } from './errors.ts';
import { Interrupt } from './interrupt.ts';
import { drawSeed, integers, seedOption } from './options.ts';
import { print, stdoutStyle } from './terminal.ts';

interface DemoFlags {
  readonly pages: number[];
  readonly seed?: number;
  readonly quiet?: boolean;
}

const CPUS = [1, 2, 4, 8, 16];
const RACE_CPUS = 4;
/** The race shows in nearly every run. */
const TRIES = 5;

const NEXT = [
  ['flushlab list', 'the scenarios, their variants, the platforms'],
  ['flushlab run tlb-shootdown --variant no-dsb-before', 'one wrong kernel, one run, repeatable'],
  ['flushlab stress tlb-shootdown', 'every variant, many seeds'],
  ['flushlab cost tlb-shootdown --pages 1,8,64', 'the table above for more pages'],
] as const;

/** @param done takes the exit code */
export function demoCommand(done: (code: number) => void): Command {
  return new Command('demo')
    .description('the cost of a TLB shootdown by two mechanisms, and a kernel that leaves it out')
    .option('--pages <list>', 'pages a munmap', integers('--pages', 1, 512), [1, 8])
    .addOption(seedOption())
    .option('--quiet', 'no progress on stderr')
    .action(async (flags: DemoFlags) => done(await demo(flags)));
}

async function demo(flags: DemoFlags): Promise<number> {
  const seed = flags.seed ?? drawSeed();
  const threads = new ThreadsHost();
  try {
    print(paint(stdoutStyle, 'bold', 'TLB shootdown: cross call and broadcast, side by side'));
    if (await showCosts(flags, seed, threads)) return EXIT.INTERRUPTED;
    print(`\n${paint(stdoutStyle, 'bold', 'The same munmap in a kernel that does not flush at all')}\n`);
    const code = await showRace(seed, threads);
    if (code !== EXIT.OK) return code;
  } finally {
    await threads.close();
  }
  print('\nTo go on, with npx in front:');
  for (const [line, what] of NEXT) print(`  ${line.padEnd(53)} ${what}`);
  return EXIT.OK;
}

/** Returns true if the user interrupted it. */
async function showCosts(flags: DemoFlags, seed: number, threads: ThreadsHost): Promise<boolean> {
  const platform = platforms.neoverse;
  const hosts = ['lockstep', 'threads'] as const;
  const limits = { seed, quantumCycles: COST_QUANTUM_CYCLES, maxSteps: 100_000_000, maxSeconds: 60 };
  const cells = costCells(mechanisms, CPUS, flags.pages);
  print(`${wrap(costCaption(platform, hosts, limits.quantumCycles)).join('\n')}\n`);
  const options = { workers: availableParallelism(), quiet: flags.quiet === true };
  const { rows, interrupted } = await measure(platform, cells, limits, hosts, options, threads);
  if (rows.length > 0) print(costText(rows, { clockMHz: platform.clockMHz, times: false }, stdoutStyle));
  return interrupted;
}

/** Runs the variant without a flush on real threads until it shows. */
async function showRace(seed: number, threads: ThreadsHost): Promise<number> {
  const variant = findVariant(tlbShootdown, 'none');
  const plan = makePlan({ scenario: tlbShootdown, variant, cpus: RACE_CPUS, given: { operation: 'munmap' } });
  const { maxSteps } = tlbShootdown;
  const limits = { checked: true, keepGoing: false, quantumCycles: 10_000, maxSteps, maxSeconds: 20 };
  const interrupt = new Interrupt(() => threads.close());
  try {
    for (let run = 0; run < TRIES; run++) {
      const result = await threads.run(jobOf(plan, limits, seed + run));
      if (interrupt.interrupted) return EXIT.INTERRUPTED;
      if (result.error !== undefined) throw new Error(result.error);
      const [finding] = result.findings;
      if (!finding) continue;
      const where = `${plan.platform.name}, ${plural(RACE_CPUS, 'CPU')}, each in a thread of its own, seed ${seed + run}`;
      print(`${where}, run ${run + 1}:\n`);
      print(
        findingText(explain(finding, plan.platform, result.unfinished, result.processors), stdoutStyle).join(
          '\n',
        ),
      );
      return EXIT.OK;
    }
  } finally {
    interrupt.dispose();
  }
  print(
    `not found in ${plural(TRIES, 'run')}: try flushlab stress tlb-shootdown --variant none --host threads`,
  );
  return EXIT.BOUND;
}
