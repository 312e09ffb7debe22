import { describe, expect, it } from 'vitest';
import { publishedRecords } from '../../src/lab/published/records.ts';
import { inProcess } from './in-process.ts';

describe('flushlab cost --against published', () => {
  it('compares all records and says that they hold', async () => {
    const { code, stdout } = await inProcess('cost', '--against', 'published', '--quiet');
    expect(code).toBe(0);
    for (const { id, source } of Object.values(publishedRecords)) {
      expect(stdout).toContain(`${id}: `);
      expect(stdout.replace(/\s+/g, ' ')).toContain(source.replace(/\s+/g, ' '));
    }
    expect(stdout).toMatch(/^(\d+) of \1 hold\. Parameters were calibrated on 5 of them;/m);
    expect(stdout).not.toContain('FAILS');
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  }, 60_000);

  it.each([
    [['cost', 'shootdown', '--against', 'published'], /cost shootdown: .* leave out 'shootdown'/],
    [['cost', '--against', 'published', '--platform', 'sun4m'], /--platform sun4m: .*leave it out/],
    [['cost', '--against', 'rumour'], /published/],
    [['cost'], /which experiment: use one of tlb-shootdown.*--against published/],
  ])('%j is refused', async (args, message) => {
    const { code, stdout, stderr } = await inProcess(...args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(message);
  });
});
