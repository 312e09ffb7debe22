/** flushlab campaign work: runs jobs of campaigns from a queue. */
import { Command } from 'commander';
import { parseQueue, reach } from '../campaign/queue-address.ts';
import { workQueue } from '../campaign/queue-worker.ts';
import { orUsage } from './campaign-exit.ts';
import { EXIT, UsageError } from './errors.ts';
import { Interrupt } from './interrupt.ts';
import { integer, workersOption } from './options.ts';
import { print } from './terminal.ts';

interface WorkFlags {
  readonly queue?: string;
  readonly workers: number;
  readonly lease: number;
  readonly idle?: number;
  readonly quiet?: boolean;
}

const HELP = `
It needs nothing but the address: jobs say what to run. Exit code: 0 after --idle, 130 interrupted; jobs that ran then
go back into the queue.`;

/** @param done takes the exit code */
export function workCommand(done: (code: number) => void): Command {
  return new Command('work')
    .description('run jobs of campaigns from a queue, until Ctrl-C')
    .option('--queue <url>', 'a Redis server: redis://HOST:PORT/DATABASE')
    .addOption(workersOption('threads'))
    .option(
      '--lease <s>',
      'a job whose worker has not been heard of for so many seconds goes to another one',
      integer('--lease', 1, 3600),
      30,
    )
    .option('--idle <s>', 'end after so many seconds without a job', integer('--idle', 1, 1e6))
    .option('--quiet', 'do not tell of jobs')
    .addHelpText('after', HELP)
    .action(async (flags: WorkFlags) => done(await work(flags)));
}

async function work(flags: WorkFlags): Promise<number> {
  const { queue, workers, lease: leaseSeconds, idle: idleSeconds } = flags;
  if (queue === undefined) throw new UsageError('work: add --queue redis://HOST:PORT');
  const address = await orUsage(() => parseQueue(queue));
  const interrupt = Interrupt.ofJob();
  try {
    await orUsage(() => reach(address));
    const onJob = (text: string) => flags.quiet !== true && print(text);
    if (flags.quiet !== true) print(`working for ${address.shown}`);
    const { signal } = interrupt;
    await workQueue(address, { workers, leaseSeconds, idleSeconds, signal, onJob });
  } finally {
    interrupt.dispose();
  }
  return interrupt.interrupted ? EXIT.INTERRUPTED : EXIT.OK;
}
