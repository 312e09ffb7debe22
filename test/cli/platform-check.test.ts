import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { arm1176 } from '../../src/platforms/arm1176.ts';
import { inProcess } from './in-process.ts';

let file = '';
beforeAll(() => {
  file = join(mkdtempSync(join(tmpdir(), 'flushlab-platform-')), 'mine.json');
});
afterAll(() => rmSync(join(file, '..'), { recursive: true }));

describe('flushlab platform --check', () => {
  it('tries the flush interfaces of a platform', async () => {
    writeFileSync(file, JSON.stringify({ ...arm1176, name: 'mine' }));
    const { code, stdout } = await inProcess('platform', '--check', file);
    expect(code).toBe(0);
    expect(stdout).toContain("describes platform 'mine'");
    expect(stdout).toContain(': every flush interface of the kernel keeps its contract on it\n');
  });

  it('says in a line each what does not hold, with exit code 1', async () => {
    writeFileSync(file, JSON.stringify({ ...arm1176, name: 'mine', maxCpus: 2 }));
    const { code, stdout } = await inProcess('platform', '--check', file);
    expect(code).toBe(1);
    expect(stdout).toContain(
      `${file}: flushPageToRam on 2 CPUs: CPU 0 does not read through the page what CPU 1`,
    );
    expect(stdout).not.toContain('every flush interface');
  });
});
