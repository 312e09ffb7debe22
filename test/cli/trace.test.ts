import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const sample = join(root, 'test/trace/samples/true.lackey.gz');
const folder = mkdtempSync(join(tmpdir(), 'flushlab-trace-cli-'));

function flushlab(args: readonly string[], input?: Buffer) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(root, 'scripts/flushlab.mjs'), 'trace', ...args],
    { encoding: 'utf8', ...(input && { input }) },
  );
  return { status, stdout, stderr };
}

describe('flushlab trace', () => {
  it('reads a pipe and prints tables', () => {
    const { status, stdout, stderr } = flushlab(['run', '-'], gunzipSync(readFileSync(sample)));
    expect(stderr).toBe('');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^plain: 1 CPU, L1D 32 KB 8-way/);
    expect(stdout).toMatch(/TLB misses/);
  });

  it('prints JSON, writes stats.txt, compares with counts and exits 1 on a difference', () => {
    const stats = join(folder, 'stats.txt');
    const first = flushlab(['run', sample, '--json', '--stats', stats]);
    expect(first.status).toBe(0);
    const [cpu] = JSON.parse(first.stdout).cpus;
    expect(readFileSync(stats, 'utf8')).toMatch(
      new RegExp(`system\\.cpu\\.dcache\\.overallMisses::total +${cpu.l1dMisses} `),
    );
    const refsim = {
      I: [cpu.fetches, cpu.fetchMisses],
      R: [cpu.reads, cpu.readMisses],
      W: [cpu.writes, cpu.writeMisses],
    };
    const geometry = { size: 32768, ways: 8, line: 64 };
    const oracle = join(folder, 'oracle.json');
    writeFileSync(oracle, JSON.stringify({ trace: 'true', entries: [{ geometry, refsim }] }));
    const equal = flushlab(['run', sample, '--compare', oracle]);
    expect(equal.stdout).toMatch(/all 6 counts are equal/);
    expect(equal.status).toBe(0);
    refsim.I[1]++;
    writeFileSync(oracle, JSON.stringify({ trace: 'true', entries: [{ geometry, refsim }] }));
    const different = flushlab(['run', sample, '--compare', oracle]);
    expect(different.stdout).toMatch(/1 of 6 counts differ\n {2}fetch misses: \d+, expected \d+/);
    expect(different.status).toBe(1);
  });

  it.each([
    [['run', '/nonexistent'], /\/nonexistent: no such file/],
    [['run', sample, '--l1d', '3k,1,7'], /--l1d 3k,1,7: use size,ways,line/],
    [['run', sample, '--l1d', '32k,8,64', '--l1i', '32k,8,32'], /same line/],
    [['run', sample, '--cpus', '2'], /--cpus 2: there are 1 traces/],
    [['run', sample, '--mechanism', 'broadcast', '--platform', 'x86-64'], /x86-64 has no broadcast/],
    [['run', sample, '--munmap-every', 'x'], /--munmap-every x: use an integer/],
    [['run', sample, '--compare', '/nonexistent'], /--compare \/nonexistent: cannot be read/],
    [['run', fileURLToPath(import.meta.url)], /:1: not a trace that flushlab knows/],
    [['compare', sample], /nothing to compare/],
    [['compare', '-'], /reads each trace several times/],
  ])('%j is one line and exit code 2', (args, message) => {
    const { status, stderr } = flushlab(args);
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(status).toBe(2);
  });
});
