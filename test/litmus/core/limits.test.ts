import { describe, expect, it } from 'vitest';
import { exploreTest } from '../../../src/litmus/core/explore.ts';
import { parseLitmus } from '../../../src/litmus/parse-litmus.ts';
import { explored, limits, plain } from './states.ts';

describe('what cannot be run', () => {
  it.each([
    ['an instruction', plain([['LDP W5,W6,[X1]']], 'exists (x=0)'), /'LDP W5,W6,\[X1\]' is not supported/],
    ['a large number', plain([['MOV X5,#0x10000000']], 'exists (x=0)'), /has to be below 2\^28/],
    ['a large initial value', plain([['NOP']], 'exists (x=0)', '0:X5=0x10000000;'), /is too large/],
    ['a label that is missing', plain([['B away']], 'exists (x=0)'), /label 'away'/],
  ])('%s is refused with its place', (_, text, message) => {
    expect(() => explored(text)).toThrow(message);
  });

  it('ends at its bounds and says so', () => {
    const test = parseLitmus(plain([['LDR W5,[X1]'], ['STR W1,[X1]']], 'exists (0:X5=0)'));
    expect(exploreTest(test, { ...limits, maxStates: 2 }).complete).toBe(false);
    expect(exploreTest(test, limits).complete).toBe(true);
  });

  it('says so too if an access is to no location', () => {
    expect(explored(plain([['LDR W5,[X6]']], 'exists (0:X5=0)')).complete).toBe(false);
  });

  it('ends although a loop need not', () => {
    const spin = plain(
      [
        ['on:', 'LDR W5,[X1]', 'CBZ W5,on'],
        ['MOV W0,#1', 'STR W0,[X1]'],
      ],
      'exists (0:X5=1)',
    );
    const { complete, states } = explored(spin);
    expect([complete, states.length]).toEqual([true, 1]);
  });
});
