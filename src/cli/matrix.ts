/** flushlab matrix: scenarios x variants x platforms, each cell held against what must show there. */
import { Command, Option } from 'commander';
import { ThreadsHost } from '../hosts/threads.ts';
import { LockstepPool } from '../lab/lockstep-pool.ts';
import {
  type CellOutcome,
  type MatrixCell,
  matrixCells,
  type NamedPlatform,
  type NamedScenario,
  runMatrix,
} from '../lab/matrix.ts';
import { DEFAULT_QUANTUM_CYCLES } from '../lab/plan.ts';
import type { StressHost } from '../lab/stress.ts';
import { platforms } from '../platforms/index.ts';
import { toJson } from '../report/json.ts';
import { matrixHtml } from '../report/matrix-html.ts';
import { matrixReport } from '../report/matrix-json.ts';
import { matrixJunit, matrixMarkdown } from '../report/matrix-junit.ts';
import { matrixText, reasonsText } from '../report/matrix-text.ts';
import { plural } from '../report/text.ts';
import { flushScenarios, hypervisorScenarios } from '../scenarios/index.ts';
import { loadScenario } from '../scenarios/load-scenario.ts';
import { EXIT, UsageError } from './errors.ts';
import { Interrupt } from './interrupt.ts';
import {
  drawSeed,
  integer,
  maxSecondsOption,
  maxStepsOption,
  resolvePlatform,
  seedOption,
  workersOption,
} from './options.ts';
import { checkWritable, writeWhole } from './output-file.ts';
import { complain, Progress, print, stdoutStyle, stdoutWidth } from './terminal.ts';

