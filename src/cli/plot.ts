/** flushlab plot: a sweep as a picture; and what `flushlab sweep --plot` shares with it. */
import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import { parseScan, type Scan } from '../lab/sweep/scan.ts';
import type { SweepTable } from '../lab/sweep/table.ts';
import { type Plot, plotOf } from '../report/plot/plot-data.ts';
import { findPublished } from '../report/plot/published-points.ts';
import { renderSvg } from '../report/plot/render-svg.ts';
import { readSweep } from '../report/sweep-ndjson.ts';
import { plural } from '../report/text.ts';
import { UsageError } from './errors.ts';
import { checkWritable, writeWhole } from './output-file.ts';
import { complain, print } from './terminal.ts';

export interface PlotFlags {
  readonly x?: string;
  readonly y?: string;
  readonly series?: string;
  readonly log?: readonly ('x' | 'y')[];
  readonly where?: readonly Scan[];
  readonly published?: readonly string[];
}

const HELP = `
The same file gives the same bytes. Nothing is opened: look at the SVG with a browser.`;

export function plotCommand(): Command {
  const command = new Command('plot')
    .description('draw a sweep that flushlab sweep --out FILE.ndjson has written, as SVG')
    .argument('<file.ndjson>', 'what flushlab sweep has written; it may still be running')
    .requiredOption('-o, --out <file.svg>', 'file to write');
  return withPlotOptions(command)
    .addHelpText('after', HELP)
    .action(async (path: string, flags: PlotFlags & { readonly out: string }) => plot(path, flags));
}

export function withPlotOptions(command: Command): Command {
  return command
    .option('--x <parameter>', 'along the horizontal axis (default: the last number that was scanned)')
    .option('--y <measure>', 'along the vertical axis (default: the first measure)')
    .option('--series <parameter>', 'what has colours (default: the first other one that was scanned)')
    .addOption(
      new Option(
        '--log <axes>',
        'logarithmic axes: x, y, x,y or none (default: where values are far apart)',
      ).argParser(logAxes),
    )
    .option(
      '--where <parameter=values>',
      'plot: only points with these values; repeatable',
      (text: string, before: readonly Scan[] = []) => [...before, parseScan(text, '--where')],
    )
    .option(
      '--published <id>',
      'plot: points that somebody has published as well, such as arm64-tlbi; repeatable',
      (text: string, before: readonly string[] = []) => [...before, text],
    );
}

/** Writes a plot. @throws UsageError, ScenarioError */
export async function writePlot(
  option: string,
  path: string,
  table: SweepTable,
  flags: PlotFlags,
): Promise<void> {
  writeWhole(option, path, await renderSvg(layOutPlot(table, flags)));
}

/** @throws ScenarioError if it cannot be drawn */
export function layOutPlot(table: SweepTable, flags: PlotFlags): Plot {
  const { where = [], published = [] } = flags;
  return plotOf(table, { ...flags, where, published: published.map(findPublished) });
}

async function plot(path: string, flags: PlotFlags & { readonly out: string }): Promise<void> {
  checkWritable('--out', flags.out, path);
  const table = readSweep(readText(path));
  if ('problem' in table) {
    throw new UsageError(
      `${path}: ${table.problem}: name a file that flushlab sweep --out FILE.ndjson has written`,
    );
  }
  await writePlot('--out', flags.out, table, flags);
  const { length } = table.rows;
  if (length < table.head.points) complain(`${path}: ends after ${length} of ${table.head.points} points`);
  print(`${flags.out}: ${plural(length, 'point')} of ${table.head.experiment}`);
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`${path}: cannot be read (${code}): name a file that flushlab sweep has written`);
  }
}

function logAxes(text: string): ('x' | 'y')[] {
  const axes = text === 'none' ? [] : text.split(',');
  if (!axes.every((axis): axis is 'x' | 'y' => axis === 'x' || axis === 'y')) {
    throw new UsageError(`--log ${text}: use x, y, x,y or none`);
  }
  return axes;
}
