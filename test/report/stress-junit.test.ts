import { beforeAll, describe, expect, it } from 'vitest';
import { LockstepPool } from '../../src/lab/lockstep-pool.ts';
import { makePlan } from '../../src/lab/plan.ts';
import { stressVariant, type Tally } from '../../src/lab/stress.ts';
import { stressJunit, stressMarkdown } from '../../src/report/stress-junit.ts';
import tinyRace from '../support/tiny-race.ts';
import { parseXml } from '../support/xml.ts';

const limits = { checked: true, keepGoing: false, quantumCycles: 1000, maxSteps: 2000, maxSeconds: 10 };
const head = { scenario: 'tiny-race', host: 'lockstep', scheduler: 'random', seed: 3, runs: 20 };
const skipped = [{ variant: 'other', reason: 'means <nothing> here' }];

describe('a stress as a report', () => {
  const tallies: Tally[] = [];
  beforeAll(async () => {
    const pool = new LockstepPool(0);
    for (const variant of tinyRace.variants) {
      const plan = makePlan({ scenario: tinyRace, variant, platform: undefined, cpus: undefined, given: {} });
      const options = { limits, runs: 20, seed: 3, onRun: () => true, isStopped: () => false };
      tallies.push(await stressVariant([plan], { pool, scheduler: 'random' }, options));
    }
  });

  it('is JUnit XML: a test a variant, passed if it showed what it must', () => {
    const [suite] = parseXml(stressJunit(head, tallies, skipped)).children;
    expect(suite.attributes).toMatchObject({ name: 'tiny-race', tests: '6', skipped: '1' });
    const [properties, ...cases] = suite.children;
    expect(properties.children.map(({ attributes }) => `${attributes.name}=${attributes.value}`)).toEqual([
      'host=lockstep',
      'scheduler=random',
      'seed=3',
      'runs=20',
    ]);
    const results = Object.fromEntries(
      cases.map(({ attributes, children }) => [
        attributes.name,
        children
          .filter(({ name }) => name !== 'system-out')
          .map((one) => `${one.name} ${one.attributes.message}`),
      ]),
    );
    const [, , , endless, throws] = tallies;
    expect(Math.min(endless.bound, throws.errors)).toBeGreaterThan(1);
    expect(results).toEqual({
      fixed: [],
      buggy: [],
      stuck: [],
      // They must be clean, and their runs cannot say so.
      endless: [`error ${endless.bound} runs reached a limit before an answer`],
      throws: [`error ${throws.errors} runs failed`],
      other: ['skipped means <nothing> here'],
    });
    expect(cases[1].children[0].text).toMatch(/^20 runs: \d+ found, \d+ clean/);
  });

  it('is a failure if a variant that must be clean is not, or a wrong one was not found', () => {
    const [fixed, buggy] = tallies;
    const swapped = [
      { ...buggy, variant: { ...buggy.variant, expect: 'clean' as const } },
      { ...fixed, variant: { ...fixed.variant, expect: ['stale-translation' as const] } },
    ];
    const [suite] = parseXml(stressJunit(head, swapped, [])).children;
    expect(suite.attributes).toMatchObject({ failures: '2', errors: '0' });
    const [one, other] = suite.children.slice(1).map(({ children }) => children[0].attributes);
    expect(one.type).toBe('stale-translation');
    expect(one.message).toMatch(/^must show nothing, found in \d+ of 20 runs$/);
    expect(other).toEqual({
      type: 'not-found',
      message: 'must show stale-translation, not found in 20 runs',
    });
  });

  it('is Markdown', () => {
    const lines = stressMarkdown(head, tallies, skipped).split('\n');
    expect(lines[0]).toBe('# stress tiny-race');
    expect(lines[2]).toBe('20 runs of each variant on lockstep, random scheduler, from seed 3');
    expect(lines.filter((line) => line.startsWith('| '))).toHaveLength(2 + tallies.length);
    expect(lines.find((line) => line.startsWith('| fixed'))).toMatch(/\| as expected +\|$/);
    expect(lines.at(-1)).toBe('- skipped other: means \\<nothing\\> here');
  });
});
