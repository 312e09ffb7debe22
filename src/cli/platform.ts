/** flushlab platform: print a platform or the schema, or check a file. */
import { Command } from 'commander';
import { platformJsonSchema, platforms } from '../platforms/index.ts';
import { toJson } from '../report/json.ts';
import { table } from '../report/text.ts';
import { UsageError } from './errors.ts';
import { resolvePlatform } from './options.ts';
import { print } from './terminal.ts';

interface PlatformFlags {
  readonly schema?: boolean;
  readonly list?: boolean;
  readonly check?: string;
}

export function platformCommand(): Command {
  return new Command('platform')
    .description('print a platform as JSON: to read, or to start your own from')
    .argument(
      '[name|file.json]',
      'a built-in platform, or your own file, printed with all defaults filled in',
    )
    .option('--list', 'list the built-in platforms')
    .option('--schema', 'print the JSON schema of a platform')
    .option('--check <file>', 'say whether a file describes a platform')
    .action((name: string | undefined, flags: PlatformFlags) => run(name, flags));
}

function run(name: string | undefined, { schema, list, check }: PlatformFlags): void {
  const asked = [name !== undefined, list === true, schema === true, check !== undefined];
  if (asked.filter(Boolean).length !== 1) {
    const names = Object.keys(platforms).join(', ');
    throw new UsageError(`platform: give one of ${names}, a file, --list, --schema or --check <file>`);
  }
  if (schema === true) print(toJson(platformJsonSchema()));
  else if (list === true) print(listText());
  else if (check !== undefined) {
    const { name: found, title } = resolvePlatform(check);
    print(`${check}: describes platform '${found}' (${title})`);
  } else if (name !== undefined) print(toJson(resolvePlatform(name)));
}

function listText(): string {
  const columns = ['name', 'coherence', 'shootdown', 'machine'] as const;
  const rows = Object.values(platforms).map((p) => [p.name, p.coherence, p.shootdown, p.title]);
  return table(
    columns.map((title) => ({ title, align: 'left' })),
    rows,
  ).join('\n');
}
