import { describe, expect, it } from 'vitest';
import { LitmusError } from '../../src/litmus/litmus-error.ts';
import { conditionText } from '../../src/litmus/notation.ts';
import { parseLitmus } from '../../src/litmus/parse-litmus.ts';

const PLACE = { line: expect.any(Number), column: expect.any(Number) };

/** A test of one thread around an initial state, some code and an ending. */
function around({ initial = '', code = 'L0: Page0: NOP ;', ending = 'forall true', header = '' }): string {
  return `AArch64 T\n${header}{ ${initial} }\n P0 ;\n${code}\n${ending}\n`;
}

function initialOf(initial: string) {
  return parseLitmus(around({ initial })).initial.map(({ place, ...item }) => item);
}

function codeOf(code: string) {
  return parseLitmus(around({ code })).threads[0].code;
}

function conditionOf(ending: string): string {
  return conditionText(parseLitmus(around({ ending })).condition);
}

/** `line:column: message` of the mistake. */
function mistake(text: string): string {
  try {
    parseLitmus(text);
  } catch (error) {
    if (error instanceof LitmusError) return error.in('t');
    throw error;
  }
  return expect.fail('no mistake was found');
}

describe('a header', () => {
  it('gives architecture, name and settings, and passes over a description in quotes', () => {
    const test = parseLitmus(
      'X86_64 SB\n"PodWR Fre {"\nCom=Fr Fr // x\nOrig=a=b\n\n{}\nP0 ;\n movl $1,(x) ;\nexists (x=1)',
    );
    expect(test).toMatchObject({
      architecture: 'x86-64',
      name: 'SB',
      headers: { Com: 'Fr Fr // x', Orig: 'a=b' },
    });
  });
});

describe('an initial state', () => {
  it('has registers of a thread, with and without a type', () => {
    expect(initialOf('0:X1=x; int64_t 0:W2; 0:x3=-1; uint64_t 0:X4=0x10')).toEqual([
      { cell: { kind: 'register', thread: 0, name: 'X1' }, value: { kind: 'address', location: 'x' } },
      {
        cell: { kind: 'register', thread: 0, name: 'X2' },
        value: { kind: 'number', value: 0n },
        type: 'int64_t',
        bytes: 8,
      },
      { cell: { kind: 'register', thread: 0, name: 'X3' }, value: { kind: 'number', value: -1n } },
      {
        cell: { kind: 'register', thread: 0, name: 'X4' },
        value: { kind: 'number', value: 16n },
        type: 'uint64_t',
        bytes: 8,
      },
    ]);
  });

  it.each([
    '[PTE(x)]=(oa:PA(y), valid:0, db:1)',
    'pte_x=(oa:phy_y,valid :0,db:1)',
    'TTD(x)=(oa:PA(y),valid:0,db:1)',
  ])('has table entries in every spelling: %s', (text) => {
    expect(initialOf(text)).toEqual([
      {
        cell: { kind: 'entry', location: 'x' },
        value: { kind: 'entry', fields: { oa: 'y', valid: 0, db: 1, others: [] } },
      },
    ]);
  });

  it('keeps fields of an entry that it does not know, and entries of code pages', () => {
    expect(initialOf('TTD(P0:Page0)=(oa:PA(P0:Page0),x:0,Shared)')).toEqual([
      {
        cell: { kind: 'entry', location: 'P0:Page0' },
        value: { kind: 'entry', fields: { oa: 'P0:Page0', others: ['x:0', 'Shared'] } },
      },
    ]);
  });

  it.each([
    ['P0:L0', { kind: 'label', thread: 0, label: 'L0' }],
    ['0:L0', { kind: 'label', thread: 0, label: 'L0' }],
    ['label:"P0:L0"', { kind: 'label', thread: 0, label: 'L0' }],
    ['NOP', { kind: 'instruction', text: 'NOP' }],
    ['instr:"b .+4"', { kind: 'instruction', text: 'B .+4' }],
    ['instr:"mov w6, w4"', { kind: 'instruction', text: 'MOV W6,W4' }],
    ['PTE(x)', { kind: 'entry-address', location: 'x' }],
    ['pte_x', { kind: 'entry-address', location: 'x' }],
    ['phy_x', { kind: 'physical', location: 'x' }],
    ['x:red', { kind: 'address', location: 'x', tag: 'red' }],
    ['&x', { kind: 'address', location: 'x' }],
  ])('has values of other kinds: %s', (text, value) => {
    expect(initialOf(`0:X0=${text}`)[0].value).toEqual(value);
  });

  it('has locations, pointers and arrays', () => {
    expect(initialOf('x; int y=1; int *p=&z; void *0:X1; [z]=2; int t[2]={1,2}; int u[2];')).toEqual([
      { cell: { kind: 'memory', location: 'x', index: 0 }, value: { kind: 'number', value: 0n } },
      {
        cell: { kind: 'memory', location: 'y', index: 0 },
        value: { kind: 'number', value: 1n },
        type: 'int',
        bytes: 4,
      },
      {
        cell: { kind: 'memory', location: 'p', index: 0 },
        value: { kind: 'address', location: 'z' },
        type: 'int *',
        bytes: 8,
      },
      expect.objectContaining({
        cell: { kind: 'register', thread: 0, name: 'X1' },
        type: 'void *',
        bytes: 8,
      }),
      { cell: { kind: 'memory', location: 'z', index: 0 }, value: { kind: 'number', value: 2n } },
      expect.objectContaining({
        elements: [
          { kind: 'number', value: 1n },
          { kind: 'number', value: 2n },
        ],
      }),
      expect.objectContaining({
        elements: [
          { kind: 'number', value: 0n },
          { kind: 'number', value: 0n },
        ],
      }),
    ]);
  });
});

