/** flushlab replay and flushlab shrink: a schedule from a token, again, and smaller. */
import { existsSync, readFileSync } from 'node:fs';
import { Command } from 'commander';
import type { Execution } from '../explore/execution.ts';
import { goalOf } from '../explore/reached.ts';
import { isViolation, signatureOf } from '../explore/shard.ts';
import { shrink } from '../explore/shrink.ts';
import { timeline } from '../explore/timeline.ts';
import { decodeToken, type Replay, TokenError } from '../explore/token.ts';
import { fromToken } from '../lab/from-token.ts';
import type { Plan } from '../lab/plan.ts';
import { canBeShrunk, counterexampleOf, NotReproducible, replay, replayTwice } from '../lab/search.ts';
import { version } from '../lab/version.ts';
import { replayReport } from '../report/explore-json.ts';
import { counterexampleText, replayLines, tableText } from '../report/explore-text.ts';
import { toJson } from '../report/json.ts';
import { labelled, paint } from '../report/text.ts';
import { loadScenario } from '../scenarios/load-scenario.ts';
import { findState } from '../scenarios/scenario.ts';
import { EXIT, UsageError } from './errors.ts';
import { integer, quoted } from './options.ts';
import { checkWritable, writeLine } from './output-file.ts';
import { complain, print, stdoutStyle, stdoutWidth } from './terminal.ts';

interface ReplayFlags {
  readonly force?: boolean;
  readonly json?: boolean;
  readonly runs: number;
  readonly save?: string;
}

const TOKEN = 'a replay token, or a file that holds one';

/** @param done takes the exit code */
export function replayCommand(done: (code: number) => void): Command {
  return new Command('replay')
    .description('run the schedule of a token again, and explain it; exit 1 if it fails as it did')
    .argument('<token>', TOKEN)
    .option('--force', 'try a token of another version of flushlab')
    .option('--json', 'print JSON')
    .action(async (word: string, flags: ReplayFlags) => done(await again(word, flags)));
}

/** @param done takes the exit code */
export function shrinkCommand(done: (code: number) => void): Command {
  return new Command('shrink')
    .description('look for the smallest schedule that fails like the one of a token')
    .argument('<token>', TOKEN)
    .option('--runs <n>', 'runs to make at most', integer('--runs', 1, 1e9), 50_000)
    .option('--save <file>', 'write the replay token to a file as well')
    .option('--force', 'try a token of another version of flushlab')
    .option('--json', 'print JSON')
    .action(async (word: string, flags: ReplayFlags) => done(await smaller(word, flags)));
}

interface Prepared {
  readonly token: Replay;
  readonly plan: Plan;
  readonly on: Execution;
}

async function again(word: string, flags: ReplayFlags): Promise<number> {
  const prepared = await prepare(word, flags);
  const { token, plan, on } = prepared;
  replay(on, token.choices);
  const signature = signatureOf(on) ?? 'finished';
  if (signature !== token.signature) {
    complain(
      `the token says '${token.signature}', the run ended with '${signature}' after ${on.choices} of ${token.choices.length} steps: the scenario has changed since`,
    );
  }
  const example = counterexampleOf(plan, token.scenario, on, token.choices.slice(0, on.choices), on.result());
  await show(prepared, example, flags);
  return exitCode(signature, token);
}

/** As it did, if that is a violation; a state that is not reached any more may be reached in another way. */
function exitCode(signature: string, token: Replay): number {
  if (isViolation(signature)) return EXIT.VIOLATION;
  if (signature.startsWith('error')) return EXIT.FAULT;
  if (goalOf(token.signature) !== undefined) return signature === token.signature ? EXIT.OK : EXIT.BOUND;
  return signature === 'finished' ? EXIT.OK : EXIT.BOUND;
}

async function smaller(word: string, flags: ReplayFlags): Promise<number> {
  if (flags.save !== undefined) checkWritable('--save', flags.save);
  const prepared = await prepare(word, flags);
  const { token, plan, on } = prepared;
  replay(on, token.choices);
  const signature = signatureOf(on) ?? 'finished';
  if (signature !== token.signature || !canBeShrunk(signature)) {
    throw new UsageError(
      `the schedule ends with '${signature}'${signature === token.signature ? '' : `, the token says '${token.signature}'`}: only one that shows a violation or reaches a state can be made smaller`,
    );
  }
  const shrunk = shrink(on, token.choices, signature, flags.runs);
  try {
    const result = replayTwice(on, shrunk.choices, signature);
    const example = counterexampleOf(plan, token.scenario, on, shrunk.choices, result);
    if (flags.save !== undefined) writeLine('--save', flags.save, example.token);
    await show(prepared, { ...example, shrunk }, flags);
  } catch (error) {
    if (!(error instanceof NotReproducible)) throw error;
    complain(error.message);
    return EXIT.FAULT;
  }
  return exitCode(signature, token);
}

async function show(
  { plan, on, token }: Prepared,
  example: ReturnType<typeof counterexampleOf>,
  flags: ReplayFlags,
): Promise<void> {
  const lines = timeline(on, example.choices);
  if (flags.json === true) {
    print(toJson(replayReport(plan, example, lines)));
    return;
  }
  const { scenario, variant } = plan;
  print(paint(stdoutStyle, 'bold', `${scenario.name}, variant ${variant.name}: ${variant.title}`));
  print(labelled('token', `made by flushlab ${token.version}`).join('\n'));
  print(counterexampleText(plan, example, tableText(lines, stdoutStyle, stdoutWidth()), stdoutStyle));
  if (example.shrunk) print(replayLines(example.token, flags.save && quoted(flags.save)));
}

/** @throws UsageError, ScenarioError */
async function prepare(word: string, flags: ReplayFlags): Promise<Prepared> {
  const token = readToken(word);
  if (token.version !== version && flags.force !== true) {
    throw new UsageError(
      `the token was made by flushlab ${token.version}, this is ${version}: its steps may not be the same; --force tries it all the same`,
    );
  }
  const scenario = await loadScenario(token.scenario, process.cwd());
  const goal = goalOf(token.signature);
  if (goal !== undefined) findState(scenario, goal);
  return { token, ...(await fromToken(scenario, token)) };
}

/** @throws UsageError */
function readToken(word: string): Replay {
  try {
    return decodeToken(existsSync(word) ? readFileSync(word, 'utf8') : word);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== undefined) throw new UsageError(`${word}: cannot be read (${code}): ${NAME_IT}`);
    if (!(error instanceof TokenError)) throw error;
    if (existsSync(word)) throw new UsageError(`${word}: ${error.message}`);
    if (/[./\\]/.test(word)) throw new UsageError(`${word}: there is no such file: ${NAME_IT}`);
    throw new UsageError(error.message);
  }
}

const NAME_IT = 'name one that --save or --record has written, or paste the token itself';
