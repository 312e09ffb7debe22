/** flushlab campaign: many scenarios, variants, platforms and seeds, with a journal, on one machine or many. */
import { Command } from 'commander';
import { campaignJsonSchema } from '../campaign/schema.ts';
import { toJson } from '../report/json.ts';
import { mergeCommand, reportCommand, statusCommand } from './campaign-journal.ts';
import { runCampaignCommand } from './campaign-run.ts';
import { workCommand } from './campaign-work.ts';
import { EXIT, UsageError } from './errors.ts';
import { print } from './terminal.ts';

const HELP = `
A file such as { "name": "night", "entries": [ { "kind": "stress", "scenarios": ["tlb-shootdown"],
"platforms": ["neoverse", "x86-64"], "seeds": [ { "from": 1, "to": 5000 } ] } ] } makes a run of each variant on
each platform with each seed. A run is done when its line in the journal has reached the disk: it is then neither
lost nor made again, whatever is killed.`;

/** @param done takes the exit code */
export function campaignCommand(done: (code: number) => void): Command {
  const command = new Command('campaign')
    .description('many runs with a journal: killed, it goes on; spread over machines, it says the same')
    .option('--schema', "print the JSON schema of a campaign's file")
    .addHelpText('after', HELP)
    .action((flags: { readonly schema?: boolean }) => {
      if (flags.schema !== true) {
        throw new UsageError(
          'campaign: use campaign run FILE.json, work, status, merge, report, or --schema',
        );
      }
      print(toJson(campaignJsonSchema()));
      done(EXIT.OK);
    });
  for (const sub of [
    runCampaignCommand(done),
    workCommand(done),
    statusCommand(done),
    mergeCommand(done),
    reportCommand(done),
  ]) {
    command.addCommand(sub);
  }
  return command;
}