describe('code', () => {
  it('has columns, labels alone, before instructions and after the last, and fault handlers', () => {
    const { threads } = parseLitmus(
      'AArch64 T\n{}\n P0 | P1 | P1.F ;\nL0: | M: N: NOP | ERET ;\n NOP | END: | ;\nforall true',
    );
    expect(threads).toMatchObject([
      { index: 0, code: [{ mnemonic: 'NOP', labels: ['L0'] }] },
      {
        index: 1,
        code: [
          { mnemonic: 'NOP', labels: ['M', 'N'], place: { line: 4, column: 13 } },
          { mnemonic: '', labels: ['END'] },
        ],
        handler: [{ mnemonic: 'ERET', labels: [] }],
      },
    ]);
    expect(threads[0]).not.toHaveProperty('handler');
  });

  it.each([
    ['ldr w0, [X1, #4]', 'LDR W0,[X1,#4]', ['W0', { kind: 'memory', base: 'X1', offset: 4n }]],
    [
      'STR W0,[X1],#8',
      'STR W0,[X1],#8',
      ['W0', { kind: 'memory', base: 'X1', offset: 8n, writeback: 'post' }],
    ],
    [
      'STR W0,[X1,#-8]!',
      'STR W0,[X1,#-8]!',
      ['W0', { kind: 'memory', base: 'X1', offset: -8n, writeback: 'pre' }],
    ],
    [
      'LDR W0,[X1,W2,sxtw]',
      'LDR W0,[X1,W2,sxtw]',
      ['W0', { kind: 'memory', base: 'X1', index: 'W2', offset: 0n, extend: 'SXTW' }],
    ],
    ['MOV W0,2', 'MOV W0,#2', ['W0', { kind: 'immediate', value: 2n }]],
    ['CBNZ W0,L1', 'CBNZ W0,L1', ['W0', { kind: 'label', name: 'L1' }]],
    ['B .+8', 'B .+8', [{ kind: 'relative', bytes: 8 }]],
    ['B.EQ over', 'B.EQ over', [{ kind: 'label', name: 'over' }]],
    ['DSB ISH', 'DSB ISH', [{ kind: 'word', text: 'ISH' }]],
    ['TLBI VAAE1IS, X9', 'TLBI VAAE1IS,X9', [{ kind: 'word', text: 'VAAE1IS' }, 'X9']],
    ['MSR ELR_EL1,X9', 'MSR ELR_EL1,X9', [{ kind: 'word', text: 'ELR_EL1' }, 'X9']],
    ['CSEL W0,WZR,W1,NE', 'CSEL W0,WZR,W1,NE', ['W0', 'WZR', 'W1', { kind: 'word', text: 'NE' }]],
  ])('has A64 operands: %s', (code, text, operands) => {
    const all = operands.map((operand) =>
      typeof operand === 'string' ? { kind: 'register', name: operand } : operand,
    );
    expect(codeOf(`${code} ;\n L1: over: ;`).slice(0, 1)).toEqual([
      { mnemonic: text.split(' ')[0], operands: all, labels: [], text, place: PLACE },
    ]);
  });

  it('has x86-64 operands in AT&T order', () => {
    const { threads } = parseLitmus(
      'X86_64 T\n{}\nP0 ;\n movl $1,(x) ;\n movl (y),%EAX ;\n mfence ;\n movq 8(%rdi,%rcx,4),%rax ;\n jne L0 ;\n L0: ;\nforall true',
    );
    expect(threads[0].code.slice(0, -1).map(({ mnemonic, operands }) => [mnemonic, ...operands])).toEqual([
      ['MOVL', { kind: 'immediate', value: 1n }, { kind: 'location', name: 'x' }],
      ['MOVL', { kind: 'location', name: 'y' }, { kind: 'register', name: 'eax' }],
      ['MFENCE'],
      [
        'MOVQ',
        { kind: 'memory', base: 'rdi', index: 'rcx', offset: 8n, extend: '4' },
        { kind: 'register', name: 'rax' },
      ],
      ['JNE', { kind: 'label', name: 'L0' }],
    ]);
  });
});

