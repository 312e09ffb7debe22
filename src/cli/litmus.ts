/** flushlab litmus: tests in herd7's format, their final states and conditions. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import type { LitmusTest } from '../litmus/ast.ts';
import { satisfies } from '../litmus/condition.ts';
import type { FinalState, LitmusResult } from '../litmus/engine.ts';
import { normalisedState, observationOf, stateText } from '../litmus/final-state.ts';
import { logText } from '../litmus/herd-output.ts';
import { LitmusError } from '../litmus/litmus-error.ts';
import { type Outcome, outcomeOf } from '../litmus/outcome.ts';
import { compareOutcome, References } from '../litmus/outcomes.ts';
import { parseLitmus } from '../litmus/parse-litmus.ts';
import { toJson } from '../report/json.ts';
import { type ComparedTest, comparisonSummary, differencesText } from '../report/litmus-compare-text.ts';
import { litmusReport } from '../report/litmus-json.ts';
import { witnessText } from '../report/litmus-witness-text.ts';
import { EXIT, UsageError } from './errors.ts';
import { drawSeed, integer, seedOption } from './options.ts';
import { complain, Progress, print } from './terminal.ts';

interface LitmusFlags {
  readonly compare?: string;
  readonly json?: boolean;
  readonly maxStates: number;
  readonly maxSeconds: number;
  readonly witness?: string;
  readonly host?: string;
  readonly runs: number;
  readonly seed?: number;
  readonly quiet?: boolean;
}

/** What finds final states of tests, as the flags ask. */
interface Engine {
  /** @param text the test's own */
  run(test: LitmusTest, text: string): LitmusResult | Promise<LitmusResult>;
  /** It makes runs: what it did not see may still be possible. */
  readonly isSampling: boolean;
  /** Of its runs. */
  readonly seed?: number;
  close?(): Promise<void>;
}

/** @param done takes the exit code */
export function litmusCommand(done: (code: number) => void): Command {
  return new Command('litmus')
    .description("run litmus tests in herd7's format and print their final states as herd7 does")
    .argument('<path...>', '.litmus files, and folders that hold some')
    .option(
      '--compare <outcomes.jsonl>',
      'print unsound and unreached states instead; exit 1 if one is unsound',
    )
    .option('--json', 'print JSON')
    .option('--max-states <n>', 'machine states after which a test is given up', positive, 2_000_000)
    .option('--max-seconds <n>', 'wall time after which a test is given up', positive, 60)
    .option('--witness <state>', "print a run that ends in a state, such as '0:X1=1; [x]=2;', or 'condition'")
    .option('--host <name>', 'run the tests on a simulated machine instead: threads, lockstep')
    .option('--runs <n>', 'with --host: runs of each test', integer('--runs', 1, 1e7), 1000)
    .addOption(seedOption())
    .option('--quiet', 'no progress on stderr')
    .action(async (paths: string[], flags: LitmusFlags) => done(await litmus(paths, flags)));
}

async function engineOf(flags: LitmusFlags): Promise<Engine> {
  const { maxStates, maxSeconds, host } = flags;
  if (host !== undefined) return stressEngine(flags);
  // Other commands start without the engine.
  const { exploreTest } = await import('../litmus/core/explore.ts');
  return { run: (test) => exploreTest(test, { maxStates, maxSeconds }), isSampling: false };
}

const HOSTS = ['threads', 'lockstep'];

async function stressEngine(flags: LitmusFlags): Promise<Engine> {
  const { host = '', runs, seed = drawSeed() } = flags;
  if (!HOSTS.includes(host))
    throw new UsageError(`there is no host '${host}': use one of ${HOSTS.join(', ')}`);
  const { stressTest } = await import('../litmus/machine/stress.ts');
  const { ThreadsHost } = await import('../hosts/threads.ts');
  const threads = host === 'threads' ? new ThreadsHost() : undefined;
  if (flags.json !== true) print(`Seed ${seed}`);
  return {
    run: (test, text) => stressTest(test, text, { runs, seed, threads }),
    isSampling: true,
    seed,
    close: async () => threads?.close(),
  };
}

function positive(text: string): number {
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  throw new UsageError(`'${text}' is no limit: give a number above 0`);
}

