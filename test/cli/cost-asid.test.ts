import { describe, expect, it } from 'vitest';
import { inProcess } from './in-process.ts';

const few = ['--seed', '1', '--workers', '1'];

describe('flushlab cost asid', () => {
  it('prints both allocators side by side, and both kinds of TLB', async () => {
    const { code, stdout } = await inProcess('cost', 'asid', '--cpus', '2', '--pages', '0,4', ...few);
    expect(code).toBe(0);
    expect(stdout).toMatch(/rollover of 31 usable ASIDs \(5 bits\)\n +arm-ipi +arm64-bitmap\n/);
    expect(stdout).toMatch(/\n {4} +2( +[\d,]+){4} {6,}[\d,]+ +[\d,]+ +0 +[\d,]+\n/);
    expect(stdout).toMatch(/\n +0 +\d+ +0 +\d+ +0 +0 +0\.0 %\n/);
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });

  it('prints JSON that is the same for the same seed', async () => {
    const args = ['cost', 'asid', '--cpus', '2', '--pages', '0,4', '--json', ...few] as const;
    const [one, two] = [await inProcess(...args), await inProcess(...args)];
    expect(two.stdout).toBe(one.stdout);
    const { experiment, rollovers, switches } = JSON.parse(one.stdout);
    expect(experiment).toBe('asid');
    expect(rollovers[0]).toMatchObject({ allocator: 'arm-ipi', cpus: 2, asids: 31 });
    expect(switches).toHaveLength(4);
  });
});

describe('flushlab cost world-switch', () => {
  const small = ['--pages', '8', '--work', '1000', ...few];

  it('prints all designs on an ARM1136, and where the reported gain comes out', async () => {
    const { code, stdout } = await inProcess('cost', 'world-switch', ...small);
    expect(code).toBe(0);
    expect(stdout).toContain('on arm1136 at 532 MHz');
    expect(stdout).toMatch(
      /\n8 pages each\n +work +design +cycles +misses +gain\n +0 +flush +[\d,]+ +[\d.]+ +-\n/,
    );
    expect(stdout).toContain('\nthe 33 % that the thread reports come out\n  kernel-asid, 8 pages each: at ');
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });

  it('prints JSON', async () => {
    const { stdout } = await inProcess('cost', 'world-switch', '--platform', 'cortex-a9', '--json', ...small);
    const { platform, rows, reported } = JSON.parse(stdout);
    expect(platform).toBe('cortex-a9');
    expect(rows).toHaveLength(10);
    expect(reported).toMatchObject({ gain: 0.33, points: [{ design: 'kernel-asid', pages: 8 }, {}, {}, {}] });
  });
});

describe.each([
  [['world-switch', '--platform', 'arm926'], /arm926: its TLB has no ASIDs/],
  [['world-switch', '--cpus', '2'], /measured on one CPU: leave out --cpus/],
  [['asid', '--platform', 'arm926'], /the TLB of arm926 has no ASIDs/],
  [['asid', '--work', '5'], /leave out --work/],
  [['asid', '--host', 'threads'], /measured on lockstep only/],
  [['asid', '--mechanism', 'broadcast'], /leave out --mechanism broadcast/],
  [['asid', '--platform', 'cortex-a9', '--cpus', '8'], /--cpus 8: cortex-a9 has at most 4/],
  [['tlb-shootdown', '--pages', '0'], /--pages 0/],
])('cost %j', (args, message) => {
  it('is one line and exit code 2', async () => {
    const { code, stdout, stderr } = await inProcess('cost', ...args);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(message);
  });
});
