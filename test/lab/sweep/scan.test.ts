import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_POINTS, parseScan } from '../../../src/lab/sweep/scan.ts';

describe('a scan', () => {
  it.each([
    ['pages=1,8,32', ['1', '8', '32']],
    ['cpus=1..4', ['1', '2', '3', '4']],
    ['cpus=1..10:+3', ['1', '4', '7', '10']],
    ['cpus=1..11:+3', ['1', '4', '7', '10']],
    ['cpus=1..64:*2', ['1', '2', '4', '8', '16', '32', '64']],
    ['cpus=3..100:*3', ['3', '9', '27', '81']],
    ['cpus=1..10:*1.5', ['1', '2', '3', '5', '8']],
    ['cpus=5..5', ['5']],
    ['x=-3..3:+3', ['-3', '0', '3']],
    ['pages=1,8..10,64', ['1', '8', '9', '10', '64']],
    ['pages=8,1..8:*2,8', ['8', '1', '2', '4']],
    ['platform=neoverse, x86-64', ['neoverse', 'x86-64']],
    ['platform=../mine.json', ['../mine.json']],
    ['note=a=b', ['a=b']],
  ])('%s goes through %j', (text, values) => {
    expect(parseScan(text)).toEqual({ name: text.slice(0, text.indexOf('=')), values });
  });

  it('with a factor goes through each power once, up to the end', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 50 }),
        fc.integer({ min: 2, max: 9 }),
        fc.nat(5000),
        (a, f, more) => {
          const b = a + more;
          const expected: string[] = [];
          for (let value = a; value <= b; value *= f) expected.push(String(value));
          expect(parseScan(`n=${a}..${b}:*${f}`).values).toEqual(expected);
        },
      ),
    );
  });

  it.each([
    ['cpus', /--scan cpus: use --scan parameter=values/],
    ['=1', /use --scan parameter=values/],
    ['cpus=', /there is an empty value/],
    ['cpus=1,,2', /there is an empty value/],
    ['cpus=10..1', /the range 10..1 is empty/],
    ['cpus=1..', /'1..' is no range: write 1..10/],
    ['cpus=1..x', /'1..x' is no range/],
    ['cpus=1..10:3', /'1..10:3' is no range/],
    ['cpus=1..10:+0', /step of 1..10:\+0 must be an integer from 1/],
    ['cpus=1..10:+1.5', /must be an integer from 1/],
    ['cpus=1..10:*1', /factor of 1..10:\*1 must be at least 1.01/],
    ['cpus=0..10:*2', /must begin at 1 or more/],
    ['cpus=1..1000000', new RegExp(`1..1000000 has 1000000 values: use at most ${MAX_POINTS}`)],
    ['cpus=1..99999999999999999999', /are too large/],
  ])('%s is refused', (text, message) => {
    expect(() => parseScan(text)).toThrow(message);
  });

  it('names the option that it came from', () => {
    expect(() => parseScan('cpus=2..1', '--where')).toThrow(/^--where cpus=2..1: /);
  });
});
