import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { type ComparisonRow, comparePublished } from '../../src/lab/published/compare.ts';
import { type PublishedRecord, publishedRecords } from '../../src/lab/published/records.ts';
import { publishedText, verdictText } from '../../src/report/published-text.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const IMPORT = /(?:\bfrom|\bimport\(?)\s*['"](\.[^'"]+)['"]/g;

function sourcesUnder(folder: string): string[] {
  return readdirSync(resolve(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => resolve(root, folder, name));
}

/** All files of the project that a file needs, itself included. */
function closure(entry: string, seen = new Set<string>()): Set<string> {
  if (seen.has(entry)) return seen;
  seen.add(entry);
  for (const [, specifier] of readFileSync(entry, 'utf8').matchAll(IMPORT)) {
    const target = resolve(dirname(entry), specifier);
    if (existsSync(target)) closure(target, seen);
  }
  return seen;
}

describe('what was published', () => {
  const entries = ['src/lab/experiments', 'src/platforms', 'src/machine', 'src/kernel', 'src/scenarios'];

  it('is read by no experiment, no platform and nothing that these need', () => {
    const files = entries.flatMap(sourcesUnder);
    expect(files.length).toBeGreaterThan(100);
    const needed = new Set<string>();
    for (const file of files) closure(file, needed);
    const published = [...needed]
      .map((file) => relative(root, file))
      .filter((file) => file.includes('published'));
    expect(published).toEqual([]);
    // Neither by a path that is put together when it runs.
    const named = [...needed].filter((file) =>
      /published[-/]|publishedRecords/.test(readFileSync(file, 'utf8')),
    );
    expect(named).toEqual([]);
  });

  it('is found by the search if it is read', () => {
    const found = [...closure(resolve(root, 'src/lab/published/compare.ts'))].map((file) =>
      relative(root, file),
    );
    expect(found).toContain('src/lab/published/records.ts');
    expect(found).toContain('src/lab/experiments/shootdown.ts');
  });

  it('says where it comes from', () => {
    const records: PublishedRecord[] = Object.values(publishedRecords);
    for (const { source, conditions, points } of records) {
      expect([source, conditions]).not.toContain('');
      expect(Object.values(points).every((value) => value > 0)).toBe(true);
    }
    expect(new Set(records.map(({ id }) => id)).size).toBe(records.length);
  });
});

describe('the simulated curves', () => {
  let rows: ComparisonRow[];
  beforeAll(async () => {
    rows = await comparePublished();
  }, 60_000);
  const of = (record: string) => rows.filter((row) => row.record === record);

  it('are compared with every published figure', () => {
    const records: PublishedRecord[] = Object.values(publishedRecords);
    for (const { id, points } of records) {
      expect(of(id).map(({ point }) => point)).toEqual(expect.arrayContaining(Object.keys(points)));
    }
  });

  it('are as close as they must be', () => {
    const failed = rows.filter(({ holds }) => !holds);
    expect(failed.map(({ record, point, simulated }) => `${record} ${point}: ${simulated}`)).toEqual([]);
  });

  it('on arm64: 5 %, calibrated on two points alone, and the ASID costs less than two pages', () => {
    const tlbi = of('arm64-tlbi');
    for (const { deviation, limit } of tlbi) {
      expect(Math.abs(deviation)).toBeLessThanOrEqual(0.05);
      expect(limit).toEqual({ within: 0.05 });
    }
    const calibrated = tlbi.filter(({ basis }) => basis === 'calibrated');
    expect(calibrated.map(({ point }) => point)).toEqual(['1', '256']);
    const at = (point: string) => tlbi.find((row) => row.point === point)!.simulated;
    expect(at('512')).toBeLessThan(at('2'));
    expect(at('256')).toBeGreaterThan(80 * at('512'));
  });

  it('on Ivy Bridge: 20 %, and 1.5 times for where the curves cross', () => {
    expect(of('x86-flush-range')).toHaveLength(35);
    for (const { deviation } of of('x86-flush-range')) expect(Math.abs(deviation)).toBeLessThanOrEqual(0.2);
    for (const { simulated, published } of of('x86-crossover')) {
      expect(simulated / published).toBeGreaterThan(1 / 1.5);
      expect(simulated / published).toBeLessThan(1.5);
    }
  });

  it('on Haswell: 25 %; on LATR’s machines 8 to 20 times', () => {
    for (const record of ['haswell-sequential', 'haswell-concurrent', 'haswell-early-ack']) {
      expect(of(record)).toHaveLength(3);
      for (const { deviation } of of(record)) expect(Math.abs(deviation)).toBeLessThanOrEqual(0.25);
    }
    const ratio = of('latr').find(({ point }) => point === 'ratio')!.simulated;
    expect(ratio).toBeGreaterThanOrEqual(8);
    expect(ratio).toBeLessThanOrEqual(20);
  });
});

describe('the table', () => {
  const row: ComparisonRow = {
    ...{ record: 'latr', point: 'ratio', unit: 'times', simulated: 30, published: 13.3, deviation: 1.25 },
    ...{ limit: { from: 8, to: 20 }, basis: 'predicted' as const, holds: false },
  };

  it('says what fails, what was calibrated and what is for information', () => {
    expect(verdictText(row)).toBe('FAILS');
    expect(verdictText({ ...row, holds: true })).toBe('holds');
    expect(verdictText({ ...row, holds: true, basis: 'calibrated' })).toBe('holds; calibrated on it');
    expect(verdictText({ ...row, holds: true, limit: undefined })).toBe('for information');
  });

  it('counts what holds', () => {
    const text = publishedText([row, { ...row, point: 'x', holds: true }], { colour: false });
    expect(text).toContain('1 of 2 hold');
    expect(text).toMatch(/ratio +30\.0 +13\.3 +\+125\.0 % +8 to 20 +FAILS/);
  });
});
