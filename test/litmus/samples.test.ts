import { describe, expect, it } from 'vitest';
import { satisfies } from '../../src/litmus/condition.ts';
import { normalisedState, observationOf, stateText } from '../../src/litmus/final-state.ts';
import { conditionText } from '../../src/litmus/notation.ts';
import { observationWord, outcomeOf } from '../../src/litmus/outcome.ts';
import { compareOutcome, References } from '../../src/litmus/outcomes.ts';
import { parseLitmus } from '../../src/litmus/parse-litmus.ts';
import { testHash } from '../../src/litmus/test-hash.ts';
import { textFlags } from '../../src/litmus/text-flags.ts';
import { cannedResult, cannedState } from './canned-states.ts';
import { sampleFiles, samples, sampleText } from './samples.ts';

describe("herd7's own tests and answers", () => {
  const tests = new Map(samples.map(({ file }) => [file, parseLitmus(sampleText(file))]));
  const parsed = (file: string) => tests.get(file) ?? expect.fail(file);

  it('are at least a hundred of the core profile, and every file has its answer', () => {
    expect(samples.filter((sample) => sample.core_profile).length).toBeGreaterThanOrEqual(100);
    expect(sampleFiles().sort()).toEqual(samples.map(({ file }) => file).sort());
  });

  it('have the names that herd7 gives them', () => {
    for (const { file, name } of samples) expect(parsed(file).name).toBe(name);
  });

  it('have conditions that print as herd7 prints them', () => {
    for (const { file, cond } of samples) expect(conditionText(parsed(file).condition), file).toBe(cond);
  });

  it('have final states that print as herd7 prints them, cell by cell and fault by fault', () => {
    for (const { file, states } of samples) {
      const test = parsed(file);
      const observation = observationOf(test);
      for (const state of states) {
        const text = stateText(observation, cannedState(test.architecture, state));
        expect(normalisedState(text), file).toBe(normalisedState(state));
      }
    }
  });

  it('have conditions that hold in the states in which herd7 says so', () => {
    for (const { file, states, observation } of samples) {
      const test = parsed(file);
      const { types } = observationOf(test);
      const held = states.filter((state) =>
        satisfies(test.condition.proposition, cannedState(test.architecture, state), types),
      );
      const word = held.length === 0 ? 'Never' : held.length === states.length ? 'Always' : 'Sometimes';
      expect(word, file).toBe(observation);
      expect(observationWord(outcomeOf(test, cannedResult(test, states), 0)), file).toBe(observation);
    }
  });

  it('have the hashes that herd7 computes, but for three known spellings', () => {
    const others = samples.filter(({ file, hash }) => testHash(parsed(file)) !== hash);
    for (const { file } of others)
      expect(sampleText(file)).toMatch(/\.pagealign|Page0|\],#|int t\[|instr:"NOP"/);
    expect(others.length).toBeLessThan(samples.length / 10);
  });

  it('have the flags that follow from their text', () => {
    const ofText = /^(Shareability|Assuming|combining)/;
    for (const { file, flags } of samples) {
      const expected = flags.filter((flag) => ofText.test(flag)).sort();
      expect(textFlags(parsed(file)).sort(), file).toEqual(expected);
    }
    expect(samples.some(({ flags }) => flags.some((flag) => ofText.test(flag)))).toBe(true);
  });

  it('equal their reference if an engine finds exactly its states', () => {
    const references = new References(
      samples.map((sample) => JSON.stringify(sample)).join('\n'),
      'outcomes.jsonl',
    );
    for (const { file, name, states, flags } of samples) {
      const reference = references.find(`some/where/${file}`, name) ?? expect.fail(file);
      const test = parsed(file);
      const comparison = compareOutcome(outcomeOf(test, cannedResult(test, states, flags), 0), reference);
      expect(comparison, file).toEqual({
        unsound: [],
        unreached: [],
        allowed: states.length,
        sameFlags: true,
      });
    }
  });
});
