/** Times that somebody has measured on hardware, beside what the simulator says of the same. */
import type { Platform } from '../../machine/platform.ts';
import type { MaintenanceRow } from './measure.ts';

interface PublishedFlush {
  readonly platform: string;
  readonly manner: 'first-level' | 'all-levels';
  readonly microseconds: number;
  /** Smallest and largest of several tests. */
  readonly range: readonly [number, number];
  /** The platform's figures were made so that this comes out. */
  readonly isCalibration: boolean;
  readonly source: string;
}

const JUNO = 'TF-A docs/perf/psci-performance-juno.rst, CFLUSH_OVERHEAD of the Cortex-A53 cluster at 650 MHz';

const published: readonly PublishedFlush[] = [
  {
    platform: 'cortex-a53',
    manner: 'first-level',
    microseconds: 5,
    range: [5, 9],
    isCalibration: false,
    source: `${JUNO}, power level 0`,
  },
  {
    platform: 'cortex-a53',
    manner: 'all-levels',
    microseconds: 94,
    range: [93, 94],
    isCalibration: true,
    source: `${JUNO}, deepest power level, last CPU`,
  },
];

export interface Comparison extends PublishedFlush {
  /** What the simulator has, with empty caches. */
  readonly simulated: number;
  /** Relative: 0.1 is 10 % too slow. */
  readonly deviation: number;
}

export const microseconds = ({ clockMHz }: Platform, cycles: number): number => cycles / clockMHz;

/** Each published time of a platform that `rows` has a counterpart of: a flush by set and way of empty caches. */
export function comparisons(platform: Platform, rows: readonly MaintenanceRow[]): Comparison[] {
  return published
    .filter((one) => one.platform === platform.name)
    .flatMap((one) => {
      const row = rows.find(({ manner, pages }) => manner === one.manner && pages === 0);
      if (!row) return [];
      const simulated = microseconds(platform, row.cycles);
      return [{ ...one, simulated, deviation: simulated / one.microseconds - 1 }];
    });
}
