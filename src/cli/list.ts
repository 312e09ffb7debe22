/** flushlab list: what scenarios and platforms there are; with names, those scenarios in detail. */
import { Command } from 'commander';
import { platforms } from '../platforms/index.ts';
import { listReport, toJson } from '../report/json.ts';
import { listText, overviewText } from '../report/list-text.ts';
import { scenarioGroups, scenarios } from '../scenarios/index.ts';
import { loadScenario } from '../scenarios/load-scenario.ts';
import { print, stdoutStyle } from './terminal.ts';

export function listCommand(): Command {
  return new Command('list')
    .description(
      'scenarios and platforms; with names, the variants, parameters and states of those scenarios',
    )
    .argument('[scenario...]', 'a name, or the path of a module such as ./my-race.ts')
    .option('--json', 'print JSON, all of it unless names are given')
    .action(async (names: string[], { json }: { json?: boolean }) => {
      const all = Object.values(platforms);
      const named = await Promise.all(names.map((name) => loadScenario(name, process.cwd())));
      if (json === true) {
        print(toJson(names.length > 0 ? listReport(named, []) : listReport(scenarios, all)));
      } else {
        print(
          names.length > 0 ? listText(named, stdoutStyle) : overviewText(scenarioGroups, all, stdoutStyle),
        );
      }
    });
}
