import { describe, expect, it } from 'vitest';
import { publishedRecords } from '../../../src/lab/published/records.ts';
import { findPublished, toPlotUnit } from '../../../src/report/plot/published-points.ts';

describe('published points', () => {
  it('are those of a record, along the parameter that was varied', () => {
    const { points, ...curve } = findPublished('arm64-tlbi');
    expect(curve).toMatchObject({ x: 'pages', unit: 'ns', source: publishedRecords.arm64Tlbi.source });
    expect(points).toContainEqual({ x: 256, y: 120826 });
    expect(findPublished('haswell-sequential').x).toBe('cpus');
    expect(findPublished('latr').points).toEqual([
      { x: 16, y: 6 },
      { x: 120, y: 80 },
    ]);
  });

  it('are curves, not single figures', () => {
    expect(() => findPublished('x86-fit')).toThrow(
      /--published x86-fit: there is no such curve: use one of arm64-tlbi, /,
    );
    expect(() => findPublished('nosuch')).toThrow(/there is no such curve/);
  });

  const curve = { id: 'c', title: 't', source: 's', x: 'pages', points: [{ x: 1, y: 6 }] };
  const machine = [{ name: 'm', clockMHz: 2000 }];
  it.each([
    ['ns', 'ns', 6],
    ['us', 'ns', 6000],
    ['ns', 'us', 0.006],
    ['us', 'cycles', 12_000],
    ['cycles', 'ns', 3],
    ['cycles', 'us', 0.003],
    ['walks', 'walks', 6],
  ])('in %s are drawn in %s', (unit, wanted, y) => {
    expect(toPlotUnit({ ...curve, unit }, 'pages', wanted, machine)[0].y).toBeCloseTo(y, 12);
  });
});
