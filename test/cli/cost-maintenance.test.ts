import { describe, expect, it } from 'vitest';
import { inProcess } from './in-process.ts';

const few = ['--seed', '1', '--workers', '1'];

describe('flushlab cost line-maintenance', () => {
  it('answers what a flush costs over an invalidate', async () => {
    const { code, stdout } = await inProcess('cost', 'line-maintenance', '--platform', 'arm926', ...few);
    expect(code).toBe(0);
    expect(stdout).toContain('on arm926 at 200 MHz');
    expect(stdout).toMatch(/\n +line +operation +one by one +in a page +the page +again\n/);
    expect(stdout).toContain('\n  flush over invalidate, clean: nothing\n');
    // 150 ns at 200 MHz for a burst to memory.
    expect(stdout).toMatch(/\n {2}flush over invalidate, dirty: 30\.0 cycles a line, \d+ %\n/);
    expect(stdout).not.toContain('point of unification');
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });

  it('prints JSON that is the same for the same seed', async () => {
    const args = ['cost', 'line-maintenance', '--platform', 'cortex-a9', '--json', ...few] as const;
    const [one, two] = [await inProcess(...args), await inProcess(...args)];
    expect(two.stdout).toBe(one.stdout);
    const { experiment, rows, published } = JSON.parse(one.stdout);
    expect(experiment).toBe('line-maintenance');
    expect(published).toBeUndefined();
    // Clean, dirty, dirty below; three operations, in two manners; and to the point of unification without the last.
    expect(rows).toHaveLength(18 + 12);
  });
});

describe('flushlab cost set-way-host', () => {
  it('reports the published times of a Juno board with their deviation', async () => {
    const { code, stdout } = await inProcess('cost', 'set-way-host', '--pages', '1', ...few);
    expect(code).toBe(0);
    expect(stdout).toContain('on cortex-a53 at 650 MHz');
    expect(stdout).toMatch(/\n +0 +512 +1,876 +2\.9 +3\.66\n/);
    expect(stdout).toMatch(/\n +0 +16,896 +61,268 +94\.3 +3\.63\n/);
    const text = stdout.replace(/\s+/g, ' ');
    expect(text).toMatch(
      /L1D alone: 5 us published, 5 to 9 in all tests; 2\.9 us here .* 42\.3 % less \(not calibrated/,
    );
    expect(text).toMatch(
      /every level: 94 us published, 93 to 94 in all tests; 94\.3 us here .* \(calibrated on it/,
    );
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });

  it('prints JSON', async () => {
    const args = ['--platform', 'arm926', '--pages', '1', '--json', ...few];
    const { platform, rows, published } = JSON.parse(
      (await inProcess('cost', 'set-way-host', ...args)).stdout,
    );
    expect(platform).toBe('arm926');
    expect(rows).toHaveLength(4 + 3);
    expect(published).toEqual([]);
  });
});

describe.each([
  [['line-maintenance', '--pages', '1'], /leave out --pages/],
  [['line-maintenance', '--cpus', '2'], /measured on one CPU: leave out --cpus/],
  [['line-maintenance', '--host', 'threads'], /measured on lockstep only/],
  [
    ['set-way-host', '--platform', 'riscv-h'],
    /riscv-h has no operations by set and way: use another platform/,
  ],
  [['set-way-host', '--pages', '0'], /--pages 0/],
  [['set-way-host', '--mechanism', 'broadcast'], /leave out --mechanism broadcast/],
  [['set-way-guest'], /there is no experiment 'set-way-guest'/],
])('cost %j', (args, message) => {
  it('is one line and exit code 2', async () => {
    const { code, stderr } = await inProcess('cost', ...args, ...few);
    expect(code).toBe(2);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(stderr).toMatch(message);
  });
});
