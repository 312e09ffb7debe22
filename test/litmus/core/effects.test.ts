import { describe, expect, it } from 'vitest';
import { type LitmusProfile, neoverseLitmus, sequentialLitmus } from '../../../src/litmus/core/profile.ts';
import { explored, plain, statesOf } from './states.ts';

/** States that all effects together reach and all but one do not. */
function lost(text: string, effect: keyof LitmusProfile): string[] {
  const without = new Set(statesOf(text, { ...neoverseLitmus, [effect]: false }));
  const all = statesOf(text);
  expect(all).toEqual(expect.arrayContaining([...without]));
  return all.filter((state) => !without.has(state));
}

const storeBuffering = plain(
  [
    ['MOV W0,#1', 'STR W0,[X1]', 'LDR W5,[X3]'],
    ['MOV W0,#1', 'STR W0,[X3]', 'LDR W5,[X1]'],
  ],
  'exists (0:X5=0 /\\ 1:X5=0)',
);

const orderedWrites = ['MOV W0,#1', 'STR W0,[X1]', 'DMB ST', 'STR W0,[X3]'];

const messagePassing = plain([orderedWrites, ['LDR W5,[X3]', 'LDR W6,[X1]']], 'exists (1:X5=1 /\\ 1:X6=0)');

/** A load reads from a store that only a branch which is not decided holds back. */
const forwarding = plain(
  [
    orderedWrites,
    ['LDR W5,[X3]', 'CBZ W5,end', 'MOV W0,#1', 'STR W0,[X9]', 'LDAR W7,[X9]', 'LDR W6,[X1]', 'end:'],
  ],
  'exists (1:X5=1 /\\ 1:X7=1 /\\ 1:X6=0)',
  '1:X9=z; 1:X6=7;',
);

/** Nothing invalidates the valid entry that the store replaces. */
const unmapped = `AArch64 unmapped
{ int x=1; 0:X2=PTE(x); 0:X1=(oa:PA(x),valid:0); 0:X3=x; }
P0 ;
STR X1,[X2] ;
DSB ISH ;
ISB ;
L0: LDR W4,[X3] ;
exists (fault(P0:L0,x))
`;

/** The other way round: an invalid entry is in no TLB, but it may have been walked before the DSB. */
const mapped = `AArch64 mapped
{ int x=1; PTE(x)=(valid:0); 0:X2=PTE(x); 0:X1=(oa:PA(x)); 0:X3=x; }
P0 ;
STR X1,[X2] ;
DSB ISH ;
L0: LDR W4,[X3] ;
exists (fault(P0:L0,x))
`;

/** Nothing waits for the TLBI of P0, so P1 may use the old entry after the flag is set. */
const unfinishedShoot = `AArch64 unfinishedShoot
{ int x=1; 0:X2=PTE(x); 0:X1=(oa:PA(x),valid:0); 0:X3=x; 0:X5=y; 1:X3=x; 1:X5=y; }
P0              | P1          ;
STR X1,[X2]     | LDR W6,[X5] ;
DSB ISH         | DSB ISH     ;
LSR X9,X3,#12   | ISB         ;
TLBI VAAE1IS,X9 | L0:         ;
MOV W4,#1       | LDR W7,[X3] ;
DMB SY          |             ;
STR W4,[X5]     |             ;
exists (1:X6=1 /\\ ~fault(P1:L0,x))
`;

/** Code that changes, without and with the context synchronization that makes the change certain. */
const modified = (isSynchronized: boolean) => `AArch64 modified
{ 0:X0=NOP; 0:X1=P0:L0; }
P0 ;
STR W0,[X1] ;
DC CVAU,X1 ;
DSB ISH ;
IC IVAU,X1 ;
DSB ISH ;
${isSynchronized ? 'ISB' : 'NOP'} ;
L0: B L1 ;
MOV W9,#1 ;
L1: ;
exists (0:X9=0)
`;
const cached = `AArch64 cached
{ 0:X0=NOP; 0:X1=P0:L0; }
P0 ;
STR W0,[X1] ;
DSB ISH ;
ISB ;
L0: B L1 ;
MOV W9,#1 ;
L1: ;
exists (0:X9=0)
`;

