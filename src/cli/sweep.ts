/** flushlab sweep: an experiment along any of its parameters, with lines and crossovers. */
import { Command } from 'commander';
import { experiments, findExperiment } from '../lab/experiments/index.ts';
import { crossTable, fitTable } from '../lab/sweep/analysis.ts';
import { layOutSweep, PLATFORM, type SweepPoint } from '../lab/sweep/points.ts';
import { headOf, rowOf, type SweepHead, type SweepTable, type TableRow } from '../lab/sweep/table.ts';
import { crossoverLine, fitLineOf, headLine, type ReadSweep, rowLine } from '../report/sweep-ndjson.ts';
import { splitMeasures } from '../report/sweep-tables.ts';
import {
  type Conclusions,
  conclusionsText,
  sweepCsv,
  sweepMarkdown,
  sweepText,
} from '../report/sweep-text.ts';
import { plural, wrap } from '../report/text.ts';
import { EXIT, UsageError } from './errors.ts';
import { drawSeed, resolvePlatform } from './options.ts';
import { checkWritable, writeWhole } from './output-file.ts';
import { layOutPlot, type PlotFlags, withPlotOptions, writePlot } from './plot.ts';
import { resumable, SweepLog } from './sweep-log.ts';
import {
  chosenMeasures,
  type Format,
  type OutputFile,
  outputFiles,
  type SweepFlags,
  withSweepOptions,
} from './sweep-options.ts';
import { failedPoints, measureSweep } from './sweep-run.ts';
import { complain, print, stdoutStyle } from './terminal.ts';

type Flags = SweepFlags & PlotFlags & { readonly plot?: string };

/** What can be varied and measured. */
function experimentsText(): string {
  const paragraphs = Object.values(experiments).map(({ name, title, parameters, measures }) =>
    [
      ...wrap(`${name}: ${title}`, '  ', '    '),
      ...wrap(`varies platform, ${Object.keys(parameters).join(', ')}`, '    ', '      '),
      ...wrap(`measures ${Object.keys(measures).join(', ')}`, '    ', '      '),
    ].join('\n'),
  );
  return `\nExperiments:\n${paragraphs.join('\n')}`;
}

const HELP = `
A point that means nothing on its platform is reported as n/a, with the reason.
The same seed gives the same bytes, whatever --workers is.`;

/** @param done takes the exit code */
export function sweepCommand(done: (code: number) => void): Command {
  const command = new Command('sweep')
    .description('measure an experiment along any of its parameters; fit lines, find crossovers')
    .argument('<experiment>', 'see below');
  withSweepOptions(command).option('--plot <file.svg>', 'draw it as well');
  return withPlotOptions(command)
    .addHelpText('after', () => `${experimentsText()}\n${HELP}`)
    .action(async (name: string, flags: Flags) => done(await sweep(name, flags)));
}

