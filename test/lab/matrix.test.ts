import { describe, expect, it } from 'vitest';
import { LockstepPool } from '../../src/lab/lockstep-pool.ts';
import { type CellOutcome, matrixCells, outcomeOf, runMatrix } from '../../src/lab/matrix.ts';
import type { Tally } from '../../src/lab/stress.ts';
import { platforms } from '../../src/platforms/index.ts';
import { races } from '../../src/scenarios/index.ts';
import type { Scenario } from '../../src/scenarios/scenario.ts';
import tinyFlush from '../support/tiny-flush.ts';

const columns = Object.values(platforms).map((platform) => ({ reference: platform.name, platform }));
const named = (scenario: Scenario) => [{ reference: scenario.name, scenario }];
const on = (...names: string[]) => columns.filter(({ reference }) => names.includes(reference));

async function outcomesOf(scenario: Scenario, workers = 0): Promise<CellOutcome[]> {
  const pool = new LockstepPool(workers);
  try {
    return await runMatrix(
      matrixCells(named(scenario), columns),
      { pool, scheduler: 'random' },
      {
        runs: 3,
        seed: 1,
        limitsOf: () => ({
          checked: true,
          keepGoing: false,
          quantumCycles: 1,
          maxSteps: 1e6,
          maxSeconds: 60,
        }),
        isStopped: () => false,
        onRun: () => {},
      },
    );
  } finally {
    await pool.close();
  }
}

describe('the matrix', () => {
  it('runs every cell, as expected; a cell that must find something ends when it has', async () => {
    const outcomes = await outcomesOf(tinyFlush);
    expect(outcomes.filter(({ asExpected }) => !asExpected)).toEqual([]);
    expect(outcomes).toHaveLength(2 * columns.length);
    const wrong = (platform: string) =>
      outcomes.find(({ cell }) => cell.variant.name === 'no-flush' && cell.on.reference === platform);
    expect(wrong('arm926')).toMatchObject({ result: 'found', runs: 1, kinds: ['stale-data'], firstSeed: 1 });
    expect(wrong('neoverse')).toMatchObject({ result: 'clean', runs: 3, kinds: [] });
    expect(wrong('r4000')).toMatchObject({ result: 'n/a', runs: 0 });
    expect(wrong('r4000')?.cell.reason).toBe('the hardware notices by itself');
  });

  it('tells an expectation that does not hold', async () => {
    const turned: Scenario = {
      ...tinyFlush,
      variants: tinyFlush.variants.map((variant) => ({
        ...variant,
        expectOn: (platform) => {
          const expectation = variant.expectOn?.(platform);
          return {
            expect: expectation?.expect === 'clean' ? ['lost-write'] : 'clean',
            reason: 'turned round',
          };
        },
      })),
    };
    const outcomes = await outcomesOf(turned);
    expect(outcomes.filter(({ asExpected, result }) => asExpected !== (result === 'n/a'))).toEqual([]);
  });

  it('does not depend on the number of workers', async () => {
    const plain = (outcomes: CellOutcome[]) => outcomes.map(({ cell, ...rest }) => rest);
    expect(plain(await outcomesOf(tinyFlush, 2))).toEqual(plain(await outcomesOf(tinyFlush)));
  });

  it('has no cell for a variant that needs more CPUs than there are', () => {
    const cells = matrixCells(named({ ...tinyFlush, minCpus: 2, defaultCpus: 2 }), on('arm926', 'neoverse'));
    expect(cells.map(({ plan }) => plan === undefined)).toEqual([true, false, true, false]);
    expect(cells[0].reason).toBe('it takes 2 CPUs, and arm926 has one');
  });

  it('refuses a scenario that says nothing of other platforms', () => {
    expect(() => matrixCells(named(races[0]), columns)).toThrow(/^mremap-stale does not say what variant /);
  });

  it('takes a wrong variant that threads did not run into for no failure', () => {
    const [cell] = matrixCells(named(tinyFlush), on('arm926')).slice(1);
    if (!cell.plan) throw new Error('the cell is to run');
    const nothing: Tally = {
      variant: cell.plan.variant,
      plans: [cell.plan],
      ...{ runs: 5, found: 0, clean: 5, bound: 0, errors: 0, steps: 0, seconds: 0 },
      ...{ kinds: new Map(), firsts: [], reached: new Map() },
    };
    expect(outcomeOf(cell, nothing, true).asExpected).toBe(true);
    expect(outcomeOf(cell, nothing, false).asExpected).toBe(false);
    const other = { ...nothing, found: 1, clean: 4, kinds: new Map([['lost-write', 1]]) };
    expect(outcomeOf(cell, other, true).asExpected).toBe(false);
    expect(outcomeOf(cell, { ...nothing, clean: 4, bound: 1 }, true)).toMatchObject({
      result: 'bound',
      asExpected: false,
    });
  });
});