describe('an effect that is switched off takes its states with it, and only those', () => {
  it.each<[keyof LitmusProfile, string, string[]]>([
    ['storeBuffering', storeBuffering, ['0:X5=0; 1:X5=0;']],
    ['loadReordering', messagePassing, ['1:X5=1; 1:X6=0;']],
    ['writeForwarding', forwarding, ['1:X5=1; 1:X6=0; 1:X7=1;']],
    ['cachedTranslations', unmapped, ['~Fault(P0:L0,x);']],
    ['speculativeWalks', mapped, ['Fault(P0:L0,x,D-MMU:Translation);']],
    ['delayedInvalidates', unfinishedShoot, ['1:X6=1; ~Fault(P1:L0,x);']],
    ['lazyContext', modified(false), ['0:X9=0;']],
    ['prefetch', modified(false), ['0:X9=0;']],
    ['instructionCaches', cached, ['0:X9=0;']],
  ])('%s', (effect, test, states) => {
    expect(lost(test, effect)).toEqual(states);
  });

  it('keeps what needs no effect', () => {
    expect(lost(messagePassing, 'instructionCaches')).toEqual([]);
    expect(lost(storeBuffering, 'cachedTranslations')).toEqual([]);
    expect(statesOf(modified(true))).toEqual(['0:X9=1;']);
  });
});

describe('the sequential profile', () => {
  it('has the sequentially consistent states and no others', () => {
    expect(statesOf(storeBuffering, sequentialLitmus)).toEqual([
      '0:X5=0; 1:X5=1;',
      '0:X5=1; 1:X5=0;',
      '0:X5=1; 1:X5=1;',
    ]);
    expect(statesOf(messagePassing, sequentialLitmus)).not.toContain('1:X5=1; 1:X6=0;');
    expect(statesOf(unmapped, sequentialLitmus)).toEqual(['Fault(P0:L0,x,D-MMU:Translation);']);
    expect(statesOf(mapped, sequentialLitmus)).toEqual(['~Fault(P0:L0,x);']);
    expect(statesOf(cached, sequentialLitmus)).toEqual(['0:X9=1;']);
  });
});

/** An entry is invalidated on all CPUs before the flag is set. */
const shoot = unfinishedShoot.replace('DMB SY ', 'DSB ISH');

describe('a canary: a DSB that does not wait for TLBIs', () => {
  const broken: LitmusProfile = { ...neoverseLitmus, dsbIgnoresInvalidates: true };

  it('is caught', () => {
    const stale = '1:X6=1; ~Fault(P1:L0,x);';
    // Without the ISB the load may be translated early, which the DSB then has to wait for.
    const early = shoot.replace('ISB ', 'NOP ').replace('DSB ISH     ;', 'DMB LD      ;');
    expect(statesOf(early)).not.toContain(stale);
    expect(statesOf(early, broken)).toContain(stale);
  });
});

describe('misuse', () => {
  const remap = (between: string[]) => `AArch64 remap
{ int x; int y=1; 0:X2=PTE(x); 0:X0=(oa:PA(x),valid:0); 0:X1=(oa:PA(y)); 0:X3=x; }
P0 ;
LSR X9,X3,#12 ;
${between.map((line) => `${line} ;`).join('\n')}
STR X1,[X2] ;
exists (x=0)
`;
  const invalidate = ['DSB ISH', 'TLBI VAAE1IS,X9', 'DSB ISH'];

  it('is a page that moves without break before make', () => {
    const flag = ['Warning-BBM-expected'];
    expect(explored(remap([])).flags).toEqual(flag);
    expect(explored(remap(invalidate)).flags).toEqual(flag);
    expect(explored(remap(['STR X0,[X2]', 'DSB ISH'])).flags).toEqual(flag);
    expect(explored(remap(['STR X0,[X2]', 'TLBI VAAE1IS,X9', 'DSB ISH'])).flags).toEqual(flag);
    expect(explored(remap(['STR X0,[X2]', ...invalidate])).flags).toEqual([]);
  });

  it('is an instruction that changes while it may be fetched and is no branch or NOP', () => {
    const test = (target: string) => `AArch64 change
{ 0:X0=NOP; 0:X1=P1:L0; }
P0          | P1          ;
STR W0,[X1] | L0: ${target} ;
            | L1:         ;
exists (1:X2=0)
`;
    expect(explored(test('ADD W2,W2,#1')).flags).toEqual(['violates-CMODX-requirements']);
    expect(explored(test('B L1')).flags).toEqual([]);
  });
});
