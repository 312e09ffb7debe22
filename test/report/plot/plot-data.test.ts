import { describe, expect, it } from 'vitest';
import { parseScan } from '../../../src/lab/sweep/scan.ts';
import { type PlotRequest, plotOf } from '../../../src/report/plot/plot-data.ts';
import { sweepTable } from '../../support/sweep-table.ts';

const table = sweepTable(
  { kind: ['slow', 'fast', 'none'], cpus: [1, 2, 4], pages: [1, 8, 64] },
  ({ kind, cpus, pages }, seed) => {
    if (kind === 'none') return { na: 'not here' };
    return { cycles: (kind === 'slow' ? 100 : 10) * Number(pages) + Number(cpus) + seed, misses: 0 };
  },
  { repeat: 2, fixed: { mode: 'warm' } },
);
const plot = (request: Partial<PlotRequest> = {}) => plotOf(table, { where: [], published: [], ...request });
const published = {
  ...{ id: 'curve', title: 'A Curve', source: 'Somebody, 2014', x: 'pages', unit: 'ns' },
  points: [{ x: 2, y: 500 }],
};

describe('a plot of a sweep', () => {
  it('has curves with the mean and the range of the repeats', () => {
    const { curves, series, other, isOrdered } = plot();
    expect(series).toEqual({ title: 'kind', entries: ['slow', 'fast'] });
    expect(other).toEqual({ title: 'cpus', entries: ['1', '2', '4'] });
    expect(isOrdered).toBe(false);
    expect(curves).toHaveLength(6);
    expect(curves[1]).toEqual({
      ...{ series: 'slow', other: '2' },
      points: [
        { x: 1, y: 103.5, low: 103, high: 104 },
        { x: 8, y: 803.5, low: 803, high: 804 },
        { x: 64, y: 6403.5, low: 6403, high: 6404 },
      ],
    });
  });

  it('has its words from the sweep', () => {
    const { title, subtitle, notes, x, y } = plot({ where: [parseScan('cpus=2')] });
    expect(title).toBe('Known curves');
    expect(subtitle).toEqual([
      'neoverse: the neoverse, 2000 MHz',
      'mode warm, cpus 2, seeds 1 to 2, mean and range',
    ]);
    expect(notes).toEqual(['simulated: flushlab 1.2.3, known after arithmetic']);
    expect([x.title, y.title]).toEqual(['how many pages', 'time (cycles)']);
  });

  it('may have another series, and fewer curves', () => {
    const { curves, series, other, isOrdered } = plot({ series: 'cpus', where: [parseScan('kind=fast')] });
    expect(series).toEqual({ title: 'cpus', entries: ['1', '2', '4'] });
    expect(other).toEqual({ title: '', entries: [''] });
    expect(isOrdered).toBe(true);
    expect(curves).toHaveLength(3);
  });

  it('shows published points in the unit of its axis, with their source', () => {
    const { published: shown, notes } = plot({ published: [published] });
    // 500 ns at 2000 MHz.
    expect(shown).toEqual([{ label: 'published: curve', points: [{ x: 2, y: 1000 }] }]);
    expect(notes[1]).toBe('published: curve: A Curve; Somebody, 2014');
  });

  it.each<[Partial<PlotRequest>, RegExp]>([
    [{ x: 'kind' }, /--x kind: use a number that was scanned \(cpus, pages\)/],
    [{ y: 'speed' }, /--y speed: known does not measure it: use one of cycles, misses/],
    [{ series: 'pages' }, /--series pages: use a parameter that was scanned besides --x \(kind, cpus\)/],
    [{ y: 'misses', log: ['y'] }, /--log y: there is a refills \(misses\) of 0, which has no place on it/],
    [{ where: [parseScan('kind=none')] }, /nothing to draw: no point of cycles was measured/],
    [{ where: [parseScan('kind=odd')] }, /--where kind=odd: it has slow, fast, none/],
    [{ where: [parseScan('speed=1')] }, /--where speed: it was not scanned: use one of kind, cpus, pages/],
    [
      { x: 'cpus', published: [published] },
      /--published curve: it goes along pages, not cpus: use --x pages/,
    ],
    [{ y: 'misses', published: [published] }, /--published curve: its unit is ns, that of the axis misses/],
  ])('refuses %j', (request, message) => {
    expect(() => plot(request)).toThrow(message);
  });

  it('refuses more curves than can be told apart', () => {
    const many = sweepTable({ kind: [...'abcdefgh'], pages: [1, 2] }, () => ({ cycles: 1 }));
    expect(() => plotOf(many, { where: [], published: [] })).toThrow(
      /kind has 8 values, and no more than 7 can be told apart: choose some with --where/,
    );
  });

  it('cannot convert published times for two clocks', () => {
    const two = sweepTable({ platform: ['neoverse', 'sun4m'], pages: [1, 2] }, () => ({ cycles: 1 }));
    expect(() => plotOf(two, { where: [], published: [published] })).toThrow(/the clock of one platform/);
    const one = plotOf(two, { where: [parseScan('platform=sun4m')], published: [published] });
    expect(one.published[0].points[0].y).toBe(1000);
  });
});
