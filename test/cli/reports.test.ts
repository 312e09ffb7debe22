import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseXml } from '../support/xml.ts';
import { inProcess } from './in-process.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'flushlab-reports-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe.each([
  ['stress', './test/support/tiny-race.ts', ['--variant', 'buggy']],
  ['matrix', './test/support/tiny-flush.ts', ['--platform', 'arm926']],
])('flushlab %s', (command, scenario, more) => {
  const args = [command, scenario, ...more, '--runs', '5', '--seed', '5', '--workers', '1', '--quiet'];

  it('writes JUnit XML and Markdown', async () => {
    const [xml, markdown] = ['report.xml', 'report.md'].map((file) => join(folder, file));
    await inProcess(...args, '--junit', xml, '--markdown', markdown);
    const [suite] = parseXml(readFileSync(xml, 'utf8')).children;
    expect(Number(suite.attributes.tests)).toBeGreaterThan(0);
    expect(readFileSync(markdown, 'utf8')).toMatch(/^# [\s\S]*\| .* \|\n/);
  });

  it('says before it runs that a report cannot be written', async () => {
    for (const option of ['--junit', '--markdown']) {
      const { code, stdout, stderr } = await inProcess(...args, option, '/nosuch/file');
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toContain(`${option} /nosuch/file: cannot be written (ENOENT)`);
    }
  });
});

describe('flushlab platform --sources', () => {
  it('prints the figures of a platform, or how many of which kind each has', async () => {
    const one = await inProcess('platform', '--sources', 'sun4m');
    expect(one.code).toBe(0);
    expect(one.stdout).toMatch(/^sun4m: .*\n\d+ figures: \d+ published/);
    const all = await inProcess('platform', '--sources');
    expect(all.stdout).toMatch(/^platform +figures +published .*\n/);
    expect((await inProcess('platform', '--sources', '--markdown')).stdout).toMatch(/^\| platform /);
    expect((await inProcess('platform', '--sources', '--markdown', 'sun4m')).stdout).toMatch(/^# sun4m: /);
  });

  it.each([
    [['--sources', 'pdp11'], /there is no platform 'pdp11'/],
    [['--sources', '--list'], /give one of/],
    [['--markdown', 'sun4m'], /--markdown: only sources come as Markdown: add --sources/],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await inProcess('platform', ...args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});
