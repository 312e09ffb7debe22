import { describe, expect, it } from 'vitest';
import { platforms } from '../../src/platforms/index.ts';
import {
  figuresOf,
  sourcesMarkdown,
  sourcesOverview,
  sourcesSummary,
  sourcesText,
} from '../../src/report/platform-sources.ts';

const { neoverse } = platforms;

describe('the figures of a platform', () => {
  const figures = figuresOf(neoverse);
  const at = (path: string) => figures.find((figure) => figure.path === path);

  it('are all there, in order, with value, unit, source and kind', () => {
    expect(figures.map(({ path }) => path)).toEqual(figures.map(({ path }) => path).sort());
    expect(at('costs.l1HitCycles')).toEqual({
      ...{ path: 'costs.l1HitCycles', value: '4', unit: 'cycles' },
      ...{ source: neoverse.sources['costs.l1HitCycles'], sourceClass: 'published' },
    });
    expect(at('l1d.sizeBytes')).toMatchObject({ value: '65536', unit: 'bytes' });
    expect(at('clockMHz')).toMatchObject({ value: '2500', unit: 'MHz' });
    expect(at('mmu.levels')).toMatchObject({ value: '0+2+9+9', unit: '' });
    expect(at('agents')).toMatchObject({ value: neoverse.agents.join(', ') });
    for (const path of Object.keys(neoverse.costs)) expect(at(`costs.${path}`)).toBeDefined();
  });

  it('include every one that a source speaks of', () => {
    for (const platform of Object.values(platforms)) {
      const paths = new Set(figuresOf(platform).map(({ path }) => path));
      expect(Object.keys(platform.sources).filter((path) => !paths.has(path))).toEqual([]);
    }
  });

  it('take ways from the source of the size only if that speaks of them', () => {
    expect(neoverse.sources['l1d.sizeBytes']).toContain('4 ways');
    expect(at('l1d.ways')).toMatchObject({ source: 'with l1d.sizeBytes', sourceClass: 'published' });
    const silent = { ...neoverse, sources: { 'l1d.sizeBytes': 'Linux: 64 KB' } };
    expect(figuresOf(silent).find(({ path }) => path === 'l1d.ways')?.source).toBeUndefined();
  });

  it('are counted by kind', () => {
    const summary = sourcesSummary(figures);
    const numbers = [...summary.matchAll(/\d+/g)].map(Number);
    expect(numbers[0]).toBe(figures.length);
    expect(numbers.slice(1).reduce((sum, one) => sum + one)).toBe(figures.length);
    expect(summary).toMatch(/^\d+ figures: \d+ published, .*\d+ without a source of its own$/);
  });
});

describe('sources', () => {
  it('come as text and as Markdown', () => {
    const text = sourcesText(neoverse, { colour: false });
    expect(text).toContain(sourcesSummary(figuresOf(neoverse)));
    expect(text).toMatch(/\ncosts\.dmbCycles +10 +cycles +estimate +estimate: nothing outstanding\n/);
    const markdown = sourcesMarkdown(neoverse).split('\n');
    expect(markdown[0]).toBe('# neoverse: Arm server, Neoverse N1 class');
    expect(markdown.filter((line) => line.startsWith('| ')).length).toBe(figuresOf(neoverse).length + 2);
  });

  it('of all platforms are counted', () => {
    const lines = sourcesOverview(Object.values(platforms), false).split('\n');
    expect(lines).toHaveLength(Object.keys(platforms).length + 1);
    for (const line of lines.slice(1)) {
      const [total, ...kinds] = line.trim().split(/ +/).slice(1).map(Number);
      expect(kinds.reduce((sum, one) => sum + one)).toBe(total);
    }
  });
});
