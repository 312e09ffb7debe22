import { describe, expect, it } from 'vitest';
import { inProcess } from './in-process.ts';

const verify = (variant: string, ...more: string[]) =>
  inProcess('verify', './test/support/tiny-race.ts', '--variant', variant, '--workers', '1', ...more);

describe('verify', () => {
  it('says verified, and exits with 0, if every schedule was explored and none fails', async () => {
    const { code, stdout, stderr } = await verify('fixed');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^ {2}set +stores=1$/m);
    expect(stdout).toMatch(/^ {2}reach +complete: every other schedule is equivalent to one of these$/m);
    expect(stdout).toMatch(/^ {2}verified at this size: \d+ schedules stand for all$/m);
  });

  it.each([
    ['the limit of runs', 'fixed', ['--runs', '3'], /not complete: the limit of 3 runs came first/],
    [
      'the limit of steps',
      'endless',
      ['--max-steps', '60'],
      /not complete: where a run ends without an answer/,
    ],
  ])('exits with 3 at %s, and never says the word', async (_, variant, options, reach) => {
    for (const format of [[], ['--json']]) {
      const { code, stdout, stderr } = await verify(variant, ...options, ...format);
      expect({ code, stderr }).toEqual({ code: 3, stderr: '' });
      expect(stdout).not.toMatch(/verified/i);
      if (format.length === 0) expect(stdout).toMatch(reach);
      else expect(JSON.parse(stdout)).toMatchObject({ strategy: 'dpor', complete: false });
    }
  });

  it.each([
    ['buggy', 1, 'finding stale-translation'],
    ['stuck', 1, 'deadlock'],
    ['throws', 4, 'error Error: made to fail'],
  ])('does not of what fails: %s', async (variant, exit, signature) => {
    const { code, stdout } = await verify(variant);
    expect(code).toBe(exit);
    expect(stdout).toMatch(new RegExp(`^ {2}found +${signature} in \\d+`, 'm'));
    expect(stdout).toMatch(/^ {2}replay {3}flushlab replay f1[\w-]+$/m);
    expect(stdout).not.toMatch(/verified/i);
  });

  it('is of no sample: it has no strategy, depth or seed', async () => {
    for (const option of ['--strategy', '--depth', '--seed']) {
      const { code, stderr } = await verify('fixed', option, '1');
      expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/unknown option/) });
    }
  });
});
