/** flushlab cost line-maintenance, flushlab cost set-way-host: what cache maintenance costs without a hypervisor. */
import {
  addressCells,
  lineCells,
  type MaintenanceRow,
  measureMaintenance,
  setWayCells,
} from '../lab/maintenance-cost/measure.ts';
import type { MaintenanceSettings } from '../lab/maintenance-cost/workload.ts';
import { PAGE_BYTES, type Platform } from '../machine/platform.ts';
import { toJson } from '../report/json.ts';
import {
  lineCaption,
  lineText,
  maintenanceReport,
  setWayCaption,
  setWayText,
} from '../report/maintenance-cost-text.ts';
import { wrap } from '../report/text.ts';
import { type CostFlags, checkOptions, limitsOf, measured } from './cost-run.ts';
import { EXIT, UsageError } from './errors.ts';
import { print, stdoutStyle } from './terminal.ts';

type Experiment = 'line-maintenance' | 'set-way-host';

const DEFAULT_PAGES = [1, 8, 64, 256];
const OWN_WAYS = 'there are no TLBs to flush';

/** @returns the exit code. @throws UsageError */
export function lineMaintenanceCost(platform: Platform, flags: CostFlags, seed: number): Promise<number> {
  if (flags.pages !== undefined) {
    throw new UsageError('cost line-maintenance: it is measured on the lines of one page: leave out --pages');
  }
  checkAlone('line-maintenance', platform, flags);
  return run('line-maintenance', platform, flags, seed, lineCells(platform));
}

/** @returns the exit code. @throws UsageError */
export function setWayHostCost(platform: Platform, flags: CostFlags, seed: number): Promise<number> {
  checkAlone('set-way-host', platform, flags);
  const { name, maintenance, memoryBytes } = platform;
  if (maintenance.setWay === false) {
    throw new UsageError(
      `cost set-way-host: ${name} has no operations by set and way: use another platform, or cost line-maintenance`,
    );
  }
  const { pages = DEFAULT_PAGES } = flags;
  // The lowest page is nobody's.
  const most = memoryBytes / PAGE_BYTES - 1;
  const tooMany = pages.find((n) => n > most);
  if (tooMany !== undefined) {
    throw new UsageError(`--pages ${tooMany}: ${name} has memory for ${most}: use --pages ${most} or fewer`);
  }
  return run('set-way-host', platform, flags, seed, [...setWayCells(pages), ...addressCells(pages)]);
}

function checkAlone(experiment: Experiment, platform: Platform, flags: CostFlags): void {
  if (flags.cpus !== undefined) {
    throw new UsageError(`cost ${experiment}: it is measured on one CPU: leave out --cpus`);
  }
  checkOptions(experiment, platform, flags, OWN_WAYS);
}

async function run(
  experiment: Experiment,
  platform: Platform,
  flags: CostFlags,
  seed: number,
  cells: readonly MaintenanceSettings[],
): Promise<number> {
  const rows: MaintenanceRow[] = [];
  const { interrupted } = await measured(cells.length, flags, (pool, tell) =>
    measureMaintenance(platform, cells, limitsOf(flags, seed), pool, (row) => {
      rows.push(row);
      return tell(`${rows.length} of ${cells.length} measured`);
    }),
  );
  const isLines = experiment === 'line-maintenance';
  if (flags.json === true) print(toJson(maintenanceReport(experiment, platform, seed, rows)));
  else {
    print(wrap((isLines ? lineCaption : setWayCaption)(platform)).join('\n'));
    print(`seed ${seed}\n`);
    if (rows.length > 0) print((isLines ? lineText : setWayText)(rows, platform, stdoutStyle));
  }
  return interrupted ? EXIT.INTERRUPTED : EXIT.OK;
}
