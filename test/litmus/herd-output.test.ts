import { describe, expect, it } from 'vitest';
import type { Fault, FinalState } from '../../src/litmus/engine.ts';
import { observationOf, stateText } from '../../src/litmus/final-state.ts';
import { logText } from '../../src/litmus/herd-output.ts';
import { outcomeOf } from '../../src/litmus/outcome.ts';
import { compareOutcome, References } from '../../src/litmus/outcomes.ts';
import { parseLitmus } from '../../src/litmus/parse-litmus.ts';
import { testHash } from '../../src/litmus/test-hash.ts';
import { cannedResult } from './canned-states.ts';

const MP = `AArch64 MP
{ 0:X1=x; 0:X3=y; 1:X1=y; 1:X3=x; }
 P0          | P1          ;
 MOV W0,#1   | LDR W0,[X1] ;
 STR W0,[X1] | LDR W2,[X3] ;
 STR W0,[X3] |             ;
`;
const MP_STATES = ['1:X0=0; 1:X2=0;', '1:X0=1; 1:X2=1;', '1:X0=1; 1:X2=0;'];

function outcome(ending: string, { flags = [] as string[], states = MP_STATES } = {}) {
  const test = parseLitmus(MP + ending);
  return outcomeOf(test, cannedResult(test, states, flags), 0.251);
}

describe('a log', () => {
  it('has what herd7 prints, states with their counts and marks', () => {
    const { test } = outcome('exists (1:X0=1 /\\ 1:X2=0)');
    const { states } = cannedResult(test, [...MP_STATES, MP_STATES[1]]);
    const result = { states, flags: ['b', 'a', 'b'], explored: 9, complete: true };
    expect(logText(outcomeOf(test, result, 0.251))).toBe(
      [
        'Test MP Allowed',
        'States 3',
        '1     :>1:X0=0; 1:X2=0;',
        '1     *>1:X0=1; 1:X2=0;',
        '2     :>1:X0=1; 1:X2=1;',
        'Ok',
        'Witnesses',
        'Positive: 1 Negative: 3',
        'Flag a',
        'Flag b',
        'Condition exists (1:X0=1 /\\ 1:X2=0)',
        'Observation MP Sometimes 1 3',
        'Time MP 0.25',
        `Hash=${testHash(test)}`,
        '',
      ].join('\n'),
    );
  });

  it.each([
    ['exists 1:X2=7', 'Allowed', 'No', 'Positive: 0 Negative: 3', 'Never 0 3'],
    ['~exists 1:X2=7', 'Forbidden', 'Ok', 'Positive: 3 Negative: 0', 'Never 0 3'],
    ['~exists 1:X2=1', 'Forbidden', 'No', 'Positive: 2 Negative: 1', 'Sometimes 1 2'],
    ['forall 1:X0=1 \\/ 1:X2=0', 'Required', 'Ok', 'Positive: 3 Negative: 0', 'Always 3 0'],
    ['forall 1:X0=1', 'Required', 'No', 'Positive: 2 Negative: 1', 'Sometimes 2 1'],
  ])('judges %s', (ending, kind, verdict, witnesses, observation) => {
    const lines = logText(outcome(`locations [1:X0;1:X2;]\n${ending}`)).split('\n');
    expect(lines[0]).toBe(`Test MP ${kind}`);
    expect(lines.slice(5, 8)).toEqual([verdict, 'Witnesses', witnesses]);
    expect(lines).toContain(`Observation MP ${observation}`);
  });

  it('is a histogram if runs were made, and says Loop if a bound ended the search of all', () => {
    const found = { ...outcome('exists 1:X2=0 /\\ 1:X0=0'), complete: false };
    expect(logText(found, true).split('\n')).toEqual(expect.arrayContaining(['Histogram (3 states)', 'Ok']));
  });

  it('leaves out executions that the filter does not want', () => {
    expect(outcome('filter 1:X0=1\nforall 1:X2=0').states.map(({ text }) => text)).toEqual([
      '1:X2=0;',
      '1:X2=1;',
    ]);
  });
});

