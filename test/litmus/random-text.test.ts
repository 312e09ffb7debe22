import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Cell, Proposition, Value } from '../../src/litmus/ast.ts';
import { LitmusError } from '../../src/litmus/litmus-error.ts';
import { conditionText } from '../../src/litmus/notation.ts';
import { parseLitmus } from '../../src/litmus/parse-litmus.ts';
import { samples, sampleText } from './samples.ts';

const name = fc.constantFrom('x', 'y', 'z1', 'a_b');
const label = fc.constantFrom('L0', 'end', 'Page0');
const bit = fc.constantFrom(0 as const, 1 as const);
const thread = fc.nat(3);
const register = fc.record({
  kind: fc.constant('register' as const),
  thread,
  name: fc.nat(30).map((number) => `X${number}`),
});
const cell: fc.Arbitrary<Cell> = fc.oneof(
  register,
  fc.record({ kind: fc.constant('memory' as const), location: name, index: fc.constant(0) }),
  fc.record({
    kind: fc.constant('memory' as const),
    location: name,
    index: fc.nat(9),
    isElement: fc.constant(true as const),
  }),
  fc.record({ kind: fc.constantFrom('entry' as const, 'physical' as const), location: name }),
);
const entry = fc.record(
  { oa: name, valid: bit, af: bit, db: bit, dbm: bit, el0: bit, others: fc.constant([]) },
  { requiredKeys: ['oa', 'others'] },
);
const value: fc.Arbitrary<Value> = fc.oneof(
  fc.record({
    kind: fc.constant('number' as const),
    value: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n }),
  }),
  fc.record({ kind: fc.constantFrom('address' as const, 'physical' as const), location: name }),
  fc.record({ kind: fc.constant('entry-address' as const), location: name }),
  fc.record({ kind: fc.constant('label' as const), thread, label }),
  fc.record({
    kind: fc.constant('instruction' as const),
    text: fc.constantFrom('NOP', 'B .+8', 'MOV W6,W4'),
  }),
  fc.record({ kind: fc.constant('entry' as const), fields: entry }),
);
const fault = fc.record(
  { thread, label, location: name, type: fc.constantFrom('MMU:Translation', 'D-MMU:Permission', 'TagCheck') },
  { requiredKeys: ['thread'] },
);
const { proposition } = fc.letrec<{ proposition: Proposition }>((tie) => {
  const part = tie('proposition');
  return {
    proposition: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      fc.record({ kind: fc.constant('equals' as const), cell, value }),
      fc.record({ kind: fc.constant('cells' as const), cell, other: register }),
      fc.record({ kind: fc.constant('fault' as const), fault }),
      fc.record({ kind: fc.constant('constant' as const), value: fc.boolean() }),
      fc.record({ kind: fc.constant('not' as const), of: part }),
      fc.record({
        kind: fc.constantFrom('and' as const, 'or' as const),
        of: fc.array(part, { minLength: 2, maxLength: 3 }),
      }),
      fc.record({ kind: fc.constant('implies' as const), of: fc.tuple(part, part) }),
    ),
  };
});
/** Four threads that have every label. */
const THREADS = `AArch64 T\n{}\nP0 | P1 | P2 | P3 ;\n${Array(4).fill('L0: end: Page0: NOP').join('|')};\n`;
const quantifier = fc.constantFrom('exists' as const, 'not exists' as const, 'forall' as const);

/** A sample with some of its text taken out, doubled, replaced or moved. */
const mutated = fc
  .tuple(
    fc.constantFrom(...samples.slice(0, 40).map(({ file }) => sampleText(file))),
    fc.array(
      fc.tuple(
        fc.nat(),
        fc.nat(12),
        fc.constantFrom('', ';', '{', '(', ')', '|', ':', '"', '(*', '\\/', '0x', 'P1', '\n', '['),
      ),
      {
        minLength: 1,
        maxLength: 6,
      },
    ),
  )
  .map(([text, edits]) =>
    edits.reduce((all, [at, length, put]) => {
      const start = at % (all.length + 1);
      return all.slice(0, start) + put + all.slice(start + length);
    }, text),
  );

describe('random text', () => {
  it('comes back from print and parse as it was printed', () => {
    fc.assert(
      fc.property(fc.record({ quantifier, proposition }), (condition) => {
        const text = conditionText(condition);
        const read = parseLitmus(`${THREADS}${text}`);
        expect(conditionText(read.condition)).toBe(text);
      }),
      { numRuns: 500 },
    );
  });

  it('is read or refused with a place inside it, whatever is wrong with it', () => {
    fc.assert(
      fc.property(mutated, (text) => {
        try {
          parseLitmus(text);
        } catch (error) {
          if (!(error instanceof LitmusError)) throw error;
          const lines = text.split('\n');
          expect(error.place.line).toBeGreaterThan(0);
          expect(error.place.line).toBeLessThanOrEqual(lines.length);
          expect(error.place.column).toBeLessThanOrEqual(lines[error.place.line - 1].length + 1);
          expect(error.message).toMatch(/^\S.{10,}/);
          expect(error.message).not.toContain('\n');
        }
      }),
      { numRuns: 1500 },
    );
  });
});
