import { describe, expect, it } from 'vitest';
import { Execution } from '../../src/explore/execution.ts';
import { type ExploreReport, explore, type Strategy } from '../../src/explore/explorer.ts';
import { reachedSignature } from '../../src/explore/reached.ts';
import { signatureOf } from '../../src/explore/shard.ts';
import { shrink } from '../../src/explore/shrink.ts';
import { timeline } from '../../src/explore/timeline.ts';
import { loadWorkload } from '../../src/hosts/session.ts';
import { ThreadsHost } from '../../src/hosts/threads.ts';
import { jobOf, makePlan, type RunLimits } from '../../src/lab/plan.ts';
import { exploreLimits, replay, search } from '../../src/lab/search.ts';
import { flawOf } from '../../src/scenarios/check-scenario.ts';
import { findVariant } from '../../src/scenarios/scenario.ts';
import { searchFully } from '../support/full-search.ts';
import meetings from '../support/meetings.ts';

const budgets = { walk: 0, prefetch: 0, evict: 0 };
const plan = makePlan({ scenario: meetings, variant: findVariant(meetings, 'plain'), given: {} });
const jobFor = (goal?: string, limits: Partial<RunLimits> = {}) =>
  jobOf(plan, { ...exploreLimits(plan, undefined, goal), ...limits }, 1);
const options = (strategy: Strategy, workers = 0) => ({
  strategy,
  seed: 5,
  runs: 2000,
  depth: 3,
  budgets,
  most: { preemptions: 2, delays: 2 },
  workers,
});
const namesIn = ({ reached }: ExploreReport) =>
  reached.filter(({ count }) => count > 0).map(({ name }) => name);

describe('reached states', () => {
  it('are those that trying every schedule reaches, in every combination', async () => {
    const on = new Execution(jobFor(), await loadWorkload(jobFor()), budgets);
    const all = new Map<string, number>();
    const count = searchFully(on, 200_000, () => {
      const { reached = [] } = on.result();
      all.set(reached.join(), (all.get(reached.join()) ?? 0) + 1);
    });
    expect(count).toBeGreaterThan(100);
    const some = new Set([...all.keys()].flatMap((names) => names.split(',').filter((name) => name !== '')));
    expect([...some].sort()).toEqual(['saw-nothing', 'saw-store', 'within']);
    const report = await explore(jobFor(), options('dpor'));
    expect(report.complete).toBe(true);
    expect(report.runs).toBeLessThan(count ?? 0);
    expect(namesIn(report)).toEqual(meetingsIn(some));
    expect(report.reached.map(({ name }) => name)).toEqual(Object.keys(meetings.reachable ?? {}));
  });

  it.each<Strategy>(['pct', 'random', 'bounded', 'dpor'])(
    '%s: counts and first runs do not depend on the number of workers',
    async (strategy) => {
      const reports = [];
      for (const workers of [0, 1, 3]) reports.push(await explore(jobFor(), options(strategy, workers)));
      for (const report of reports) expect(report).toEqual(reports[0]);
      expect(namesIn(reports[0])).toContain('saw-store');
    },
  );

  it.each<Strategy>(['pct', 'random', 'bounded', 'dpor'])(
    '%s: a search for one ends with the first run that reaches it, however many workers there are',
    async (strategy) => {
      const reports = [];
      for (const workers of [0, 3]) reports.push(await explore(jobFor('within'), options(strategy, workers)));
      expect(reports[1]).toEqual(reports[0]);
      const found = reports[0].reached.find(({ name }) => name === 'within');
      expect(found?.count).toBe(1);
      const on = new Execution(jobFor('within'), await loadWorkload(jobFor()), budgets);
      replay(on, found?.choices ?? []);
      expect(signatureOf(on)).toBe('reached within');
      expect(on.choices).toBe(found?.choices.length);
    },
  );

  it('belong to one run: the next one starts without them', async () => {
    const on = new Execution(jobFor(), await loadWorkload(jobFor()), budgets);
    const undisturbed = () => {
      on.restart();
      while (on.outcome === undefined) on.take(on.enabled[0]);
      return on.reachedBits;
    };
    const before = undisturbed();
    const { reached } = await explore(jobFor(), options('random'));
    const within = reached.find(({ name }) => name === 'within');
    replay(on, within?.choices ?? []);
    expect(on.reachedBits).not.toBe(before);
    expect(undisturbed()).toBe(before);
  });

  it('change nothing about what is found', async () => {
    const wrong = makePlan({ scenario: meetings, variant: findVariant(meetings, 'wrong'), given: {} });
    const report = await explore(jobOf(wrong, exploreLimits(wrong), 1), options('dpor'));
    expect(report.failures.map(({ signature }) => signature)).toEqual(['finding invariant']);
    expect(report.failures[0].count).toBe(report.reached.find(({ name }) => name === 'saw-store')?.count);
  });
});

