/** flushlab campaign run: what of a campaign is not done yet, here or through a queue. */
import { Command } from 'commander';
import { demandBuiltIn, readCampaign } from '../campaign/campaign-file.ts';
import { firstFailures } from '../campaign/first-failure.ts';
import { headerOf } from '../campaign/header.ts';
import { Journal } from '../campaign/journal.ts';
import { type CampaignPlan, planCampaign } from '../campaign/plan.ts';
import { parseQueue, reach } from '../campaign/queue-address.ts';
import { runLocally } from '../campaign/run-locally.ts';
import { JobFailed, runQueued } from '../campaign/run-queued.ts';
import { Summary } from '../campaign/summary.ts';
import { countIn, type Share } from '../campaign/unit-set.ts';
import { campaignReport } from '../report/campaign-json.ts';
import { campaignLine, campaignText } from '../report/campaign-text.ts';
import { toJson } from '../report/json.ts';
import { plural, thousands } from '../report/text.ts';
import { codeOf, orUsage } from './campaign-exit.ts';
import { EXIT, UsageError } from './errors.ts';
import { Interrupt } from './interrupt.ts';
import { integer, workersOption } from './options.ts';
import { complain, Progress, print, stdoutStyle } from './terminal.ts';

interface CampaignFlags {
  readonly journal?: string;
  readonly workers: number;
  readonly shard?: Share;
  readonly queue?: string;
  readonly jobRuns: number;
  readonly patience: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const HELP = `
Exit code: 0 if everything that is known is as it must be, 1 if not, 3 if a run reached its limit before an answer,
4 if a program threw or flushlab itself failed, 130 interrupted: run it again to go on. With --shard a wrong variant
that this part has not found is no failure: flushlab campaign merge and report judge the whole.`;

/** @param done takes the exit code */
export function runCampaignCommand(done: (code: number) => void): Command {
  return new Command('run')
    .description('run what is not in the journal yet')
    .argument('<file.json>', 'what to run; see campaign --schema')
    .option('--journal <file>', 'where results go, a line each (default: the file, ending in .ndjson)')
    .addOption(workersOption('threads, 0 for none but this process; changes nothing but the time', 0))
    .option('--shard <i/n>', 'only part i of n, to be merged with the others', share)
    .option(
      '--queue <url>',
      'have workers elsewhere run it, by way of a Redis server: redis://HOST:PORT/DATABASE',
    )
    .option(
      '--job-runs <n>',
      'queue: lines of the journal that make a job',
      // A result is one value in Redis, and one text here.
      integer('--job-runs', 1, 100_000),
      2000,
    )
    .option(
      '--patience <s>',
      'queue: seconds to wait for a server that answers no more',
      integer('--patience', 1, 1e6),
      600,
    )
    .option('--json', 'print JSON')
    .option('--quiet', 'no progress on stderr')
    .addHelpText('after', HELP)
    .action(async (path: string, flags: CampaignFlags) => done(await run(path, flags)));
}

/** `2/8`. @throws UsageError */
function share(text: string): Share {
  const match = /^(\d{1,6})\/(\d{1,6})$/.exec(text);
  const [index, of] = [Number(match?.[1]), Number(match?.[2])];
  if (match && index >= 1 && index <= of) return { index, of };
  throw new UsageError(`--shard ${text}: use i/n with i from 1 to n, such as 1/4`);
}

async function run(path: string, flags: CampaignFlags): Promise<number> {
  const { queue, shard, jobRuns, patience: patienceSeconds, workers } = flags;
  if (queue !== undefined && shard !== undefined) {
    throw new UsageError('--shard: a queue shares the work out by itself: leave it out');
  }
  const campaign = await orUsage(() => readCampaign(path));
  if (queue !== undefined) await orUsage(() => demandBuiltIn(campaign), path);
  const plan = await orUsage(() => planCampaign(campaign, process.cwd()), path);
  const address = await orUsage(async () => {
    if (queue === undefined) return undefined;
    const parsed = parseQueue(queue);
    await reach(parsed);
    return parsed;
  });
  const all: Share = shard ?? { index: 1, of: 1 };
  const header = headerOf(plan);
  const summary = new Summary(header);
  const progress = new Meter(plan, all, flags.quiet === true);
  const file = flags.journal ?? `${path.replace(/\.json$/i, '')}.ndjson`;
  const journal = await orUsage(() =>
    Journal.open(file, header, (line) => {
      summary.add(line);
      progress.tell(line.unit, summary.found);
    }),
  );
  const interrupt = Interrupt.ofJob();
  const begun = journal.done.size;
  progress.begin();
  let failed: JobFailed | undefined;
  try {
    const { signal } = interrupt;
    const onNotice = (text: string) => {
      progress.clear();
      complain(text);
    };
    await orUsage(() =>
      address
        ? runQueued(plan, journal, address, { jobRuns, patienceSeconds, signal, onNotice })
        : runLocally(plan, journal, { workers, share: all, signal }),
    );
  } catch (error) {
    if (!(error instanceof JobFailed)) throw error;
    failed = error;
  } finally {
    interrupt.dispose();
    progress.clear();
    await orUsage(() => journal.close());
  }
  const results = { summary, shown: await firstFailures(summary) };
  if (flags.json === true) print(toJson(campaignReport(results)));
  else {
    print(`${campaignText(results, stdoutStyle)}\n\n${campaignLine(results)}`);
    if (begun > 0) print(`${plural(begun, 'part')} had been done before`);
  }
  if (failed) {
    complain(failed.message);
    return EXIT.FAULT;
  }
  if (!interrupt.interrupted) return codeOf(summary.state, EXIT.OK);
  const jobs = queue === undefined ? '' : '; jobs in the queue stay there, and workers go on with them';
  complain(`interrupted: ${file} keeps what is done, and the same command goes on${jobs}`);
  return EXIT.INTERRUPTED;
}

/** How far it is, how fast it goes, and how long it takes. */
class Meter {
  private readonly progress: Progress;
  private readonly share: Share;
  private readonly total: number;
  private done = 0;
  private atBegin = 0;
  private began = 0;

  constructor({ units }: CampaignPlan, of: Share, quiet: boolean) {
    this.share = of;
    this.total = countIn(of, units);
    this.progress = new Progress(quiet);
  }

  begin(): void {
    this.atBegin = this.done;
    this.began = performance.now();
  }

  tell(unit: number, found: number): void {
    const { share, total } = this;
    if (unit % share.of !== share.index - 1) return;
    this.done++;
    if (this.began === 0) return;
    const rate = (this.done - this.atBegin) / Math.max(0.001, (performance.now() - this.began) / 1000);
    const left = durationText((total - this.done) / rate);
    this.progress.show(
      `${thousands(this.done)} of ${thousands(total)} done, ${rateText(rate)}/s, ${left} left, ${thousands(found)} found`,
    );
  }

  clear(): void {
    this.progress.clear();
  }
}

const rateText = (rate: number) => (rate < 10 ? rate.toFixed(1) : thousands(rate));

/** `3 h 05 min`, `12 min`, `45 s`. @param seconds from 0 */
function durationText(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 90) return `${whole} s`;
  const minutes = Math.round(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`;
}
