import { readdirSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { type Plot, plotOf } from '../../../src/report/plot/plot-data.ts';
import { renderSvg } from '../../../src/report/plot/render-svg.ts';
import { sweepTable } from '../../support/sweep-table.ts';
import { type Element, parseXml } from '../../support/xml.ts';

const table = sweepTable(
  { kind: ['broadcast', 'cross-call'], cpus: [1, 2, 4], pages: [1, 8, 64] },
  ({ kind, cpus, pages }, seed) => ({
    cycles: (kind === 'broadcast' ? 1000 * Number(pages) : 4000 * Number(cpus)) + seed,
  }),
  { repeat: 2 },
);
const curve = {
  ...{ id: 'ye', title: 'TLBI loop', source: 'A mail of 2020', x: 'pages', unit: 'cycles' },
  points: [
    { x: 4, y: 5000 },
    { x: 32, y: 40_000 },
  ],
};
const plot = plotOf(table, { where: [], published: [curve], log: ['x', 'y'] });

const all = (element: Element): Element[] => [element, ...element.children.flatMap(all)];
const isA = (name: string) => (element: Element) => element.name === name;

describe('a plot as SVG', () => {
  let svg = '';
  let elements: Element[] = [];
  beforeAll(async () => {
    svg = await renderSvg(plot);
    elements = all(parseXml(svg));
  });
  const texts = () =>
    elements.filter(isA('text')).map(({ text, children }) => text + children.map((c) => c.text).join(''));

  it('has title, machine, axes with units, legends, and where figures come from', () => {
    for (const text of ['Known curves', 'neoverse: the neoverse, 2000 MHz', 'seeds 1 to 2, mean and range']) {
      expect(texts().join('\n')).toContain(text);
    }
    expect(texts()).toEqual(
      expect.arrayContaining([
        'time (cycles), logarithmic',
        'how many pages, logarithmic',
        ...['kind', 'broadcast', 'cross-call', 'published: ye', 'cpus'],
        ...['1', '8', '64', '1,000', '10,000'],
      ]),
    );
    expect(texts().join('\n')).toContain('published: ye: TLBI loop; A mail of 2020');
  });

  it('has a mark for each point, and a line for each curve', () => {
    const labelled = (role: string) =>
      elements.filter(({ attributes }) => attributes['aria-roledescription'] === role);
    expect(labelled('point')).toHaveLength(18 + 2);
    expect(labelled('line mark')).toHaveLength(6);
  });

  it('is whole in itself: generic fonts, nothing from elsewhere', () => {
    for (const { attributes } of elements) {
      if (attributes['font-family'] !== undefined) expect(attributes['font-family']).toBe('sans-serif');
      expect(attributes.href).toBeUndefined();
    }
    expect(svg).not.toMatch(/url\(http|<image|<script|@import/);
  });

  it('has the same bytes each time, also after another plot', async () => {
    const other: Plot = plotOf(table, { where: [], published: [], series: 'cpus', log: [] });
    expect(await renderSvg(other)).not.toBe(svg);
    expect(await renderSvg(plot)).toBe(svg);
  });

  it('asks nothing of vega that it has to complain about', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    try {
      await renderSvg(plot);
      await renderSvg(plotOf(table, { where: [], published: [], x: 'cpus', log: [] }));
      expect(warn.mock.calls).toEqual([]);
    } finally {
      warn.mockRestore();
    }
  });

  it('shows nothing that is not a number', () => {
    expect(svg).not.toMatch(/NaN|undefined|Infinity|null/);
  });
});

describe('the legend', () => {
  const single = sweepTable({ pages: [1, 8, 64] }, ({ pages }) => ({ cycles: Number(pages) }));
  const two = sweepTable({ kind: ['slow', 'fast'], pages: [1, 8, 64] }, ({ pages }) => ({
    cycles: Number(pages),
  }));
  const labelsOf = async (what: Plot) => {
    const legends = all(parseXml(await renderSvg(what))).filter(
      ({ attributes }) => attributes['aria-roledescription'] === 'legend',
    );
    return legends.map((legend) =>
      all(legend)
        .filter(({ attributes }) => attributes.class?.includes('role-legend-label'))
        .map((label) =>
          all(label)
            .map(({ text }) => text.trim())
            .join(''),
        ),
    );
  };

  it('is not there for a single curve', async () => {
    expect(await labelsOf(plotOf(single, { where: [], published: [] }))).toEqual([]);
  });

  it('lists what was published beside a single curve, and no curve without a name', async () => {
    expect(await labelsOf(plotOf(single, { where: [], published: [curve] }))).toEqual([['published: ye']]);
  });

  it('lists every curve that has a name', async () => {
    const names = ['slow', 'fast'];
    expect(await labelsOf(plotOf(two, { where: [], published: [] }))).toEqual([names]);
    expect(await labelsOf(plotOf(two, { where: [], published: [curve] }))).toEqual([
      [...names, 'published: ye'],
    ]);
  });
});

describe('vega', () => {
  it('is loaded by whoever draws and by nobody else', () => {
    const src = new URL('../../../src/', import.meta.url);
    const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((name) =>
      name.endsWith('.ts'),
    );
    const imports = files.flatMap((name) =>
      [
        ...readFileSync(new URL(name.replaceAll('\\', '/'), src), 'utf8').matchAll(
          /^.*['"]vega(-lite)?['"].*$/gm,
        ),
      ].map(([line]) => line.trim()),
    );
    expect(imports.length).toBeGreaterThan(0);
    for (const line of imports) expect(line).toMatch(/^import type |\bimport\('vega'\)/);
  });
});
