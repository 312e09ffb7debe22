import { afterAll, describe, expect, it } from 'vitest';
import { ThreadsHost } from '../../../src/hosts/threads.ts';
import { LitmusError } from '../../../src/litmus/litmus-error.ts';
import { stressTest } from '../../../src/litmus/machine/stress.ts';
import { outcomeOf } from '../../../src/litmus/outcome.ts';
import { parseLitmus } from '../../../src/litmus/parse-litmus.ts';

const host = new ThreadsHost();
afterAll(() => host.close());

async function statesOf(text: string, runs: number, threads?: ThreadsHost) {
  const test = parseLitmus(text);
  const { states } = outcomeOf(test, await stressTest(test, text, { runs, seed: 7, threads }), 0);
  expect(states.reduce((sum, { count }) => sum + count, 0)).toBe(runs);
  return states.map((state) => state.text);
}

const storeBuffering = (barrier: string) => `AArch64 SB
{ 0:X1=x; 0:X3=y; 1:X1=y; 1:X3=x; }
 P0          | P1          ;
 MOV W0,#1   | MOV W0,#1   ;
 STR W0,[X1] | STR W0,[X1] ;
 ${barrier.padEnd(11)} | ${barrier.padEnd(11)} ;
 LDR W2,[X3] | LDR W2,[X3] ;
exists (0:X2=0 /\\ 1:X2=0)
`;

const bothOld = '0:X2=0; 1:X2=0;';

/** A table entry is changed, and what may follow it is a TLB invalidate. */
const remap = (invalidate: string) => `AArch64 remap
{ [x]=1; [y]=2; 0:X0=(oa:PA(y)); 0:X1=PTE(x); 0:X4=x; 0:X3=x; }
 P0             ;
 LDR W7,[X3]    ;
 STR X0,[X1]    ;
 DSB ISH        ;
 LSR X9,X4,#12  ;
 ${invalidate.padEnd(14)} ;
 DSB ISH        ;
 ISB            ;
 LDR W2,[X3]    ;
locations [0:X2;]
exists (0:X2=1)
`;

/** New code, with or without what makes it visible to instruction fetches. */
const newCode = (clean: string, invalidate: string) => `AArch64 self
{ 0:X0=instr:"B .+8"; 0:X1=P0:L0; }
 P0             ;
 STR W0,[X1]    ;
 ${clean.padEnd(14)} ;
 DSB ISH        ;
 ${invalidate.padEnd(14)} ;
 DSB ISH        ;
 ISB            ;
 L0: NOP        ;
 MOV W9,#1      ;
 NOP            ;
locations [0:X9;]
exists (0:X9=1)
`;

const afterFault = `AArch64 fault
{ [PTE(x)]=(oa:PA(x), valid:0); 0:X1=x; }
 P0              | P0.F           ;
 L0: LDR W0,[X1] | ADR X9,L1      ;
 MOV W2,#1       | MSR ELR_EL1,X9 ;
 L1:             | MOV W3,#2      ;
                 | ERET           ;
exists (0:X2=0 /\\ 0:X3=2 /\\ fault(P0:L0,x))
`;

describe('a litmus test on the machine', () => {
  it('shows what a store buffer does, and that a barrier undoes it', async () => {
    expect(await statesOf(storeBuffering('NOP'), 400)).toContain(bothOld);
    expect(await statesOf(storeBuffering('DMB SY'), 400)).not.toContain(bothOld);
  });

  it('does so on threads', async () => {
    const states = await statesOf(storeBuffering('DMB SY'), 400, host);
    expect(states.length).toBeGreaterThan(0);
    expect(states).not.toContain(bothOld);
  });

  it('uses old translations until they are invalidated', async () => {
    expect(await statesOf(remap('NOP'), 50)).toContain('0:X2=1;');
    expect(await statesOf(remap('TLBI VAAE1IS,X9'), 50)).toEqual(['0:X2=2;']);
    expect(await statesOf(remap('TLBI VAAE1IS,X9'), 50, host)).toEqual(['0:X2=2;']);
  });

  it('fetches old code until it has been cleaned and invalidated', async () => {
    expect(await statesOf(newCode('DC CVAU,X1', 'IC IVAU,X1'), 60)).toEqual(['0:X9=0;']);
    expect(await statesOf(newCode('DC CVAU,X1', 'NOP'), 60)).toContain('0:X9=1;');
    expect(await statesOf(newCode('NOP', 'IC IVAU,X1'), 60)).toContain('0:X9=1;');
  });

  it('takes faults to their handlers', async () => {
    expect(await statesOf(afterFault, 20)).toEqual(['0:X2=0; 0:X3=2; Fault(P0:L0,x,D-MMU:Translation);']);
  });

  it('counts with exclusive accesses that may fail', async () => {
    const add = ['LDXR W1,[X0]', 'ADD W1,W1,#1', 'STXR W2,W1,[X0]'].map((text) => ` ${text} | ${text} ;`);
    const text = `AArch64 add\n{ 0:X0=x; 1:X0=x; }\n P0 | P1 ;\n${add.join('\n')}\nexists ([x]=2 /\\ 0:X2=1)\nlocations [x; 0:X2; 1:X2;]\n`;
    const reordered = text.replace(/(exists.*\n)(locations.*\n)/, '$2$1');
    const states = await statesOf(reordered, 300);
    // Each that succeeds counts; one of two at least does.
    expect(states.every((state) => /0:X2=0; 1:X2=0; \[x\]=2;|\[x\]=1;/.test(state))).toBe(true);
    expect(states).toContain('0:X2=0; 1:X2=0; [x]=2;');
    expect(states).not.toContain('0:X2=1; 1:X2=1; [x]=0;');
    expect(states.length).toBeGreaterThan(1);
  });

  it('gives the same counts for the same seed', async () => {
    const text = storeBuffering('NOP');
    const test = parseLitmus(text);
    const run = async () =>
      outcomeOf(test, await stressTest(test, text, { runs: 50, seed: 3, threads: undefined }), 0);
    expect(await run()).toEqual(await run());
  });

  it('refuses what the machine does not model', async () => {
    const text = storeBuffering('NOP').replace('AArch64 SB\n', 'AArch64 SB\nTTHM=HA\n');
    const refused = stressTest(parseLitmus(text), text, { runs: 1, seed: 1, threads: undefined });
    await expect(refused).rejects.toThrow(LitmusError);
  });
});