describe('an ending', () => {
  it.each([
    ['exists 0:X0=1 /\\ x=2 \\/ ~(y=3)', 'exists (0:X0=1 /\\ [x]=2 \\/ not ([y]=3))'],
    ['exists (P0:W0=1)', 'exists (0:X0=1)'],
    ['~ exists x!=1', '~exists (not ([x]=1))'],
    ['not exists x<>1', '~exists (not ([x]=1))'],
    ['forall x=1 => y=1 => false;', 'forall ([x]=1 => [y]=1 => false)'],
    ['exists pte_x=(valid:0,oa:phy_y)', 'exists ([PTE(x)]=(oa:PA(y), valid:0))'],
    ['exists [PTE(x)]=(af:0)', 'exists ([PTE(x)]=(oa:PA(x), af:0))'],
    ['exists Fault(P0:L0,x) /\\ fault(P0)', 'exists (fault(P0:L0,x) /\\ fault(P0))'],
    ['exists fault(P0,x,MMU:Translation)', 'exists (fault(P0,x,MMU:Translation))'],
    ['exists fault(P0:L0,UndefinedInstruction)', 'exists (fault(P0:L0,UndefinedInstruction))'],
    ['forall fault(P0:Page0,I-MMU:AccessFlag)', 'forall (fault(P0:Page0,I-MMU:AccessFlag))'],
    ['exists fault(P0,pte_x)', 'exists (fault(P0,PTE(x)))'],
    ['exists 0:X1=label:"P0:L0" /\\ 0:X2=instr:"NOP"', 'exists (0:X1=label:"P0:L0" /\\ 0:X2=NOP)'],
    ['exists t={1,2} /\\ t[0]=1', 'exists (t[0]=1 /\\ t[1]=2 /\\ t[0]=1)'],
    ['exists 0:X0=0:X1', 'exists (0:X0=0:X1)'],
    ['(x=1)', 'exists ([x]=1)'],
    ['', 'forall (true)'],
  ])('reads %s', (text, canonical) => {
    expect(conditionOf(text)).toBe(canonical);
  });

  it('lists locations and faults, and filters', () => {
    const test = parseLitmus(
      around({ ending: 'locations [x; 0:X1; pte_x; Fault(P0,x)];\nfilter x=1\nexists true' }),
    );
    expect(test.locations).toEqual([
      { kind: 'memory', location: 'x', index: 0 },
      { kind: 'register', thread: 0, name: 'X1' },
      { kind: 'entry', location: 'x' },
      { thread: 0, location: 'x' },
    ]);
    expect(test.filter).toMatchObject({ kind: 'equals' });
  });
});

