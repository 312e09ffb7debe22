/** flushlab cost flush, flushlab cost context-flush: what the flush interfaces cost on a platform. */
import {
  contextCells,
  type FlushCell,
  type FlushRow,
  flushCells,
  flushFigures,
  measureFlushes,
} from '../lab/flush-cost/measure.ts';
import { LockstepPool } from '../lab/lockstep-pool.ts';
import type { CostLimits } from '../lab/shootdown-cost.ts';
import type { Platform } from '../machine/platform.ts';
import { contextCostText, flushCaption, flushCostReport, flushCostText } from '../report/flush-cost-text.ts';
import { toJson } from '../report/json.ts';
import { wrap } from '../report/text.ts';
import { EXIT, UsageError } from './errors.ts';
import { Interrupt, Progress, print, stdoutStyle } from './terminal.ts';

type Experiment = 'flush' | 'context-flush';

interface FlushCostFlags {
  readonly cpus?: readonly number[];
  readonly pages?: readonly number[];
  readonly host: string;
  readonly mechanism: string;
  readonly quantum: number;
  readonly maxSteps: number;
  readonly maxSeconds: number;
  readonly workers: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const DEFAULT_PAGES = [1, 8, 64];
const MANY_CPUS = 4;

/** @returns the exit code. @throws UsageError */
export async function flushCost(
  experiment: Experiment,
  platform: Platform,
  flags: FlushCostFlags,
  seed: number,
): Promise<number> {
  check(experiment, platform, flags);
  const { pages = DEFAULT_PAGES } = flags;
  const cpus = flags.cpus ?? [...new Set([1, Math.min(MANY_CPUS, platform.maxCpus)])];
  const cells = (experiment === 'flush' ? flushCells : contextCells)(platform, cpus, pages);
  const limits = {
    seed,
    quantumCycles: flags.quantum,
    maxSteps: flags.maxSteps,
    maxSeconds: flags.maxSeconds,
  };
  const { rows, interrupted } = await measure(platform, cells, limits, flags);
  if (flags.json === true) print(toJson(flushCostReport(experiment, platform, seed, rows)));
  else {
    print(wrap(flushCaption(experiment, platform)).join('\n'));
    print(`seed ${seed}\n`);
    const text = experiment === 'flush' ? flushCostText : contextCostText;
    if (rows.length > 0) print(text(rows, flushFigures(platform), stdoutStyle));
  }
  return interrupted ? EXIT.INTERRUPTED : EXIT.OK;
}

function check(experiment: Experiment, { name, maxCpus }: Platform, flags: FlushCostFlags): void {
  if (flags.host !== 'lockstep') {
    throw new UsageError(
      `cost ${experiment}: it is measured on lockstep only: leave out --host ${flags.host}`,
    );
  }
  if (flags.mechanism !== 'both') {
    throw new UsageError(
      `cost ${experiment}: flushes go the way of the platform: leave out --mechanism ${flags.mechanism}`,
    );
  }
  const tooMany = flags.cpus?.find((n) => n > maxCpus);
  if (tooMany !== undefined) {
    throw new UsageError(`--cpus ${tooMany}: ${name} has at most ${maxCpus}: use --cpus ${maxCpus} or fewer`);
  }
}

async function measure(
  platform: Platform,
  cells: readonly FlushCell[],
  limits: CostLimits,
  flags: FlushCostFlags,
): Promise<{ rows: FlushRow[]; interrupted: boolean }> {
  const progress = new Progress(flags.quiet === true);
  const pool = new LockstepPool(Math.min(flags.workers, cells.length));
  const interrupt = new Interrupt(() => pool.close());
  const rows: FlushRow[] = [];
  try {
    await measureFlushes(platform, cells, limits, pool, (row) => {
      rows.push(row);
      progress.show(`${rows.length} of ${cells.length} measured`);
      return !interrupt.interrupted;
    });
  } finally {
    interrupt.dispose();
    progress.clear();
    await pool.close();
  }
  return { rows, interrupted: interrupt.interrupted };
}
