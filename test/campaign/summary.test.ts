import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Header, headerOf } from '../../src/campaign/header.ts';
import type { ExploreLine, StressLine } from '../../src/campaign/line.ts';
import type { CampaignPlan } from '../../src/campaign/plan.ts';
import { CellSummary, Summary } from '../../src/campaign/summary.ts';
import { behaved } from '../../src/lab/stress.ts';
import { lineOf, planOf, stressEntry } from './small-campaign.ts';

let plan: CampaignPlan;
let header: Header;

beforeAll(async () => {
  const dpor = { kind: 'dpor', scenarios: ['reclaim-batch'], parts: 2 };
  plan = await planOf([stressEntry(4), dpor]);
  header = headerOf(plan);
});

const stale = { verdict: 'found', kind: 'stale-translation', findings: 1 } as const;
const outcomes: readonly Partial<StressLine>[] = [
  { verdict: 'clean' },
  stale,
  { ...stale, kind: 'deadlock' },
  { verdict: 'bound' },
  { verdict: 'error', error: 'broken' },
];

describe('a cell of a stress', () => {
  it('is judged as stress judges a variant', () => {
    const all = fc.array(fc.constantFrom(...outcomes), { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(fc.constantFrom(0, 1), all, (variant, chosen) => {
        const summary = new CellSummary(header.cells[variant]);
        for (const [i, parts] of chosen.entries()) summary.add(lineOf(plan, 4 * variant + i, parts));
        const kinds = new Map<string, number>();
        for (const { kind } of chosen) if (kind !== undefined) kinds.set(kind, 1);
        const count = (verdict: string) => chosen.filter((one) => one.verdict === verdict).length;
        const counts = { found: count('found'), bound: count('bound'), errors: count('error') };
        const tally = { variant: plan.cells[variant].plans[0].variant, kinds, ...counts };
        expect(summary.state === 'expected').toBe(behaved(tally as unknown as Parameters<typeof behaved>[0]));
        expect(summary.state).not.toBe('unfinished');
      }),
    );
  });

  it('is not judged by what it has not shown yet', () => {
    const buggy = new CellSummary(header.cells[0]);
    expect(buggy.cell.expect).not.toBe('clean');
    for (const unit of [0, 1, 2]) buggy.add(lineOf(plan, unit));
    expect(buggy.state).toBe('unfinished');
    buggy.add(lineOf(plan, 3));
    expect(buggy.state).toBe('unexpected');
    const fixed = new CellSummary(header.cells[1]);
    fixed.add(lineOf(plan, 4));
    expect(fixed.state).toBe('unfinished');
    // What must not be is wrong whatever comes after it.
    fixed.add(lineOf(plan, 5, stale));
    expect(fixed.state).toBe('unexpected');
  });

  it('names the failure of the lowest unit, in whatever order lines come', () => {
    for (const order of [
      [1, 2, 3],
      [3, 2, 1],
    ]) {
      const summary = new CellSummary(header.cells[0]);
      for (const unit of order)
        summary.add(lineOf(plan, unit, unit === 3 ? { ...stale, kind: 'deadlock' } : stale));
      expect(summary.first).toMatchObject({ unit: 1, seed: 1 });
      expect(summary.kindCounts).toEqual(expect.arrayContaining([['stale-translation', 2]]));
    }
  });
});

describe('a cell of a search', () => {
  const part = (unit: number, parts: Partial<ExploreLine> = {}): ExploreLine => {
    const { name } = header.cells[3];
    return {
      unit,
      cell: name,
      runs: 5,
      redundant: 1,
      steps: 50,
      longest: 10,
      complete: true,
      failures: [],
      ...parts,
    };
  };
  const failure = (signature: string) => ({ signature, count: 2, choices: '0X3' });

  it.each<[string, Partial<ExploreLine>, string]>([
    ['nothing was left out', {}, 'expected'],
    ['a part came to no end', { complete: false }, 'bound'],
    ['a run came to no end', { failures: [failure('step-limit')] }, 'bound'],
    ['something was found', { failures: [failure('finding stale-translation')] }, 'unexpected'],
    ['a deadlock was found', { failures: [failure('deadlock')] }, 'unexpected'],
    ['a program threw', { failures: [failure('error broken')] }, 'error'],
  ])('that must be clean, where %s', (_, parts, state) => {
    const summary = new CellSummary(header.cells[3]);
    expect(summary.cell).toMatchObject({ kind: 'dpor', expect: 'clean' });
    summary.add(part(10));
    expect(summary.state).toBe('unfinished');
    summary.add(part(11, parts));
    expect(summary.state).toBe(state);
    expect(summary.runs).toBe(10);
  });
});

it('a campaign is in the state of its worst cell', () => {
  const states = (units: readonly [number, Partial<StressLine>][]) => {
    const summary = new Summary(header);
    for (const [unit, parts] of units) summary.add(lineOf(plan, unit, parts));
    return summary.state;
  };
  expect(states([])).toBe('unfinished');
  expect(states([[4, { verdict: 'bound' }]])).toBe('bound');
  expect(
    states([
      [4, { verdict: 'bound' }],
      [5, stale],
    ]),
  ).toBe('unexpected');
  expect(
    states([
      [4, { verdict: 'error', error: 'x' }],
      [5, stale],
    ]),
  ).toBe('error');
});
