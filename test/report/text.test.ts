import { describe, expect, it } from 'vitest';
import type { CostRow } from '../../src/lab/shootdown-cost.ts';
import { costText } from '../../src/report/cost-text.ts';
import { labelled, paint, plural, table, thousands, wrap } from '../../src/report/text.ts';

const plain = { colour: false };

describe('words and numbers', () => {
  it('get singular and plural right', () => {
    expect([0, 1, 2, 1000].map((n) => plural(n, 'run'))).toEqual(['0 runs', '1 run', '2 runs', '1,000 runs']);
    expect(plural(2, 'more finding', 'more findings')).toBe('2 more findings');
  });

  it('have commas', () => {
    expect([0, 999, 1000, 1234567.6].map(thousands)).toEqual(['0', '999', '1,000', '1,234,568']);
  });

  it('have colours only where they are wanted', () => {
    expect(paint(plain, 'red', 'x')).toBe('x');
    expect(paint({ colour: true }, 'red', 'x')).toBe('\u001b[31mx\u001b[0m');
  });
});

describe('tables', () => {
  it('align, and leave no blanks at the ends of lines', () => {
    const columns = [
      { title: 'name', align: 'left' },
      { title: 'n', align: 'right', gap: 3 },
      { title: 'what', align: 'left' },
    ] as const;
    expect(
      table(columns, [
        ['a', '10', ''],
        ['longer', '5', 'x'],
      ]),
    ).toEqual(['name      n  what', 'a        10', 'longer    5  x']);
  });
});

describe('wrapped text', () => {
  it('keeps within its width, but breaks no word', () => {
    expect(wrap('one two three', '', '  ', 8)).toEqual(['one two', '  three']);
    expect(wrap('extraordinarily long', '', '', 8)).toEqual(['extraordinarily', 'long']);
    expect(wrap('', '- ')).toEqual(['- ']);
  });

  it('hangs under its label', () => {
    expect(labelled('copy', 'x')).toEqual(['  copy     x']);
  });
});

describe('the cost table', () => {
  const row = (
    mechanism: CostRow['mechanism'],
    host: CostRow['host'],
    cpus: number,
    cycles: number,
  ): CostRow => ({
    mechanism,
    cpus,
    pages: 1,
    host,
    shootdowns: 10,
    initiatorCycles: cycles,
    targetCycles: cpus === 1 ? null : 40,
    allTargetsCycles: cpus === 1 ? null : 40 * (cpus - 1),
  });
  const rows = [
    row('cross-call', 'lockstep', 1, 100),
    row('broadcast', 'lockstep', 1, 660),
    row('cross-call', 'lockstep', 16, 10900),
    row('broadcast', 'lockstep', 16, 4000),
    row('cross-call', 'threads', 16, 12000),
  ];

  it('puts the mechanisms side by side', () => {
    const lines = costText(rows, { clockMHz: 2500, times: false }, plain).split('\n');
    expect(lines).toEqual([
      '1 page',
      '        cross call                              broadcast',
      '  CPUs  initiator  threads  a target  all     initiator  threads  a target  all',
      '     1        100        -         -    -           660        -         -    -',
      '    16     10,900   12,000        40  600         4,000        -        40  600',
    ]);
  });

  it('gives times where they are wanted', () => {
    const text = costText(rows.slice(0, 1), { clockMHz: 2500, times: true }, plain);
    expect(text).toMatch(/100 +40 /);
    expect(text).not.toMatch(/broadcast/);
  });
});
