/** flushlab platform: print a platform or the schema, or check a file. */
import { Command } from 'commander';
import { flushFlaws } from '../lab/flush-flaws.ts';
import { platformJsonSchema, platforms } from '../platforms/index.ts';
import { toJson } from '../report/json.ts';
import { sourcesMarkdown, sourcesOverview, sourcesText } from '../report/platform-sources.ts';
import { table } from '../report/text.ts';
import { EXIT, UsageError } from './errors.ts';
import { resolvePlatform } from './options.ts';
import { print, stdoutStyle } from './terminal.ts';

interface PlatformFlags {
  readonly schema?: boolean;
  readonly list?: boolean;
  readonly check?: string;
  readonly sources?: boolean;
  readonly markdown?: boolean;
}

const HELP = `
Exit code with --check: 0 if the file describes a platform on which every flush interface of the kernel keeps its
contract, 1 if some do not, with a line for each, 2 if it describes none.`;

/** @param done takes the exit code */
export function platformCommand(done: (code: number) => void): Command {
  return new Command('platform')
    .description('print a platform as JSON: to read, or to start your own from')
    .argument(
      '[name|file.json]',
      'a built-in platform, or your own file, printed with all defaults filled in',
    )
    .option('--list', 'list the built-in platforms')
    .option(
      '--sources',
      'every figure of the platform with its unit and where it comes from; of no platform: how many of which kind each has',
    )
    .option('--markdown', 'with --sources: as Markdown')
    .option('--schema', 'print the JSON schema of a platform')
    .option(
      '--check <name|file>',
      'say whether a file describes a platform, and try every flush interface of the kernel on it',
    )
    .addHelpText('after', HELP)
    .action(async (name: string | undefined, flags: PlatformFlags) => done(await run(name, flags)));
}

async function run(name: string | undefined, flags: PlatformFlags): Promise<number> {
  const { schema, list, check, sources, markdown } = flags;
  if (markdown === true && sources !== true) {
    throw new UsageError('--markdown: only sources come as Markdown: add --sources');
  }
  // Sources may be those of a platform, or of all.
  const named = name !== undefined && sources !== true;
  const asked = [named, list === true, schema === true, check !== undefined, sources === true];
  if (asked.filter(Boolean).length !== 1) {
    const names = Object.keys(platforms).join(', ');
    throw new UsageError(
      `platform: give one of ${names}, a file, --list, --schema, --sources or --check <file>`,
    );
  }
  if (schema === true) print(toJson(platformJsonSchema()));
  else if (list === true) print(listText());
  else if (check !== undefined) return checkPlatform(check);
  else if (sources === true) print(sourcesOf(name, markdown === true));
  else if (name !== undefined) print(toJson(resolvePlatform(name)));
  return EXIT.OK;
}

function sourcesOf(name: string | undefined, asMarkdown: boolean): string {
  if (name === undefined) return sourcesOverview(Object.values(platforms), asMarkdown);
  const platform = resolvePlatform(name);
  return asMarkdown ? sourcesMarkdown(platform) : sourcesText(platform, stdoutStyle);
}

/** @throws UsageError if the file describes no platform */
async function checkPlatform(reference: string): Promise<number> {
  const platform = resolvePlatform(reference);
  print(`${reference}: describes platform '${platform.name}' (${platform.title})`);
  const flaws = await flushFlaws(platform);
  for (const flaw of flaws) print(`${reference}: ${flaw}`);
  if (flaws.length > 0) return EXIT.VIOLATION;
  print(`${reference}: every flush interface of the kernel keeps its contract on it`);
  return EXIT.OK;
}

function listText(): string {
  const columns = ['name', 'coherence', 'shootdown', 'machine'] as const;
  const rows = Object.values(platforms).map((p) => [p.name, p.coherence, p.shootdown, p.title]);
  return table(
    columns.map((title) => ({ title, align: 'left' })),
    rows,
  ).join('\n');
}