interface MatrixFlags {
  readonly platform: string[];
  readonly host: 'lockstep' | 'threads';
  readonly runs?: number;
  readonly seed?: number;
  readonly workers: number;
  readonly maxSteps?: number;
  readonly maxSeconds: number;
  /** All reasons, or those of one cell. */
  readonly why?: string | true;
  readonly html?: string;
  readonly junit?: string;
  readonly markdown?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const FILES = ['html', 'junit', 'markdown'] as const;
const LOCKSTEP_RUNS = 20;
/** On threads the hit rate is the answer. */
const THREADS_RUNS = 200;

const HELP = `
A cell is found (with a letter for each kind of finding), clean, or n/a where the variant means nothing; a cell
with ! is not what the scenario says must show there. On threads wrong variants show their hit rate: one that was
not run into is no failure.

Exit code: 0 if every cell is as expected, 1 if not, 3 if a run reached its limit before an answer, 4 if a
program threw or flushlab itself failed.`;

/** @param done takes the exit code */
export function matrixCommand(done: (code: number) => void): Command {
  const host = new Option('--host <host>', 'who turns the crank').choices(['lockstep', 'threads']);
  return new Command('matrix')
    .description(
      'who needs which flush: every variant of the flush and hypervisor scenarios on every platform',
    )
    .argument(
      '[scenario...]',
      'names, or paths of modules; default: the scenarios about flushes and hypervisors',
    )
    .option(
      '--platform <name|file>',
      'a column: a built-in platform, or your own as a JSON file; repeatable (default: all built-in ones)',
      (name: string, before: string[]) => [...before, name],
      [],
    )
    .addOption(host.default('lockstep'))
    .option(
      '--runs <n>',
      `runs of a cell; on lockstep one that must find something ends with its first finding (default: ${LOCKSTEP_RUNS} on lockstep, ${THREADS_RUNS} on threads)`,
      integer('--runs', 1, 1e9),
    )
    .addOption(seedOption())
    .addOption(workersOption('lockstep: runs side by side; changes nothing but the time'))
    .addOption(maxStepsOption())
    .addOption(maxSecondsOption())
    .option('--why [cell]', 'print why: of every cell, or of one, as SCENARIO/VARIANT/PLATFORM')
    .option('--html <file>', 'write the table and its reasons as a page of its own')
    .option('--junit <file>', 'write the cells as JUnit XML, for CI systems')
    .option('--markdown <file>', 'write the table as Markdown')
    .option('--json', 'print JSON')
    .option('--quiet', 'no progress on stderr')
    .addHelpText('after', HELP)
    .action(async (names: string[], flags: MatrixFlags) => done(await matrix(names, flags)));
}

async function matrix(names: readonly string[], flags: MatrixFlags): Promise<number> {
  const cells = await chosenCells(names, flags);
  for (const file of FILES) {
    const path = flags[file];
    if (path !== undefined) checkWritable(`--${file}`, path);
  }
  const seed = flags.seed ?? drawSeed();
  const runs = flags.runs ?? (flags.host === 'threads' ? THREADS_RUNS : LOCKSTEP_RUNS);
  const range = runs === 1 ? `seed ${seed}` : `seeds ${seed} to ${seed + runs - 1}`;
  const how = `${plural(cells.length, 'cell')} on ${flags.host}, up to ${plural(runs, 'run')} each, ${range}`;
  if (flags.json !== true) print(`${how}\n`);
  const { outcomes, interrupted } = await run(cells, flags, seed, runs);
  const head = { host: flags.host, seed, runs };
  if (flags.html !== undefined) writeWhole('--html', flags.html, matrixHtml(outcomes, how));
  if (flags.junit !== undefined) writeWhole('--junit', flags.junit, matrixJunit(outcomes, head));
  if (flags.markdown !== undefined) {
    writeWhole('--markdown', flags.markdown, `${matrixMarkdown(outcomes, head)}\n`);
  }
  if (flags.json === true) print(toJson(matrixReport(outcomes, head)));
  else if (outcomes.length > 0) {
    const view = { style: stdoutStyle, width: stdoutWidth(), rates: flags.host === 'threads' };
    print(matrixText(outcomes, view));
    if (flags.why !== undefined) print(`\n${reasonsText(outcomes)}`);
  }
  const failed = outcomes.find(({ error }) => error !== undefined);
  if (failed) complain(`${nameOf(failed.cell)}: ${failed.error}`);
  if (interrupted) complain(`interrupted: ${outcomes.length} of ${plural(cells.length, 'cell')} are known`);
  return interrupted ? EXIT.INTERRUPTED : exitCode(outcomes);
}

/** @throws UsageError, ScenarioError before anything runs */
async function chosenCells(names: readonly string[], { platform, why }: MatrixFlags): Promise<MatrixCell[]> {
  // What follows --why may be the next scenario as well.
  const cell = typeof why === 'string' && why.includes('/') && !why.startsWith('.') ? why : undefined;
  const more = typeof why === 'string' && cell === undefined ? [why] : [];
  const scenarios = await named([...names, ...more], cell);
  const columns = columnsOf(platform.length > 0 ? platform : Object.keys(platforms));
  if (scenarios.length === 0) throw new UsageError('matrix: there are no flush scenarios: name a scenario');
  const cells = matrixCells(scenarios, columns);
  if (cell === undefined) return cells;
  const chosen = cells.filter((one) => nameOf(one) === cell);
  if (chosen.length > 0) return chosen;
  throw new UsageError(`--why ${cell}: there is no such cell: use SCENARIO/VARIANT/PLATFORM`);
}

async function named(names: readonly string[], cell: string | undefined): Promise<NamedScenario[]> {
  const wanted = names.length === 0 && cell !== undefined ? [cell.slice(0, cell.indexOf('/'))] : names;
  if (wanted.length === 0) {
    return [...flushScenarios, ...hypervisorScenarios].map((scenario) => ({
      reference: scenario.name,
      scenario,
    }));
  }
  return Promise.all(
    [...new Set(wanted)].map(async (reference) => ({
      reference,
      scenario: await loadScenario(reference, process.cwd()),
    })),
  );
}

/** @throws UsageError */
function columnsOf(references: readonly string[]): NamedPlatform[] {
  const columns = new Map<string, NamedPlatform>();
  for (const reference of references) {
    const platform = resolvePlatform(reference);
    const known = columns.get(platform.name);
    if (known && known.reference !== reference) {
      throw new UsageError(
        `--platform ${reference}: its name is '${platform.name}', as that of ${known.reference}: give it another`,
      );
    }
    columns.set(platform.name, { reference, platform });
  }
  return [...columns.values()];
}

const nameOf = ({ named: { scenario }, variant, on }: MatrixCell) =>
  `${scenario.name}/${variant.name}/${on.platform.name}`;

async function run(
  cells: readonly MatrixCell[],
  flags: MatrixFlags,
  seed: number,
  runs: number,
): Promise<{ outcomes: CellOutcome[]; interrupted: boolean }> {
  const { host, close } = openHost(flags, runs);
  const progress = new Progress(flags.quiet === true);
  const interrupt = new Interrupt(close);
  const { maxSteps, maxSeconds } = flags;
  try {
    const outcomes = await runMatrix(cells, host, {
      runs,
      seed,
      limitsOf: (scenario) => ({
        checked: true,
        keepGoing: false,
        quantumCycles: DEFAULT_QUANTUM_CYCLES,
        maxSteps: maxSteps ?? scenario.maxSteps,
        maxSeconds,
      }),
      isStopped: () => interrupt.interrupted,
      onRun: (done, cell) => progress.show(`${done} of ${cells.length} cells: ${nameOf(cell)}`),
    });
    return { outcomes, interrupted: interrupt.interrupted };
  } finally {
    interrupt.dispose();
    progress.clear();
    await close();
  }
}

function openHost(flags: MatrixFlags, runs: number): { host: StressHost; close: () => Promise<void> } {
  const scheduler = 'random';
  if (flags.host === 'threads') {
    const threads = new ThreadsHost();
    return { host: { threads, scheduler }, close: () => threads.close() };
  }
  const pool = new LockstepPool(Math.min(flags.workers, runs));
  return { host: { pool, scheduler }, close: () => pool.close() };
}

function exitCode(outcomes: readonly CellOutcome[]): number {
  if (outcomes.some(({ result }) => result === 'error')) return EXIT.FAULT;
  const surprises = outcomes.filter(({ asExpected }) => !asExpected);
  if (surprises.some(({ result }) => result !== 'bound')) return EXIT.VIOLATION;
  return surprises.length > 0 ? EXIT.BOUND : EXIT.OK;
}
