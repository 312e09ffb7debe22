import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crossTable, fitTable } from '../../src/lab/sweep/analysis.ts';
import type { SweepTable } from '../../src/lab/sweep/table.ts';
import {
  crossoverLine,
  fitLineOf,
  headLine,
  type ReadSweep,
  readSweep,
  rowLine,
} from '../../src/report/sweep-ndjson.ts';
import { sweepTable } from '../support/sweep-table.ts';

const table = sweepTable(
  { platform: ['neoverse', 'x86-64'], kind: ['ä', 'b'], pages: [1, 2] },
  ({ platform, kind, pages }) => {
    if (platform === 'x86-64' && kind === 'b') return { na: 'means nothing' };
    if (pages === 2 && kind === 'b') return { error: 'it ended with step-limit' };
    return { cycles: Number(pages) * 1.5 };
  },
  { fixed: { cpus: 4 } },
);
const points = [headLine(table.head), ...table.rows.map(rowLine)];
const whole = [
  ...points,
  ...fitTable(table, 'pages', ['cycles']).map(fitLineOf),
  ...crossTable(table, 'kind', ['cycles']).map(crossoverLine),
]
  .map((line) => `${line}\n`)
  .join('');

function read(text: string): ReadSweep {
  const result = readSweep(text);
  if ('problem' in result) throw new Error(result.problem);
  return result;
}

describe('a sweep as lines', () => {
  it('comes back as it was, conclusions left out', () => {
    const { head, rows, bytes, headLine: first } = read(whole);
    expect({ head, rows } satisfies SweepTable).toEqual(table);
    expect(first).toBe(points[0]);
    expect(bytes).toBe(Buffer.byteLength(points.map((line) => `${line}\n`).join('')));
  });

  it('may end anywhere after its first line: then it has the points that are whole', () => {
    const all = Buffer.from(whole);
    const first = Buffer.byteLength(`${points[0]}\n`);
    fc.assert(
      fc.property(fc.integer({ min: first, max: all.length }), (end) => {
        const { rows, bytes } = read(all.subarray(0, end).toString());
        expect(rows).toEqual(table.rows.slice(0, rows.length));
        expect(bytes).toBeLessThanOrEqual(end);
        const there = all.subarray(0, bytes).toString().split('\n');
        expect(there.pop()).toBe('');
        expect(there).toEqual(points.slice(0, rows.length + 1));
        // Nothing that is whole was left out.
        const next = points[rows.length + 1];
        if (next !== undefined) expect(end - bytes).toBeLessThan(Buffer.byteLength(`${next}\n`));
      }),
    );
  });

  it.each([
    ['', /line 1 does not begin a sweep/],
    ['{"kind":"sweep"', /line 1/],
    ['{}\n', /line 1/],
    ['not JSON\n', /line 1/],
    [`${points[0].replace('"format":1', '"format":2')}\n`, /line 1/],
    [`${points[0]}\n${points[1]}\nnoise\n`, /line 3 is no point of a sweep/],
    [`${points[0]}\n${points[2]}\n`, /line 2 is point 1, not point 0 of 8/],
    [`${points[0]}\n${points[1]}\n${points[1]}\n`, /line 3 is point 0, not point 1/],
    [`${points[0]}\n${points[1].replace(/"measures":\{.*\}\}$/, '"x":1}')}\n`, /line 2 is no point/],
  ])('%# is refused', (text, problem) => {
    expect(readSweep(text)).toEqual({ problem: expect.stringMatching(problem) });
  });
});
