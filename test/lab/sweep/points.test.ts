import { describe, expect, it } from 'vitest';
import type { Experiment } from '../../../src/lab/experiments/experiment.ts';
import { layOutSweep, pointName, type SweepRequest } from '../../../src/lab/sweep/points.ts';
import { parseScan } from '../../../src/lab/sweep/scan.ts';
import { platforms } from '../../../src/platforms/index.ts';

const experiment: Experiment = {
  ...{ name: 'known', title: 'for tests', source: 'none', defaultPlatform: 'neoverse' },
  parameters: {
    mechanism: { title: 'how', default: 'cross-call', values: ['cross-call', 'broadcast'] },
    cpus: { title: 'CPUs', default: 4, min: 1, max: 64 },
    pages: { title: 'pages', default: 1, min: 1, max: 512 },
  },
  measures: { cycles: { title: 'time', unit: 'cycles' } },
  usual: { mechanism: 'cross-call,broadcast', pages: '1,8', cpus: '1..4:*2' },
  measure: async () => ({ cycles: 1 }),
};
const layOut = (scans: readonly string[], more: Partial<SweepRequest> = {}) =>
  layOutSweep({
    ...{ experiment, set: {}, repeat: 1, seed: 5 },
    scans: scans.map((text) => parseScan(text)),
    findPlatform: (name) => platforms[name],
    ...more,
  });

describe('the points of a sweep', () => {
  it('are all combinations, the first scan slowest, repeats with the next seeds', () => {
    const sweep = layOut(['pages=1,8', 'cpus=2..3'], { set: { mechanism: 'broadcast' }, repeat: 2 });
    const seen = sweep.points.map(({ index, parameters, seed }) => [
      index,
      parameters.pages,
      parameters.cpus,
      seed,
    ]);
    expect(seen).toEqual([
      [0, 1, 2, 5],
      [1, 1, 2, 6],
      [2, 1, 3, 5],
      [3, 1, 3, 6],
      [4, 8, 2, 5],
      [5, 8, 2, 6],
      [6, 8, 3, 5],
      [7, 8, 3, 6],
    ]);
    expect(sweep.points.every(({ parameters }) => parameters.mechanism === 'broadcast')).toBe(true);
    expect(sweep.values).toEqual({ pages: [1, 8], cpus: [2, 3] });
    expect(pointName(sweep, sweep.points[3])).toBe('pages=1 cpus=3 platform=neoverse seed=6');
  });

  it('may be on several platforms', () => {
    const sweep = layOut(['platform=x86-64,neoverse']);
    expect(sweep.points.map(({ platform }) => platform.name)).toEqual(['x86-64', 'neoverse']);
    expect(sweep.platforms).toEqual([platforms['x86-64'], platforms.neoverse]);
  });

  it('are the usual ones, but for what is set, if nothing is scanned', () => {
    const sweep = layOut([], { set: { pages: '8', platform: 'sun4d' } });
    expect(sweep.scanned).toEqual(['mechanism', 'cpus']);
    expect(sweep.points).toHaveLength(6);
    expect(new Set(sweep.points.map(({ parameters }) => parameters.pages))).toEqual(new Set([8]));
    expect(sweep.points[0].platform.name).toBe('sun4d');
  });

  it.each<[string[], Partial<SweepRequest>, RegExp]>([
    [
      ['speed=1'],
      {},
      /--scan speed: known has no parameter 'speed': use one of platform, mechanism, cpus, pages/,
    ],
    [['cpus=1..100'], {}, /known: cpus=65: use an integer from 1 to 64/],
    [['mechanism=telepathy'], {}, /mechanism=telepathy: use one of cross-call, broadcast/],
    [[], { set: { speed: '1' } }, /known has no parameter 'speed'/],
    [['cpus=1', 'cpus=2'], {}, /--scan cpus: it is given twice/],
    [['cpus=1'], { set: { cpus: '2' } }, /cpus is both scanned and set to 2/],
    [
      ['pages=1..512', 'cpus=1..64'],
      { repeat: 4 },
      /512 of pages x 64 of cpus x 4 repeats are 131072 points/,
    ],
    [['platform=a,b'], { findPlatform: () => platforms.sun4m }, /platforms a and b are both called 'sun4m'/],
  ])('%j with %j is refused', (scans, more, message) => {
    expect(() => layOut(scans, more)).toThrow(message);
  });
});