describe('a final state', () => {
  const printed = (ending: string, values: Record<string, bigint>, faults: Fault[] = [], initial = '') => {
    const test = parseLitmus(`AArch64 T\n{ ${initial} }\n P0 | P1 ;\n NOP | L0: L1: L2: NOP ;\n${ending}`);
    const read: FinalState['read'] = (cell) => {
      const key = cell.kind === 'register' ? `${cell.thread}:${cell.name}` : cell.location;
      const index = cell.kind === 'memory' ? cell.index : 0;
      return { kind: 'number', value: (values[key] ?? 0n) + BigInt(index) };
    };
    return stateText(observationOf(test), { read, faults });
  };

  it('shows cells in the order of herd7, each once', () => {
    expect(printed('locations [y;x;1:X2;1:X10;0:X9;x;] exists 1:X2=0 /\\ [a]=0 /\\ x[1]=1', { x: 0n })).toBe(
      '0:X9=0; 1:X2=0; 1:X10=0; [a]=0; [x]=0; [y]=0; x[1]=1;',
    );
  });

  it('narrows numbers to the declared type, an int where there is none', () => {
    const initial = 'int64_t 0:X1; uint64_t 0:X2; uint32_t x; int8_t y; int t[2];';
    const all = -1n & 0xffff_ffff_ffff_ffffn;
    const values = { '0:X0': all, '0:X1': all, '0:X2': all, x: all, y: 0xffn, t: 4n };
    expect(printed('locations [0:X0;0:X1;0:X2;x;y;t;]', values, [], initial)).toBe(
      '0:X0=-1; 0:X1=-1; 0:X2=18446744073709551615; t={4,5}; [x]=4294967295; [y]=-1;',
    );
  });

  const mmu = (labels: string[], type: string): Fault => ({ thread: 1, labels, location: 'x', type });

  it('shows faults that the test names, ascending, then those that did not happen, descending', () => {
    const ending = 'locations [fault(P0,y);] exists fault(P1:L0,x) \\/ fault(P1:L1,x) \\/ fault(P1:L2,x)';
    expect(printed(ending, {}, [])).toBe('~Fault(P1:L2,x); ~Fault(P1:L1,x); ~Fault(P1:L0,x); ~Fault(P0,y);');
    const faults = [
      mmu(['L2'], 'D-MMU:Translation'),
      mmu(['L9'], 'D-MMU:Translation'),
      mmu(['M', 'L1'], 'D-MMU:Permission'),
    ];
    expect(printed(ending, {}, [...faults, ...faults])).toBe(
      'Fault(P1:{L1,M},x,D-MMU:Permission); Fault(P1:L2,x,D-MMU:Translation); ~Fault(P1:L0,x); ~Fault(P0,y);',
    );
  });

  it('shows the type of a fault as the test names it, and none of another type', () => {
    const ending = 'exists fault(P1:L0,x,MMU:Permission)';
    expect(printed(ending, {}, [mmu(['L0'], 'D-MMU:Permission')])).toBe('Fault(P1:L0,x,MMU:Permission);');
    expect(printed(ending, {}, [mmu(['L0'], 'D-MMU:Translation')])).toBe('~Fault(P1:L0,x,MMU:Permission);');
  });

  it('shows the level of an access from EL0, and a fault without an address', () => {
    const faults: Fault[] = [
      { thread: 0, labels: [], location: 'PTE(x)', type: 'D-MMU:Permission', level: 'EL0' },
      { thread: 1, labels: ['L0'], type: 'UndefinedInstruction' },
    ];
    expect(printed('exists fault(P0,pte_x) /\\ fault(P1:L0,UndefinedInstruction)', {}, faults)).toBe(
      'Fault(P0,PTE(x),D-MMU:Permission,EL0); Fault(P1:L0,UndefinedInstruction);',
    );
  });
});

describe('a reference', () => {
  const line = (fields: object) =>
    JSON.stringify({ file: 'a/MP.litmus', name: 'MP', states: MP_STATES, ...fields });

  it('tells unsound from unreached states, whatever their white space', () => {
    const references = new References(line({ states: ['1:X0=0;   1:X2=0; ', '1:X0=9; 1:X2=9;'] }), 'r');
    const comparison = compareOutcome(outcome('exists 1:X0=1 /\\ 1:X2=0'), references.all[0]);
    expect(comparison).toEqual({
      unsound: ['1:X0=1; 1:X2=0;', '1:X0=1; 1:X2=1;'],
      unreached: ['1:X0=9; 1:X2=9;'],
      allowed: 2,
      sameFlags: undefined,
    });
  });

  it('has nothing to say where the model did not finish, and about flags only if it has some', () => {
    const [without, flagged] = new References(`${line({ states: null })}\n${line({ flags: ['a'] })}`, 'r')
      .all;
    expect(compareOutcome(outcome('forall true'), without)).toBeUndefined();
    const found = outcome('exists 1:X0=1 /\\ 1:X2=0', { flags: ['a'] });
    expect(compareOutcome(found, flagged)).toMatchObject({ sameFlags: true });
  });

  it('is found by the end of a path, or by a name that only one has', () => {
    const text = [line({}), line({ file: 'b/MP.litmus' }), line({ file: 'b/LB.litmus', name: 'LB' })].join(
      '\n',
    );
    const references = new References(text, 'r');
    expect(references.find('/home/b/MP.litmus', 'MP')?.file).toBe('b/MP.litmus');
    expect(references.find('c\\b\\MP.litmus', 'MP')?.file).toBe('b/MP.litmus');
    expect(references.find('MP.litmus', 'MP')).toBeUndefined();
    expect(references.find('other.litmus', 'LB')?.file).toBe('b/LB.litmus');
  });

  it('is refused with the line that is wrong', () => {
    expect(() => new References(`${line({})}\n{`, 'r')).toThrow('r:2:1: not JSON');
    expect(() => new References(`\n${line({ states: 1 })}`, 'r')).toThrow('r:2:1: "states": ');
  });
});
