import { describe, expect, it } from 'vitest';
import { inProcess } from './in-process.ts';

const few = ['--seed', '1', '--pages', '1', '--workers', '1'];

describe('flushlab cost flush', () => {
  it('prints every interface on one CPU and on four, and where the figures come from', async () => {
    const { code, stdout } = await inProcess('cost', 'flush', '--platform', 'sun4m', ...few);
    expect(code).toBe(0);
    expect(stdout.replace(/\s+/g, ' ')).toContain('a cache flush is no more than the call');
    expect(stdout).toContain('\n1 CPU\n');
    expect(stdout).toContain('\n4 CPUs\n');
    expect(stdout).toMatch(/\n {2}flushCachePage +1 page +100 +100 +-\n/);
    expect(stdout).toMatch(/\nmade of\n {2}flushCallCycles 100: estimate: viking.S: /);
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });

  it('prints JSON that is the same for the same seed', async () => {
    const args = ['cost', 'flush', '--platform', 'arm926', '--json', ...few] as const;
    const [one, two] = [await inProcess(...args), await inProcess(...args)];
    expect(two.stdout).toBe(one.stdout);
    const { experiment, rows, figures } = JSON.parse(one.stdout);
    expect(experiment).toBe('flush');
    expect(rows[0]).toMatchObject({ operation: 'flushCachePage', size: '1 page', cache: 'dirty', cpus: 1 });
    expect(figures.length).toBeGreaterThan(5);
  });
});

describe('flushlab cost context-flush', () => {
  it('prints both ways side by side', async () => {
    const { code, stdout } = await inProcess('cost', 'context-flush', '--platform', 'sun4c', ...few);
    expect(code).toBe(0);
    expect(stdout).toMatch(/\n {2}pages +flush +then +misses +a target +renumber +then +misses +a target\n/);
    expect(stdout).toMatch(/\n +1( +[\d,]+){2} +1 +-( +[\d,]+){2} +1 +-\n/);
  });

  it('says so where there are no numbers', async () => {
    const { code, stdout } = await inProcess('cost', 'context-flush', '--platform', 'arm926', ...few);
    expect(code).toBe(0);
    expect(stdout.replace(/\s+/g, ' ')).toContain('Its TLB carries no context numbers');
  });
});

describe.each([
  [['nosuch'], /there is no experiment 'nosuch': use one of tlb-shootdown, flush, .*world-switch.*shootdown/],
  [['flush', '--host', 'threads'], /measured on lockstep only/],
  [['flush', '--mechanism', 'broadcast'], /leave out --mechanism broadcast/],
  [['flush', '--platform', 'arm926', '--cpus', '2'], /--cpus 2: arm926 has at most 1/],
  [['flush', '--pages', '0'], /--pages 0: cost flush takes an integer from 1/],
  [['context-flush', '--pages', '1,0'], /--pages 0: cost context-flush takes an integer from 1/],
  [['tlb-shootdown', '--pages', '0'], /--pages 0: cost tlb-shootdown takes an integer from 1/],
])('cost %j', (args, message) => {
  it('is one line and exit code 2', async () => {
    const { code, stdout, stderr } = await inProcess('cost', ...args);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(message);
  });
});
