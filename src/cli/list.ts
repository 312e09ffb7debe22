/** flushlab list: scenarios with their variants and parameters, and platforms. */
import { Command } from 'commander';
import { platforms } from '../platforms/index.ts';
import { listReport, toJson } from '../report/json.ts';
import { listText } from '../report/list-text.ts';
import { scenarios } from '../scenarios/index.ts';
import { print, stdoutStyle } from './terminal.ts';

export function listCommand(): Command {
  return new Command('list')
    .description('scenarios with their variants and parameters, and platforms')
    .option('--json', 'print JSON')
    .action(({ json }: { json?: boolean }) => {
      const all = Object.values(platforms);
      print(json === true ? toJson(listReport(scenarios, all)) : listText(scenarios, all, stdoutStyle));
    });
}