async function sweep(name: string, flags: Flags): Promise<number> {
  const { fit = [], cross = [] } = flags;
  const files = outputFiles(flags);
  for (const { path } of files) checkWritable('--out', path);
  if (flags.plot !== undefined) checkWritable('--plot', flags.plot);
  const [log, second] = files.filter(({ format }) => format === 'ndjson');
  if (second) throw new UsageError(`--out ${second.path}: ${log.path} has the same lines: leave one out`);
  if (flags.resume === true && !log) {
    throw new UsageError('--resume: there is no file to go on with: name it with --out FILE.ndjson');
  }
  const before = flags.resume === true && log ? resumable('--out', log.path) : undefined;
  const plan = layOutSweep({
    experiment: findExperiment(name),
    scans: flags.scan ?? [],
    set: withPlatform(flags),
    repeat: flags.repeat,
    seed: flags.seed ?? before?.head.seed ?? drawSeed(),
    findPlatform: resolvePlatform,
  });
  const head = headOf(plan);
  const measures = chosenMeasures(flags.measure, head);
  const format = files.length > 0 ? undefined : (flags.format ?? 'text');
  if (format === 'csv' && fit.length + cross.length > 0) {
    throw new UsageError('--format csv has no place for fits and crossovers: write it with --out FILE.csv');
  }
  const conclude = (rows: readonly TableRow[]): Conclusions => {
    const { shown } = splitMeasures(rows, measures);
    return {
      fits: fit.flatMap((along) => fitTable({ head, rows }, along, shown, flags.fitScale)),
      crossovers: cross.flatMap((between) => crossTable({ head, rows }, between, shown, flags.along)),
    };
  };
  // What cannot be concluded, or drawn, is said before anything is measured.
  conclude([]);
  if (flags.plot !== undefined)
    layOutPlot({ head, rows: plan.points.map((point) => blank(point, head)) }, flags);
  const toLines = format === 'ndjson';
  const file = log && openLog(log.path, head, before);
  if (toLines) print(headLine(head));
  const { rows, interrupted } = await measureSweep(plan, flags, before?.rows, (row) => {
    file?.point(row);
    if (toLines) print(rowLine(row));
  });
  const table = { head, rows };
  const conclusions = conclude(rows);
  // Conclusions from a part would look like those from the whole.
  if (rows.length === head.points) file?.finish(conclusions);
  file?.close();
  if (interrupted) {
    // A table of a part would look like one of the whole.
    const remedy = log ? `: --resume goes on with ${log.path}` : '';
    complain(`interrupted after ${rows.length} of ${plural(head.points, 'point')}${remedy}`);
    if (format !== undefined) printResults(format, table, measures, conclusions);
    return EXIT.INTERRUPTED;
  }
  for (const one of files) writeFile(one, table, measures, conclusions);
  if (format !== undefined) printResults(format, table, measures, conclusions);
  else printSummary(table, files, conclusions);
  if (flags.plot !== undefined) await writePlot('--plot', flags.plot, table, flags);
  return failedPoints(plan, rows) ? EXIT.FAULT : EXIT.OK;
}

/** A point as if everything had been measured there. */
function blank(point: SweepPoint, { measures }: SweepHead): TableRow {
  return rowOf({
    point,
    outcome: { measures: Object.fromEntries(Object.keys(measures).map((name) => [name, 1])) },
  });
}

function openLog(path: string, head: SweepHead, before: ReadSweep | undefined): SweepLog {
  return before ? SweepLog.goOn('--out', path, head, before) : SweepLog.create('--out', path, head);
}

function withPlatform({ set, platform }: SweepFlags): Readonly<Record<string, string>> {
  if (platform === undefined) return set;
  if (set[PLATFORM] !== undefined)
    throw new UsageError('--platform and --set platform: leave one of them out');
  return { ...set, [PLATFORM]: platform };
}

function writeFile(
  { path, format }: OutputFile,
  table: SweepTable,
  measures: string[],
  found: Conclusions,
): void {
  // It is there already.
  if (format === 'ndjson') return;
  const text = { text: textOf, markdown: sweepMarkdown, csv: sweepCsv }[format](table, measures, found);
  writeWhole('--out', path, format === 'csv' ? text : `${text}\n`);
}

function textOf(table: SweepTable, measures: string[], found: Conclusions): string {
  return sweepText(table, measures, found, { colour: false });
}

function printResults(format: Format, table: SweepTable, measures: string[], found: Conclusions): void {
  if (format === 'text') print(sweepText(table, measures, found, stdoutStyle));
  else if (format === 'markdown') print(sweepMarkdown(table, measures, found));
  else if (format === 'csv') process.stdout.write(sweepCsv(table, measures));
  else if (table.rows.length === table.head.points) {
    for (const fit of found.fits) print(fitLineOf(fit));
    for (const crossover of found.crossovers) print(crossoverLine(crossover));
  }
}

function printSummary({ head, rows }: SweepTable, files: readonly OutputFile[], found: Conclusions): void {
  const measured = rows.filter(({ outcome }) => 'measures' in outcome).length;
  const na = rows.filter(({ outcome }) => 'na' in outcome).length;
  const names = files.map(({ path }) => path).join(', ');
  print(
    `${head.experiment}: ${rows.length} of ${plural(head.points, 'point')}, ${measured} measured, ${na} n/a, seed ${head.seed}: ${names}`,
  );
  const text = conclusionsText(found, stdoutStyle);
  if (text !== '') print(`\n${text}`);
}
