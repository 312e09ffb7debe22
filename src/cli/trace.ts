/** `flushlab trace run` and `flushlab trace compare`: memory traces of real programs on a machine. */
import { readFileSync, writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { compareMechanisms, mechanismsText, variationsOf } from '../trace/mechanisms.ts';
import { type Comparison, compare, type Oracle, parseOracle } from '../trace/oracle.ts';
import { statsText } from '../trace/report-stats.ts';
import { traceText } from '../trace/report-text.ts';
import { runTrace, type TraceResult } from '../trace/run.ts';
import { TraceError } from '../trace/trace-error.ts';
import { EXIT, UsageError } from './errors.ts';
import { complain, print } from './terminal.ts';
import { runOf, type TraceFlags } from './trace-options.ts';

const SHOWN_DIFFERENCES = 20;

interface OutputFlags {
  readonly json?: boolean;
  readonly stats?: string;
  readonly compare?: string;
}

/** @param done told the exit code */
export function traceCommand(done: (code: number) => void): Command {
  const trace = new Command('trace').description(
    'memory traces of real programs: exact counts, and what a kernel costs',
  );
  const run = trace
    .command('run')
    .description('run traces, one a CPU (lackey, din or binary; gzip or not; - for standard input)')
    .argument('<file...>', 'traces');
  common(run)
    .option('--json', 'print JSON')
    .option('--stats <file>', "also write the figures in the form of gem5's stats.txt")
    .option('--compare <oracle.json>', 'compare with counts computed elsewhere; exit 1 on a difference')
    .action((paths: string[], flags: TraceFlags & OutputFlags) =>
      guarded(done, () => runCommand(paths, flags)),
    );
  const side = trace
    .command('compare')
    .description('the same traces with the kernel at rest and at work, mechanisms side by side')
    .argument('<file...>', 'traces');
  common(side)
    .option('--json', 'print JSON')
    .action((paths: string[], flags: TraceFlags & OutputFlags) =>
      guarded(done, () => compareCommand(paths, flags)),
    );
  return trace;
}

function common(command: Command): Command {
  return command
    .option(
      '--platform <name>',
      'a platform or a .json file; otherwise plain L1 caches that hold the program alone',
    )
    .option('--l1d <size,ways,line>', 'L1 data cache, e.g. 32k,8,64 (also the L1I of the plain machine)')
    .option('--l1i <size,ways,line>', 'L1 instruction cache')
    .option('--l2 <size,ways,line>', "private L2, or 'none'")
    .option('--tlb <entries,ways>', 'first-level TLBs, e.g. 64,4')
    .option('--asids', 'TLB entries carry an ASID')
    .option('--no-asids', 'TLB entries carry no ASID')
    .option('--coherence <protocol>', 'msi, mesi, moesi or none')
    .option('--cpus <n>', 'CPUs; traces are given out in turn (default: one a trace)')
    .option('--host <host>', 'lockstep (deterministic) or threads')
    .option('--order <order>', 'lockstep: clock, turns (one access each) or sync (all at once)')
    .option('--spaces <spaces>', 'one address space for all traces, or each its own')
    .option('--no-split', 'an access that touches two lines counts in the first only')
    .option('--format <format>', 'lackey, din, xdin or binary, where it cannot be told')
    .option('--check', 'run with the checker')
    .option('--mechanism <mechanism>', 'how the kernel flushes TLBs: cross-call or broadcast')
    .option('--munmap-every <n>', 'unmap pages in use every n accesses of a CPU')
    .option('--fork-cow <n>', 'fork every n accesses: all pages become copy on write')
    .option('--migrate-every <n>', 'move pages in use to other frames every n accesses')
    .option('--switch-every <n>', 'time slices of n accesses for several traces on a CPU')
    .option('--pages <k>', 'pages that munmap and migration take')
    .option('--seed <n>', 'seed of every random choice')
    .option('--max-seconds <n>', 'stop after this wall time')
    .option('--quiet', 'no progress on stderr');
}

/** Runs a command's body; what is wrong with a trace is the user's to mend. */
async function guarded(done: (code: number) => void, body: () => Promise<number>): Promise<void> {
  try {
    done(await body());
  } catch (error) {
    if (error instanceof TraceError) throw new UsageError(error.message);
    throw error;
  }
}

async function runCommand(paths: readonly string[], flags: TraceFlags & OutputFlags): Promise<number> {
  const oracle = flags.compare === undefined ? undefined : readOracle(flags.compare);
  const result = await runTrace(runOf(paths, flags, oracle));
  if (result.outcome === 'error') return exitCode(result, undefined);
  const comparison =
    oracle && result.outcome === 'finished' ? compare(result, oracle, flags.compare ?? '') : undefined;
  if (flags.stats !== undefined) writeStats(flags.stats, result);
  if (flags.json === true) {
    const { run, ...figures } = result;
    const { platform, ...settings } = run;
    const data = { platform: platform.name, settings, ...figures, ...(comparison && { comparison }) };
    print(JSON.stringify(data, null, 2));
  } else {
    print(traceText(result));
    if (comparison) print(`\n${comparisonText(comparison, flags.compare ?? '')}`);
  }
  return exitCode(result, comparison);
}

function exitCode(result: TraceResult, comparison: Comparison | undefined): number {
  switch (result.outcome) {
    case 'finished':
      return comparison && comparison.differences.length > 0 ? EXIT.VIOLATION : EXIT.OK;
    case 'finding':
    case 'deadlock':
      return EXIT.VIOLATION;
    case 'error':
      complain(result.error ?? 'the run failed');
      return EXIT.FAULT;
    default:
      complain(`stopped at the ${result.outcome}: use a larger --max-seconds`);
      return EXIT.BOUND;
  }
}

function readOracle(path: string): Oracle {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    throw new TraceError(`--compare ${path}: cannot be read: name a JSON file of counts`);
  }
  return parseOracle(text, path);
}

function writeStats(path: string, result: TraceResult): void {
  try {
    writeFileSync(path, statsText(result));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new TraceError(
      `--stats ${path}: ${code ?? 'cannot be written'}: name a file in a folder that exists`,
    );
  }
}

function comparisonText({ compared, differences }: Comparison, where: string): string {
  if (differences.length === 0) return `${where}: all ${compared} counts are equal`;
  const lines = differences
    .slice(0, SHOWN_DIFFERENCES)
    .map(({ what, expected, got }) => `  ${what}: ${got}, expected ${expected}`);
  if (differences.length > SHOWN_DIFFERENCES)
    lines.push(`  and ${differences.length - SHOWN_DIFFERENCES} more`);
  return [`${where}: ${differences.length} of ${compared} counts differ`, ...lines].join('\n');
}

async function compareCommand(paths: readonly string[], flags: TraceFlags & OutputFlags): Promise<number> {
  if (paths.includes('-'))
    throw new TraceError('a comparison reads each trace several times: name a file, not -');
  const run = runOf(paths, flags, undefined);
  const results = await compareMechanisms(variationsOf(run), (name) => {
    if (run.progress) process.stderr.write(`${name} done\n`);
  });
  if (flags.json === true) {
    const rows = results.map(({ result, ...row }) => ({ ...row, cpus: result.cpus }));
    print(JSON.stringify(rows, null, 2));
  } else print(mechanismsText(results));
  return EXIT.OK;
}
