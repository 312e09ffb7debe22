/** flushlab cost <experiment>: the table of any experiment, at the values that are usual for it. */

import type { Experiment } from '../lab/experiments/experiment.ts';
import { mechanisms } from '../lab/shootdown-cost.ts';
import { layOutSweep, PLATFORM } from '../lab/sweep/points.ts';
import { type Scan, scanValues } from '../lab/sweep/scan.ts';
import { headOf } from '../lab/sweep/table.ts';
import { toJson } from '../report/json.ts';
import { sweepText } from '../report/sweep-text.ts';
import type { CostFlags } from './cost-run.ts';
import { EXIT, UsageError } from './errors.ts';
import { resolvePlatform } from './options.ts';
import { failedPoints, measureSweep } from './sweep-run.ts';
import { print, stdoutStyle } from './terminal.ts';

/**
 * Measures what is usual, with the values that were given in place of the usual ones.
 * @returns the exit code. @throws UsageError, ScenarioError
 */
export async function experimentCost(
  experiment: Experiment,
  flags: CostFlags,
  seed: number,
): Promise<number> {
  const { name, usual } = experiment;
  if (flags.host !== 'lockstep') {
    throw new UsageError(`cost ${name}: it is measured on lockstep only: leave out --host ${flags.host}`);
  }
  if (flags.work !== undefined) throw new UsageError(`cost ${name}: it has no --work: see flushlab sweep`);
  const given = {
    ...(flags.cpus && { cpus: flags.cpus.join(',') }),
    ...(flags.pages && { pages: flags.pages.join(',') }),
    ...(flags.mechanism !== 'both' && { mechanism: flags.mechanism }),
    ...(flags.platform !== undefined && { [PLATFORM]: flags.platform }),
  };
  const scans: Scan[] = Object.entries({ ...usual, ...given }).map(([parameter, list]) => ({
    name: parameter,
    values: parameter === PLATFORM ? list.split(',') : scanValues(`cost ${name}: ${parameter}`, list),
  }));
  const sweep = layOutSweep({
    ...{ experiment, scans, set: {}, repeat: 1, seed },
    findPlatform: resolvePlatform,
  });
  const { rows, interrupted } = await measureSweep(sweep, flags);
  const table = { head: headOf(sweep), rows };
  if (flags.json === true) print(toJson(table));
  else print(sweepText(table, Object.keys(experiment.measures), { fits: [], crossovers: [] }, stdoutStyle));
  if (failedPoints(sweep, rows)) return EXIT.FAULT;
  return interrupted ? EXIT.INTERRUPTED : EXIT.OK;
}

/** What `--mechanism` may be for the measurements that are no experiment. @throws UsageError */
export function checkMechanism(mechanism: string): void {
  const known = [...mechanisms, 'both'];
  if (!known.includes(mechanism)) {
    throw new UsageError(`--mechanism ${mechanism}: use one of ${known.join(', ')}`);
  }
}
