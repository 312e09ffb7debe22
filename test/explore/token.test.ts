import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeToken, encodeToken, type Replay, TokenError } from '../../src/explore/token.ts';

const head: Omit<Replay, 'choices'> = {
  version: '0.1.0',
  scenario: './my race.ts',
  variant: 'buggy',
  platform: 'neoverse',
  cpus: 3,
  parameters: { touches: 4, mode: 'both' },
  seed: 7,
  maxSteps: 20_000,
  signature: 'finding stale-translation',
};

describe('a replay token', () => {
  it('holds any schedule', () => {
    const choice = fc.oneof(fc.nat(63), fc.integer({ min: 64 * 65_536, max: 7 * 64 * 65_536 }));
    fc.assert(
      fc.property(fc.array(choice, { maxLength: 300 }), (choices) => {
        expect(decodeToken(encodeToken({ ...head, choices }))).toEqual({ ...head, choices });
      }),
      { seed: 1 },
    );
  });

  it('is one word that a shell leaves alone, and short for long stretches', () => {
    const choices = [...new Array(5000).fill(0), ...new Array(5000).fill(1)];
    const token = encodeToken({ ...head, choices });
    expect(token).toMatch(/^f1[\w-]+$/);
    expect(token.length).toBeLessThan(300);
  });

  it.each([
    ['nonsense', /is no replay token/],
    ['f1', /is no replay token/],
    ['f2AAAA', /has format f2, this flushlab reads f1/],
    ['f1AAAA', /damaged or incomplete/],
  ])('says what is wrong with %s', (word, message) => {
    expect(() => decodeToken(word)).toThrow(TokenError);
    expect(() => decodeToken(word)).toThrow(message);
  });

  it('notices that its end is missing', () => {
    const token = encodeToken({ ...head, choices: Array.from({ length: 400 }, (_, i) => (i * i) % 7) });
    for (const length of [10, token.length >> 1, token.length - 8]) {
      expect(() => decodeToken(token.slice(0, length))).toThrow(TokenError);
    }
  });
});