describe('a witness', () => {
  it('is as small as any, and says where the state is reached', async () => {
    const job = jobFor('within');
    const on = new Execution(job, await loadWorkload(job), budgets);
    const { reached } = await explore(job, { ...options('random'), seed: 17 });
    const found = reached.find(({ name }) => name === 'within');
    const signature = reachedSignature('within');
    const shrunk = shrink(on, found?.choices ?? [], signature, 5000);
    expect(shrunk.minimal).toBe(true);
    const bounded = await explore(job, options('bounded'));
    const cheapest = bounded.reached.find(({ name }) => name === 'within')?.choices ?? [];
    expect(shrunk.choices.length).toBeLessThanOrEqual(cheapest.length);
    const { rows } = timeline(on, shrunk.choices);
    const last = rows[rows.length - 1];
    expect(last.lines.join()).toContain("the state 'within' is reached");
    expect(last.where).toMatch(/^meetings\.ts:\d+ look/);
    expect(last.column).toBe(1);
  });

  it('comes with a token for each state, and with the plan of a search for one', async () => {
    const rest = { reference: 'meetings', shrinkRuns: 1000 };
    const { witnesses, counterexample } = await search(plan, { ...options('dpor'), ...rest });
    expect(witnesses.map(({ state }) => state)).toEqual(['saw-store', 'within', 'saw-nothing']);
    expect(counterexample).toBeUndefined();
    const sought = await search(plan, { ...options('dpor'), ...rest, goal: 'saw-nothing' });
    expect(sought.counterexample).toMatchObject({
      signature: 'reached saw-nothing',
      shrunk: { minimal: true },
    });
  });
});

describe('states on threads', () => {
  it('are in the result, and end the run that looks for one', async () => {
    const host = new ThreadsHost();
    try {
      const result = await host.run(jobFor());
      expect(result.outcome).toBe('finished');
      expect(result.reached).toBeInstanceOf(Array);
      const goal = await host.run(jobFor('saw-store'));
      expect(goal.reached?.includes('saw-store')).toBe(goal.outcome === 'reached');
    } finally {
      await host.close();
    }
  });
});

describe('what is declared', () => {
  const flaw = (reachable: unknown) => flawOf({ ...meetings, reachable });

  it('must have a title, and variants that exist', () => {
    expect(flaw(meetings.reachable)).toBeUndefined();
    expect(flaw(3)).toBe("reachable must be an object: a name and { title: '...' } for each state");
    expect(flaw({ a: {} })).toBe("state 'a' has no title: say in a line what has happened");
    expect(flaw({ a: { title: 'a', variants: 'plain' } })).toBe(
      "state 'a': variants must be a list of variants' names",
    );
    expect(flaw({ a: { title: 'a', variants: ['none'] } })).toBe(
      "state 'a': there is no variant 'none': use some of plain, wrong, unknown",
    );
    const many = Object.fromEntries(Array.from({ length: 33 }, (_, i) => [`s${i}`, { title: 's' }]));
    expect(flaw(many)).toBe('reachable has 33 states: use at most 32');
  });

  it('is all that programs may reach', async () => {
    const other = makePlan({ scenario: meetings, variant: findVariant(meetings, 'unknown'), given: {} });
    const report = await explore(jobOf(other, exploreLimits(other), 1), { ...options('pct'), runs: 1 });
    expect(report.failures[0].signature).toBe(
      "error Error: the scenario declares no state 'nobody-knows': add it to 'reachable'",
    );
  });
});

function meetingsIn(some: ReadonlySet<string>): string[] {
  return Object.keys(meetings.reachable ?? {}).filter((name) => some.has(name));
}