async function litmus(paths: readonly string[], flags: LitmusFlags): Promise<number> {
  const against = (['compare', 'host', 'json'] as const).find((name) => flags[name] !== undefined);
  if (flags.witness !== undefined) {
    if (against) throw new UsageError(`--witness and --${against} do not go together: leave one out`);
    return witnesses(paths.flatMap(litmusFiles), flags.witness, flags);
  }
  const references = flags.compare === undefined ? undefined : readReferences(flags.compare);
  const files = paths.flatMap(litmusFiles);
  const engine = await engineOf(flags);
  const progress = new Progress(flags.quiet === true);
  const tally = { isMistaken: false, isBounded: false };
  const compared: ComparedTest[] = [];
  const reports: unknown[] = [];
  for (const [index, file] of files.entries()) {
    progress.show(`${index + 1} of ${files.length}: ${file}`);
    const outcome = await runFile(file, engine, progress);
    if (outcome === undefined) {
      tally.isMistaken = true;
      continue;
    }
    const { name } = outcome.test;
    tally.isBounded ||= !outcome.complete && !engine.isSampling;
    const reference = references?.find(file, name);
    const comparison = reference && compareOutcome(outcome, reference);
    progress.clear();
    if (flags.json === true) {
      const compared = references === undefined ? undefined : (comparison ?? null);
      reports.push(litmusReport(file, outcome, compared, engine.seed));
    } else if (references === undefined) print(logText(outcome, engine.isSampling));
    else for (const line of differencesText({ name, comparison })) print(line);
    compared.push({ name, comparison });
  }
  progress.clear();
  await engine.close?.();
  if (flags.json === true) print(toJson(reports));
  else if (references !== undefined) print(comparisonSummary(compared));
  if (tally.isMistaken) return EXIT.USAGE;
  if (compared.some(({ comparison }) => (comparison?.unsound.length ?? 0) > 0)) return EXIT.VIOLATION;
  return tally.isBounded ? EXIT.BOUND : EXIT.OK;
}

/** Prints, of each test, a run that ends in the wanted state: exit code 1 if one has none. */
async function witnesses(files: readonly string[], wanted: string, flags: LitmusFlags): Promise<number> {
  const { findWitness } = await import('../litmus/core/witness.ts');
  let code: number = EXIT.OK;
  for (const file of files) {
    try {
      const test = parseLitmus(readFileSync(file, 'utf8'));
      const observation = observationOf(test);
      const isWanted = (state: FinalState) =>
        wanted === 'condition'
          ? satisfies(test.condition.proposition, state, observation.types)
          : normalisedState(stateText(observation, state)) === normalisedState(wanted);
      const witness = findWitness(test, flags, isWanted);
      print(witness ? witnessText(test.name, wanted, witness) : `Witness ${test.name} ${wanted}: none\n`);
      if (!witness && code === EXIT.OK) code = EXIT.VIOLATION;
    } catch (error) {
      if (!(error instanceof LitmusError)) throw error;
      complain(error.in(file));
      code = EXIT.USAGE;
    }
  }
  return code;
}

/** Undefined if the test cannot be read or run: stderr has said so, and the others still are. */
async function runFile(file: string, engine: Engine, progress: Progress): Promise<Outcome | undefined> {
  try {
    const text = readFileSync(file, 'utf8');
    const test = parseLitmus(text);
    const start = performance.now();
    const result = await engine.run(test, text);
    return outcomeOf(test, result, (performance.now() - start) / 1000);
  } catch (error) {
    if (!(error instanceof LitmusError)) throw error;
    progress.clear();
    complain(error.in(file));
    return undefined;
  }
}

/** A file itself; a folder's tests, in folders of it too, sorted. @throws UsageError */
function litmusFiles(path: string): string[] {
  if (!existsSync(path)) throw new UsageError(`${path}: no such file or folder: name a .litmus file`);
  if (!statSync(path).isDirectory()) return [path];
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' });
  const files = names.filter((name) => name.endsWith('.litmus')).sort();
  if (files.length === 0) throw new UsageError(`${path}: no .litmus file in this folder or below it`);
  return files.map((name) => join(path, name));
}

/** @throws UsageError */
function readReferences(path: string): References {
  if (!existsSync(path)) throw new UsageError(`${path}: no such file: --compare takes a file of outcomes`);
  try {
    return new References(readFileSync(path, 'utf8'), path);
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}
