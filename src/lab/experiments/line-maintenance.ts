/** Operations on lines by address: the cells of `flushlab cost line-maintenance`, one a point, and any number of pages. */
import type { Platform } from '../../machine/platform.ts';
import { LockstepPool } from '../lockstep-pool.ts';
import { hasLevelBelow, measureMaintenance } from '../maintenance-cost/measure.ts';
import {
  type LineOperationName,
  type LineState,
  lineOperations,
  type MaintenanceSettings,
} from '../maintenance-cost/workload.ts';
import { nameIn, numberIn } from './bench/values.ts';
import { figures, LIMITS, tooManyPages } from './cell.ts';
import type { Experiment } from './experiment.ts';

const parameters = {
  operation: { title: 'what is done to each line', default: 'flush', values: Object.keys(lineOperations) },
  reach: {
    title: 'how far: to the point of coherency, or of unification, which is the first level behind the L1D',
    default: 'coherency',
    values: ['coherency', 'unification'],
  },
  state: {
    title: 'the lines before: in no cache, clean in the L1D, dirty there, dirty one level further down',
    default: 'dirty',
    values: ['absent', 'clean', 'dirty', 'below'],
  },
  barrier: {
    title: 'a barrier after each line, or after the last',
    default: 'last',
    values: ['each', 'last'],
  },
  pages: { title: 'pages whose lines are maintained', default: 1, min: 1, max: 512 },
} as const;

function why(platform: Platform, reach: string, state: string): string | undefined {
  if (!hasLevelBelow(platform) && reach === 'unification') {
    return `${platform.name} has nothing behind its L1D: there is one reach, coherency`;
  }
  if (!hasLevelBelow(platform) && state === 'below') return `${platform.name} has nothing behind its L1D`;
  if (state === 'below' && reach === 'unification') {
    return 'what stops at the first level gets at nothing that is dirty behind it';
  }
  return undefined;
}

export const lineMaintenance: Experiment = {
  name: 'line-maintenance',
  title: 'cache maintenance by address on one CPU, the lines of so many pages',
  source:
    'Linux arch/arm64/mm/cache.S, dcache_clean_inval_poc and its like; Documentation/core-api/cachetlb.rst',
  parameters,
  measures: {
    cycles: { title: 'all of it, with its barriers', unit: 'cycles' },
    lineCycles: { title: 'the same, for each line', unit: 'cycles' },
    againCycles: { title: 'reading each line once more afterwards', unit: 'cycles' },
  },
  defaultPlatform: 'cortex-a53',
  usual: { operation: Object.keys(lineOperations).join(','), state: 'clean,dirty', pages: '1,8,64' },
  unsupported(platform, given) {
    const pages = numberIn(given, parameters, 'pages');
    const [reach, state] = [nameIn(given, parameters, 'reach'), nameIn(given, parameters, 'state')];
    return why(platform, reach, state) ?? tooManyPages(platform, pages);
  },
  async measure({ platform, parameters: given, seed }) {
    const cell: MaintenanceSettings = {
      manner: nameIn(given, parameters, 'barrier') === 'each' ? 'line' : 'page',
      operation: nameIn<LineOperationName>(given, parameters, 'operation'),
      reach: nameIn<MaintenanceSettings['reach']>(given, parameters, 'reach'),
      state: nameIn<LineState>(given, parameters, 'state'),
      pages: numberIn(given, parameters, 'pages'),
    };
    const [row] = await measureMaintenance(platform, [cell], { ...LIMITS, seed }, new LockstepPool(0));
    const lineCycles = Math.round((row.cycles / row.operations) * 100) / 100;
    return figures({ cycles: row.cycles, lineCycles, againCycles: row.againCycles });
  },
};
