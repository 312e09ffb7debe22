import { describe, expect, it } from 'vitest';
import { flushlab, hungUp, interrupted } from './run-cli.ts';

const run = (variant: string, ...more: string[]) =>
  flushlab(['run', 'tlb-shootdown', '--variant', variant, ...more]);

describe('run', () => {
  it('on lockstep gives the same bytes for the same seed and others for another', () => {
    const [first, again, other] = ['5', '5', '6'].map((seed) => run('cross-call', '--seed', seed, '--json'));
    expect(first.code).toBe(0);
    expect(first.stderr).toBe('');
    expect(again.stdout).toBe(first.stdout);
    expect(other.stdout).not.toBe(first.stdout);
    expect(JSON.parse(first.stdout)).toMatchObject({ outcome: 'finished', seed: 5, findingCount: 0 });
  });

  it('explains a finding, exits with 1 and prints the line that repeats it', () => {
    const first = run('no-dsb-after', '--set', 'pages=3');
    expect(first.code).toBe(1);
    for (const label of ['access', 'copy', 'culprit', 'missing', 'remedy']) {
      expect(first.stdout).toMatch(new RegExp(`^  ${label} `, 'm'));
    }
    const line = /repeat +flushlab (.*)/.exec(first.stdout.replace(/\n {11}/g, ' '))?.[1] ?? '';
    expect(line).toMatch(/--seed \d+ --set pages=3$/);
    const again = flushlab(line.split(' '));
    expect(again.code).toBe(1);
    expect(again.stdout).toBe(first.stdout);
  });

  it('names both CPUs of a deadlock and what each waits for', () => {
    const { code, stdout } = run('irqs-off', '--seed', '1');
    expect(code).toBe(1);
    expect(stdout).toMatch(/deadlock: CPU 0 and CPU 1 wait for each other/);
    expect(stdout).toMatch(
      /CPU 0 waits for the acknowledgement of its cross call by CPU 1, interrupts\s+masked/,
    );
    expect(stdout).toMatch(
      /CPU 1 waits for the acknowledgement of its cross call by CPU 0, interrupts\s+masked/,
    );
  });

  it('finds the missing flush on threads', () => {
    const { code, stdout } = run('none', '--host', 'threads', '--seed', '1');
    expect(code).toBe(1);
    expect(stdout).toMatch(/(stale-translation|freed-frame|walker-old-entry): /);
    expect(stdout).toMatch(/order of real threads cannot be repeated by a seed/);
  });

  it('exits with 3 when a limit is reached before an answer', () => {
    const { code, stdout } = run('cross-call', '--seed', '1', '--max-steps', '100');
    expect(code).toBe(3);
    expect(stdout).toMatch(/use a larger --max-steps/);
  });

  it('keeps colours out of pipes', () => {
    expect(run('none', '--seed', '1').stdout).not.toContain('\u001b');
  });
});

describe('stress', () => {
  const stress = (...args: string[]) => flushlab(['stress', 'tlb-shootdown', '--seed', '1', ...args]);

  it('exits with 0 if every variant does what it must, whatever the number of workers', () => {
    const [one, two] = ['1', '2'].map((workers) => stress('--runs', '2', '--json', '--workers', workers));
    expect(one.code).toBe(0);
    expect(two.stdout).toBe(one.stdout);
    const { variants } = JSON.parse(one.stdout);
    expect(variants).toHaveLength(8);
    expect(variants.every((v: { asExpected: boolean }) => v.asExpected)).toBe(true);
  });

  it('of one wrong variant exits with 1', () => {
    const { code, stdout } = stress('--runs', '3', '--variant', 'local-only');
    expect(code).toBe(1);
    expect(stdout).toMatch(/local-only +x86-64 +3 +3 +100%/);
  });

  it('goes through the organisations of the random tester', () => {
    const args = ['--runs', '8', '--set', 'accesses=200', '--seed', '1', '--json'];
    const { code, stdout } = flushlab(['stress', 'random-coherency', ...args]);
    expect(code).toBe(0);
    const [coherent, software] = JSON.parse(stdout).variants;
    expect(coherent.platforms).toHaveLength(8);
    expect(software.platforms).toHaveLength(8);
  });

  it.skipIf(process.platform === 'win32')('Ctrl-C reports what is known and exits with 130', async () => {
    const args = ['stress', 'tlb-shootdown', '--variant', 'cross-call', '--runs', '100000', '--seed', '1'];
    const { code, stdout } = await interrupted(args, 1000);
    expect(code).toBe(130);
    expect(stdout).toMatch(/seeds 1 to 100000\n/);
    expect(stdout).toMatch(/^cross-call +(x86-64|-) +\d+/m);
  });
});

describe('cost', () => {
  it('prints rows that are the same for the same seed', () => {
    const args = ['cost', 'tlb-shootdown', '--cpus', '1,2', '--pages', '1', '--seed', '1', '--json'];
    const [first, again] = [flushlab(args), flushlab([...args, '--workers', '1'])];
    expect(first.code).toBe(0);
    expect(again.stdout).toBe(first.stdout);
    const { rows } = JSON.parse(first.stdout);
    expect(rows).toHaveLength(4);
    expect(rows[0]).toMatchObject({ mechanism: 'cross-call', cpus: 1, targetCycles: null });
  });
});

describe('a reader that hangs up', () => {
  it.skipIf(process.platform === 'win32')('is no error', async () => {
    const { stderr } = await hungUp(['platform', '--schema']);
    expect(stderr).toBe('');
  });
});
