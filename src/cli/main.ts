/** The command line: puts the commands together and turns mistakes into a line and an exit code. */
import { Command, CommanderError } from 'commander';
import { PlatformError } from '../lab/plan.ts';
import { version } from '../lab/version.ts';
import { ScenarioError } from '../scenarios/scenario.ts';
import { campaignCommand } from './campaign.ts';
import { costCommand } from './cost.ts';
import { demoCommand } from './demo.ts';
import { EXIT, UsageError } from './errors.ts';
import { exploreCommand, verifyCommand } from './explore.ts';
import { listCommand } from './list.ts';
import { litmusCommand } from './litmus.ts';
import { matrixCommand } from './matrix.ts';
import { newCommand } from './new.ts';
import { platformCommand } from './platform.ts';
import { plotCommand } from './plot.ts';
import { replayCommand, shrinkCommand } from './replay.ts';
import { runCommand } from './run.ts';
import { stressCommand } from './stress.ts';
import { sweepCommand } from './sweep.ts';
import { complain } from './terminal.ts';
import { traceCommand } from './trace.ts';

const CODES = `
Exit codes: 0 as expected, 1 a violation was found, 2 usage or configuration, 3 a bound was reached before
an answer, 4 a program threw an error or flushlab itself failed, 130 interrupted.`;

/**
 * Runs one command.
 * @param argv arguments after the program's name
 * @returns the exit code; mistakes of the user are lines on stderr, not errors
 */
export async function main(argv: readonly string[]): Promise<number> {
  let code: number = EXIT.OK;
  const done = (result: number) => {
    code = result;
  };
  const program = new Command('flushlab')
    .version(version)
    .description('Runs SMP scenarios on simulated caches and TLBs, and explains which flush was missing.')
    .addHelpText('after', CODES);
  const commands = [
    listCommand(),
    platformCommand(done),
    newCommand(),
    runCommand(done),
    stressCommand(done),
    matrixCommand(done),
    exploreCommand(done),
    verifyCommand(done),
    replayCommand(done),
    shrinkCommand(done),
    costCommand(done),
    campaignCommand(done),
    sweepCommand(done),
    plotCommand(),
    demoCommand(done),
    traceCommand(done),
    litmusCommand(done),
  ];
  for (const command of commands) program.addCommand(command);
  quieten(program);
  try {
    await program.parseAsync([...argv], { from: 'user' });
    // Some commands leave their code with the process.
    return code === EXIT.OK ? Number(process.exitCode ?? EXIT.OK) : code;
  } catch (error) {
    return report(error);
  }
}

/** Errors of commander come out as exceptions and are written here, in one line. */
function quieten(command: Command): void {
  command.exitOverride().configureOutput({ outputError: () => {} });
  for (const sub of command.commands) quieten(sub);
}

function report(error: unknown): number {
  if (error instanceof CommanderError) {
    if (error.exitCode === 0) return EXIT.OK;
    // Without a command commander prints its help; that is an answer, but not a success.
    if (error.code !== 'commander.help') complain(`${oneLine(error.message)}: see flushlab --help`);
    return EXIT.USAGE;
  }
  if (error instanceof UsageError || error instanceof PlatformError) {
    for (const line of error.lines) complain(line);
    return EXIT.USAGE;
  }
  if (error instanceof ScenarioError) {
    complain(oneLine(error.message));
    return EXIT.USAGE;
  }
  complain(`internal fault: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  return EXIT.FAULT;
}

function oneLine(text: string): string {
  return text
    .replace(/^error: /, '')
    .replace(/\s+/g, ' ')
    .trim()
    .replace(/\.$/, '');
}
