/** Emptying caches without a hypervisor: the cells of `flushlab cost set-way-host`, one a point. */
import { LockstepPool } from '../lockstep-pool.ts';
import { measureMaintenance } from '../maintenance-cost/measure.ts';
import type { LineState, MaintenanceSettings } from '../maintenance-cost/workload.ts';
import { nameIn, numberIn } from './bench/values.ts';
import { figures, LIMITS, tooManyPages } from './cell.ts';
import type { Experiment } from './experiment.ts';

const parameters = {
  by: {
    title: 'set and way, the first level or all that it reaches; or the addresses of the pages',
    default: 'all-levels',
    values: ['first-level', 'all-levels', 'address'],
  },
  state: {
    title: 'lines of the pages before: in no cache, clean in the L1D, dirty there',
    default: 'dirty',
    values: ['absent', 'clean', 'dirty'],
  },
  pages: { title: 'pages that have been used', default: 8, min: 0, max: 512 },
} as const;

export const setWayHost: Experiment = {
  name: 'set-way-host',
  title: 'emptying caches on one CPU: by set and way, or by the addresses of what is in them',
  source:
    'Linux arch/arm/mm/cache-v7.S, v7_flush_dcache_all; TF-A lib/aarch64/cache_helpers.S, dcsw_op_all; TF-A docs/perf/psci-performance-juno.rst',
  parameters,
  measures: {
    cycles: { title: 'until the caches are empty, with barriers', unit: 'cycles' },
    microseconds: { title: 'the same', unit: 'us' },
    operations: { title: 'operations on lines', unit: 'operations' },
    againCycles: { title: 'reading each line of the pages once more afterwards', unit: 'cycles' },
  },
  defaultPlatform: 'cortex-a53',
  usual: { by: parameters.by.values.join(','), state: 'clean,dirty', pages: '1,8,64,256' },
  unsupported(platform, given) {
    const by = nameIn(given, parameters, 'by');
    const pages = numberIn(given, parameters, 'pages');
    if (by === 'address' && pages === 0) return 'no pages: there is no address to flush';
    if (by !== 'address' && platform.maintenance.setWay === false) {
      return `${platform.name} has no operations by set and way`;
    }
    return tooManyPages(platform, pages);
  },
  async measure({ platform, parameters: given, seed }) {
    const cell: MaintenanceSettings = {
      manner: nameIn<MaintenanceSettings['manner']>(given, parameters, 'by'),
      operation: 'flush',
      reach: 'coherency',
      state: nameIn<LineState>(given, parameters, 'state'),
      pages: numberIn(given, parameters, 'pages'),
    };
    const [row] = await measureMaintenance(platform, [cell], { ...LIMITS, seed }, new LockstepPool(0));
    const { cycles, operations, againCycles } = row;
    return figures({
      ...{ cycles, microseconds: Math.round((cycles / platform.clockMHz) * 100) / 100, operations },
      // Nothing is read once more where there are no pages.
      againCycles: cell.pages > 0 ? againCycles : undefined,
    });
  },
};
