/** flushlab campaign status, merge and report: what journals say. */
import { Command } from 'commander';
import { firstFailures } from '../campaign/first-failure.ts';
import { readJournal } from '../campaign/journal-reader.ts';
import { mergeJournals } from '../campaign/merge.ts';
import { Summary } from '../campaign/summary.ts';
import { campaignReport } from '../report/campaign-json.ts';
import { campaignJunit } from '../report/campaign-junit.ts';
import { campaignMarkdown } from '../report/campaign-markdown.ts';
import type { CampaignResults } from '../report/campaign-rows.ts';
import { campaignLine, campaignText } from '../report/campaign-text.ts';
import { toJson } from '../report/json.ts';
import { plural, thousands } from '../report/text.ts';
import { codeOf, orUsage } from './campaign-exit.ts';
import { EXIT } from './errors.ts';
import { checkWritable, writeWhole } from './output-file.ts';
import { print, stdoutStyle } from './terminal.ts';

/** @param done takes the exit code */
export function statusCommand(done: (code: number) => void): Command {
  return new Command('status')
    .description('how far a campaign is, also while it runs; exit 0')
    .argument('<journal>', 'file that campaign run has written, or writes')
    .option('--json', 'print JSON')
    .action(async (path: string, { json }: { readonly json?: boolean }) => {
      const results = await resultsOf(path);
      if (json === true) print(toJson(campaignReport(results)));
      else print(`${campaignText(results, stdoutStyle)}\n\n${campaignLine(results)}`);
      done(EXIT.OK);
    });
}

/** @param done takes the exit code */
export function mergeCommand(done: (code: number) => void): Command {
  return new Command('merge')
    .description('put journals of the parts of one campaign together, sorted')
    .argument('<journal...>', 'files that campaign run has written')
    .requiredOption('-o, --output <file>', 'where it goes: a file that is not there yet')
    .action(async (paths: readonly string[], { output }: { readonly output: string }) => {
      const { done: known, units, duplicates, journals } = await orUsage(() => mergeJournals(paths, output));
      const twice = duplicates === 0 ? '' : `, ${plural(duplicates, 'line')} in more than one`;
      print(
        `${output}: ${thousands(known)} of ${plural(units, 'part')} from ${plural(journals, 'journal')}${twice}`,
      );
      done(EXIT.OK);
    });
}

interface ReportFlags {
  readonly junit?: string;
  readonly json?: string;
  readonly markdown?: string;
}

const HELP = `
Exit code: as that of campaign run for the whole campaign, and 3 if not all of it has been run.`;

/** @param done takes the exit code */
export function reportCommand(done: (code: number) => void): Command {
  return new Command('report')
    .description('write what a campaign has found, for a CI system or for people')
    .argument('<journal>', 'file that campaign run or merge has written')
    .option('--junit <file>', 'JUnit XML: a test case for each scenario, variant and platform')
    .option('--json <file>', 'JSON')
    .option('--markdown <file>', 'Markdown')
    .addHelpText('after', HELP)
    .action(async (path: string, flags: ReportFlags) => done(await report(path, flags)));
}

async function report(path: string, flags: ReportFlags): Promise<number> {
  const { junit, json, markdown } = flags;
  for (const [option, file] of [
    ['--junit', junit],
    ['--json', json],
    ['--markdown', markdown],
  ] as const) {
    if (file !== undefined) checkWritable(option, file, path);
  }
  const results = await resultsOf(path);
  const write = (option: string, file: string | undefined, text: (of: CampaignResults) => string) => {
    if (file !== undefined) writeWhole(option, file, text(results));
  };
  write('--junit', junit, campaignJunit);
  write('--json', json, (of) => `${toJson(campaignReport(of))}\n`);
  write('--markdown', markdown, campaignMarkdown);
  if (junit === undefined && json === undefined && markdown === undefined) {
    print(`${campaignText(results, stdoutStyle)}\n`);
  }
  print(campaignLine(results));
  return codeOf(results.summary.state, EXIT.BOUND);
}

async function resultsOf(path: string): Promise<CampaignResults> {
  const summary = await orUsage(() => {
    let made: Summary | undefined;
    readJournal(
      path,
      (header) => {
        made = new Summary(header);
      },
      (line) => made?.add(line),
    );
    return made as unknown as Summary;
  });
  return { summary, shown: await firstFailures(summary) };
}