describe('comments', () => {
  it('stand anywhere, nest, and do not move places', () => {
    const test = parseLitmus(
      '(* a (* b *) \n c *) AArch64 T (* d *)\n{ (* ; *) }\nP0 ; // P1\n (* x *) NOP ;\n// e\nforall true',
    );
    expect(test.threads[0].code[0].place).toEqual({ line: 5, column: 10 });
  });
});

describe('mistakes', () => {
  it.each([
    ['nothing', '', 't:1:1: the first line names'],
    ['an unknown architecture', 'PPC T\n{}', "t:1:1: architecture 'PPC' is unknown"],
    ['no initial state', 'AArch64 T\nP0 ;\n', 't:1:1: the test has no initial state'],
    [
      'an open initial state',
      'AArch64 T\n{ x=1;\n',
      "t:2:1: the initial state is not closed: end it with '}'",
    ],
    ['an open comment', 'AArch64 T\n{}\n (* P0 ;', 't:3:2: a comment is opened and never closed'],
    [
      'two items without a semicolon',
      around({ initial: 'x=1 y=2' }),
      "t:2:7: ';' was expected after an item",
    ],
    ['a character', around({ initial: 'x=1; ?' }), "t:2:8: '?' has no meaning here"],
    [
      'a field that is no bit',
      around({ initial: 'pte_x=(valid:2)' }),
      "t:2:17: 'valid' takes 0 or 1, not '2'",
    ],
    [
      'elements that do not fit',
      around({ initial: 'int t[2]={1}' }),
      "t:2:14: 't' has 2 elements, but 1 values",
    ],
    ['no threads', 'AArch64 T\n{}\nforall true', "t:3:1: a row of threads such as 'P0 | P1 ;' was expected"],
    [
      'a thread without a number',
      'AArch64 T\n{}\n Q0 ;\n',
      "t:3:2: a column is called P0, P1, ... or P0.F, not 'Q0'",
    ],
    ['threads out of order', 'AArch64 T\n{}\n P1 ;\n', 't:3:2: P0 was expected here'],
    ['a handler of nobody', 'AArch64 T\n{}\n P0 | P1.F ;\n', 't:3:7: P1.F handles faults of no thread'],
    [
      'a row of another width',
      around({ code: ' NOP | NOP ;' }),
      't:4:2: this row has 2 columns, the program 1',
    ],
    ['a row without an end', around({ code: ' NOP' }), "t:4:2: this row does not end with ';'"],
    [
      'an operand',
      around({ code: ' LDR W0,[Q] ;' }),
      "t:4:2: the operand '[Q]' of 'LDR W0,[Q]' cannot be read",
    ],
    [
      'a condition',
      around({ ending: 'exists x=' }),
      "t:6:1: a location or a register such as '0:X1' was expected",
    ],
    ['more than a condition', around({ ending: 'exists x=1 y=2' }), "t:5:12: 'y' stands after the condition"],
    [
      'observed',
      around({ ending: 'observed x=1;' }),
      't:5:1: a condition begins with exists, ~exists or forall',
    ],
  ])('are named with their place: %s', (_name, text, expected) => {
    const message = mistake(text);
    expect(message.startsWith(expected), message).toBe(true);
    expect(message).not.toContain('\n');
  });
});
