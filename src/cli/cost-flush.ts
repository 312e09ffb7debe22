/** flushlab cost flush, flushlab cost context-flush: what the flush interfaces cost on a platform. */
import {
  contextCells,
  type FlushRow,
  flushCells,
  flushFigures,
  measureFlushes,
} from '../lab/flush-cost/measure.ts';
import type { Platform } from '../machine/platform.ts';
import { contextCostText, flushCaption, flushCostReport, flushCostText } from '../report/flush-cost-text.ts';
import { toJson } from '../report/json.ts';
import { wrap } from '../report/text.ts';
import { type CostFlags, checkOptions, limitsOf, measured } from './cost-run.ts';
import { EXIT } from './errors.ts';
import { print, stdoutStyle } from './terminal.ts';

type Experiment = 'flush' | 'context-flush';

const DEFAULT_PAGES = [1, 8, 64];
const MANY_CPUS = 4;

/** @returns the exit code. @throws UsageError */
export async function flushCost(
  experiment: Experiment,
  platform: Platform,
  flags: CostFlags,
  seed: number,
): Promise<number> {
  checkOptions(experiment, platform, flags, 'flushes go the way of the platform');
  const { pages = DEFAULT_PAGES } = flags;
  const cpus = flags.cpus ?? [...new Set([1, Math.min(MANY_CPUS, platform.maxCpus)])];
  const cells = (experiment === 'flush' ? flushCells : contextCells)(platform, cpus, pages);
  const rows: FlushRow[] = [];
  const { interrupted } = await measured(cells.length, flags, (pool, tell) =>
    measureFlushes(platform, cells, limitsOf(flags, seed), pool, (row) => {
      rows.push(row);
      return tell(`${rows.length} of ${cells.length} measured`);
    }),
  );
  if (flags.json === true) print(toJson(flushCostReport(experiment, platform, seed, rows)));
  else {
    print(wrap(flushCaption(experiment, platform)).join('\n'));
    print(`seed ${seed}\n`);
    const text = experiment === 'flush' ? flushCostText : contextCostText;
    if (rows.length > 0) print(text(rows, flushFigures(platform), stdoutStyle));
  }
  return interrupted ? EXIT.INTERRUPTED : EXIT.OK;
}
