/** The options of a sweep: what to go through, where results go, what to conclude and to draw. */
import { extname } from 'node:path';
import { type Command, Option } from 'commander';
import { type FitScale, fitScales } from '../lab/sweep/analysis.ts';
import { parseScan, type Scan } from '../lab/sweep/scan.ts';
import { UsageError } from './errors.ts';
import { integer, seedOption, setting } from './options.ts';

const formats = ['text', 'markdown', 'csv', 'ndjson'] as const;
export type Format = (typeof formats)[number];

/** As commander leaves them. */
export interface SweepFlags {
  readonly scan?: readonly Scan[];
  readonly set: Readonly<Record<string, string>>;
  readonly platform?: string;
  readonly repeat: number;
  readonly seed?: number;
  readonly measure?: string;
  readonly fit?: readonly string[];
  readonly fitScale: FitScale;
  readonly cross?: readonly string[];
  readonly along?: string;
  readonly format?: Format;
  readonly out?: readonly string[];
  readonly resume?: boolean;
  readonly workers: number;
  readonly quiet?: boolean;
}

/** Workers of a sweep unless told otherwise: a sweep must leave room for other work. */
const USUAL_WORKERS = 2;
const MAX_REPEAT = 100_000;

const FORMAT_OF: Readonly<Record<string, Format>> = {
  '.txt': 'text',
  '.md': 'markdown',
  '.csv': 'csv',
  '.ndjson': 'ndjson',
  '.jsonl': 'ndjson',
};

export function withSweepOptions(command: Command): Command {
  const list = (text: string, before: readonly string[] = []) => [...before, text];
  const format = new Option('--format <name>', 'of stdout, or of files whose names do not say').choices(
    formats,
  );
  return command
    .option(
      '--scan <parameter=values>',
      'go through values: cpus=1,2,4, cpus=1..64:*2, pages=1..10:+3, platform=a,b; repeatable, the first changes slowest (default: what is usual for the experiment)',
      (text: string, before: readonly Scan[] = []) => [...before, parseScan(text)],
    )
    .option('--set <parameter=value>', 'fix a parameter; repeatable', setting, {})
    .option('--platform <name|file>', 'a built-in platform, or your own as a JSON file')
    .option(
      '--repeat <n>',
      'measure each point with so many seeds, one after the other',
      integer('--repeat', 1, MAX_REPEAT),
      1,
    )
    .addOption(seedOption())
    .option('--measure <list>', 'figures to show, to fit and to compare (default: all)')
    .option('--fit <parameter>', 'fit a line along a parameter, for each combination of the others', list)
    .addOption(
      new Option('--fit-scale <scale>', 'log-log fits a power law').choices(fitScales).default('linear'),
    )
    .option('--cross <parameter>', 'find where the curves of two of its values cross', list)
    .option('--along <parameter>', 'what --cross follows the curves along (default: the only other number)')
    .addOption(format)
    .option(
      '-o, --out <file>',
      'write to a file: .ndjson (each point as it comes), .csv, .md or .txt; repeatable',
      list,
    )
    .option('--resume', 'go on with the .ndjson file of --out where it ends')
    .option(
      '--workers <n>',
      'points side by side, 0 for none but this process; changes nothing but the time',
      integer('--workers', 0, 256),
      USUAL_WORKERS,
    )
    .option('--quiet', 'no progress on stderr');
}

export interface OutputFile {
  readonly path: string;
  readonly format: Format;
}

/** The files of --out with their formats. @throws UsageError */
export function outputFiles({ out = [], format }: Pick<SweepFlags, 'out' | 'format'>): OutputFile[] {
  const repeated = out.find((path, i) => out.indexOf(path) !== i);
  if (repeated !== undefined) throw new UsageError(`--out ${repeated}: it is given twice: leave one out`);
  return out.map((path) => {
    const byName = FORMAT_OF[extname(path).toLowerCase()] ?? format;
    if (byName === undefined) {
      const known = Object.keys(FORMAT_OF).join(', ');
      throw new UsageError(
        `--out ${path}: its name does not say its format: end it in ${known}, or add --format`,
      );
    }
    return { path, format: byName };
  });
}

/** The measures that were asked for, in that order. @throws UsageError */
export function chosenMeasures(
  asked: string | undefined,
  {
    experiment,
    measures,
  }: { readonly experiment: string; readonly measures: Readonly<Record<string, unknown>> },
): string[] {
  const all = Object.keys(measures);
  if (asked === undefined) return all;
  const names = [...new Set(asked.split(',').map((name) => name.trim()))];
  const unknown = names.find((name) => !all.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(
      `--measure ${unknown}: ${experiment} does not measure it: use one of ${all.join(', ')}`,
    );
  }
  return names;
}
