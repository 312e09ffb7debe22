import { describe, expect, it } from 'vitest';
import { exploreTest } from '../../src/litmus/core/explore.ts';
import { outcomeOf } from '../../src/litmus/outcome.ts';
import { compareOutcome, References } from '../../src/litmus/outcomes.ts';
import { parseLitmus } from '../../src/litmus/parse-litmus.ts';
import { samples, sampleText } from './samples.ts';

describe('final states of the core profile', () => {
  const references = new References(
    samples.map((sample) => JSON.stringify(sample)).join('\n'),
    'outcomes.jsonl',
  );
  const core = references.all.filter((reference) => reference.core_profile);

  it.each(core.map(({ file }) => file))('are those that the architecture allows: %s', (file) => {
    const test = parseLitmus(sampleText(file));
    const result = exploreTest(test, { maxStates: 1_000_000, maxSeconds: 20 });
    const reference = references.find(file, test.name) ?? expect.fail(file);
    expect(result.complete).toBe(true);
    expect(compareOutcome(outcomeOf(test, result, 0), reference)).toMatchObject({
      unsound: [],
      unreached: [],
    });
  });
});
