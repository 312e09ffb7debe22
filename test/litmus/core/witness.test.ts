import { describe, expect, it } from 'vitest';
import { satisfies } from '../../../src/litmus/condition.ts';
import { sequentialLitmus } from '../../../src/litmus/core/profile.ts';
import { findWitness } from '../../../src/litmus/core/witness.ts';
import { observationOf, stateText } from '../../../src/litmus/final-state.ts';
import { parseLitmus } from '../../../src/litmus/parse-litmus.ts';
import { limits } from './states.ts';

const text = `AArch64 old-entry
{ int x=1; 0:X2=PTE(x); 0:X1=(oa:PA(x),valid:0); 0:X5=y; 1:X3=x; 1:X5=y; }
P0          | P1          ;
STR X1,[X2] | LDR W6,[X5] ;
DMB SY      | DSB ISH     ;
MOV W4,#1   | ISB         ;
STR W4,[X5] | L0:         ;
            | LDR W7,[X3] ;
exists (1:X6=1 /\\ 1:X7=1)
`;
const test = parseLitmus(text);
const observation = observationOf(test);

describe('a witness', () => {
  it('tells the steps to a wanted state, and taking them again leads there', () => {
    const witness = findWitness(test, limits, (state) =>
      satisfies(test.condition.proposition, state, observation.types),
    );
    expect(witness && stateText(observation, witness.state)).toBe('1:X6=1; 1:X7=1;');
    expect(
      witness?.steps.map(({ thread, instruction, what }) => `P${thread} ${instruction}: ${what}`),
    ).toEqual([
      'P0 STR X1,[X2]: writes (oa:PA(x), valid:0) to [PTE(x)] for all to see',
      'P0 STR W4,[X5]: writes 1 to y for all to see',
      'P1 LDR W6,[X5]: reads 1 from y',
      'P1 LDR W7,[X3]: translates x by (oa:PA(x)) from its TLB',
      'P1 LDR W7,[X3]: reads 1 from x',
    ]);
  });

  it('is not found for a state that cannot be reached', () => {
    const isWanted = () => false;
    expect(findWitness(test, limits, isWanted)).toBeUndefined();
    const stale = findWitness(
      test,
      limits,
      (state) => satisfies(test.condition.proposition, state, observation.types),
      sequentialLitmus,
    );
    expect(stale).toBeUndefined();
  });
});
