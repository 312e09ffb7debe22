import { describe, expect, it } from 'vitest';
import { plain, statesOf } from './states.ts';

const store = (register: string) => ['MOV W0,#1', `STR W0,[${register}]`];
const release = (register: string) => ['MOV W0,#1', `STLR W0,[${register}]`];
const load = (to: number, register: string) => `LDR W${to},[${register}]`;

/** All four combinations of two registers, without those that are forbidden. */
function pairs(one: string, other: string, ...forbidden: string[]): string[] {
  const all = ['00', '01', '10', '11'].filter((pair) => !forbidden.includes(pair));
  return all.map((pair) => `${one}=${pair[0]}; ${other}=${pair[1]};`);
}

const mp = (writer: string[], reader: string[]) => plain([writer, reader], 'exists (1:X5=1 /\\ 1:X6=0)');
const sb = (between: string[]) =>
  plain(
    [
      [...store('X1'), ...between, load(5, 'X3')],
      [...store('X3'), ...between, load(5, 'X1')],
    ],
    'exists (0:X5=0 /\\ 1:X5=0)',
  );
const lb = (between: string[], last: string[] = []) =>
  plain(
    [
      [load(5, 'X1'), ...between, ...store('X3')],
      [load(5, 'X3'), ...(last.length > 0 ? last : [...between, ...store('X1')])],
    ],
    'exists (0:X5=1 /\\ 1:X5=1)',
  );

describe('message passing', () => {
  const all = pairs('1:X5', '1:X6');
  const ordered = pairs('1:X5', '1:X6', '10');
  const loads = [load(5, 'X3'), load(6, 'X1')];
  const dependent = [load(5, 'X3'), 'EOR W7,W5,W5', 'LDR W6,[X1,W7,SXTW]'];
  const writes = (between: string[]) => [...store('X1'), ...between, ...store('X3')];

  it('is not ordered by itself, nor by half of the barriers', () => {
    expect(statesOf(mp(writes([]), loads))).toEqual(all);
    expect(statesOf(mp(writes(['DMB SY']), loads))).toEqual(all);
    expect(statesOf(mp(writes([]), [loads[0], 'DMB SY', loads[1]]))).toEqual(all);
    expect(statesOf(mp(writes(['DMB LD']), [loads[0], 'DMB LD', loads[1]]))).toEqual(all);
    expect(statesOf(mp(writes(['DMB ST']), [loads[0], 'DMB ST', loads[1]]))).toEqual(all);
  });

  it('is ordered by barriers, by release and acquire, by an address', () => {
    expect(statesOf(mp(writes(['DMB ST']), [loads[0], 'DMB LD', loads[1]]))).toEqual(ordered);
    const released = [...store('X1'), ...release('X3')];
    expect(statesOf(mp(released, ['LDAR W5,[X3]', loads[1]]))).toEqual(ordered);
    expect(statesOf(mp(released, ['LDAPR W5,[X3]', loads[1]]))).toEqual(ordered);
    expect(statesOf(mp(writes(['DMB SY']), dependent))).toEqual(ordered);
  });

  it('is ordered by a branch only with an ISB', () => {
    const branch = [load(5, 'X3'), 'CBNZ W5,on', 'on:', load(6, 'X1')];
    expect(statesOf(mp(writes(['DMB SY']), branch))).toEqual(all);
    const synchronized = [load(5, 'X3'), 'CBNZ W5,on', 'on:', 'ISB', load(6, 'X1')];
    expect(statesOf(mp(writes(['DMB SY']), synchronized))).toEqual(ordered);
  });
});

describe('store buffering', () => {
  it('needs full barriers', () => {
    expect(statesOf(sb([]))).toEqual(pairs('0:X5', '1:X5'));
    expect(statesOf(sb(['DMB ST']))).toEqual(pairs('0:X5', '1:X5'));
    expect(statesOf(sb(['DMB LD']))).toEqual(pairs('0:X5', '1:X5'));
    expect(statesOf(sb(['DMB ISH']))).toEqual(pairs('0:X5', '1:X5', '00'));
  });

  it('is forbidden between a release and an acquire, and allowed with LDAPR', () => {
    const test = (acquire: string) =>
      plain(
        [
          [...release('X1'), `${acquire} W5,[X3]`],
          [...release('X3'), `${acquire} W5,[X1]`],
        ],
        'exists (0:X5=0 /\\ 1:X5=0)',
      );
    expect(statesOf(test('LDAR'))).toEqual(pairs('0:X5', '1:X5', '00'));
    expect(statesOf(test('LDAPR'))).toEqual(pairs('0:X5', '1:X5'));
  });
});

describe('load buffering', () => {
  it('is allowed without dependencies and forbidden with them', () => {
    expect(statesOf(lb([]))).toEqual(pairs('0:X5', '1:X5'));
    expect(statesOf(lb(['DMB LD']))).toEqual(pairs('0:X5', '1:X5', '11'));
    expect(statesOf(lb(['CBNZ W5,on', 'on:']))).toEqual(pairs('0:X5', '1:X5', '11'));
    const data = ['EOR W0,W5,W5', 'ADD W0,W0,#1', 'STR W0,[X1]'];
    expect(statesOf(lb(['DMB SY'], data))).toEqual(pairs('0:X5', '1:X5', '11'));
  });
});

describe('coherence', () => {
  it('lets loads of a location not go back', () => {
    const test = plain([store('X1'), [load(5, 'X1'), load(6, 'X1')]], 'exists (1:X5=1 /\\ 1:X6=0)');
    expect(statesOf(test)).toEqual(pairs('1:X5', '1:X6', '10'));
  });

  it('lets a thread read its own stores, the last of them', () => {
    const code = ['MOV W0,#1', 'STR W0,[X1]', 'MOV W0,#2', 'STR W0,[X1]', load(5, 'X1')];
    expect(statesOf(plain([code], 'exists (0:X5=1)'))).toEqual(['0:X5=2;']);
  });

  it('keeps loads in order although the address of the first is known last', () => {
    const late = [load(7, 'X3'), 'EOR W8,W7,W7', 'LDR W5,[X1,W8,SXTW]', load(6, 'X1')];
    expect(statesOf(plain([store('X1'), late], 'exists (1:X5=1 /\\ 1:X6=0)'))).toEqual(
      pairs('1:X5', '1:X6', '10'),
    );
  });
});

describe('2+2W', () => {
  const test = (between: string[]) =>
    plain(
      [
        [...store('X1'), ...between, 'MOV W2,#2', 'STR W2,[X3]'],
        [...store('X3'), ...between, 'MOV W2,#2', 'STR W2,[X1]'],
      ],
      'exists ([x]=1 /\\ [y]=1)',
    );

  it('needs a barrier between the stores', () => {
    const all = ['[x]=1; [y]=1;', '[x]=1; [y]=2;', '[x]=2; [y]=1;', '[x]=2; [y]=2;'];
    expect(statesOf(test([]))).toEqual(all);
    expect(statesOf(test(['DMB ST']))).toEqual(all.slice(1));
  });
});

describe('IRIW', () => {
  const test = (between: string[]) =>
    plain(
      [
        store('X1'),
        store('X3'),
        [load(5, 'X1'), ...between, load(6, 'X3')],
        [load(5, 'X3'), ...between, load(6, 'X1')],
      ],
      'exists (2:X5=1 /\\ 2:X6=0 /\\ 3:X5=1 /\\ 3:X6=0)',
    );
  const disagreeing = '2:X5=1; 2:X6=0; 3:X5=1; 3:X6=0;';

  it('has all sixteen outcomes, and with ordered loads all but the one where readers disagree', () => {
    const free = statesOf(test([]));
    expect(free).toHaveLength(16);
    expect(statesOf(test(['DMB LD']))).toEqual(free.filter((state) => state !== disagreeing));
  });
});

describe('selections', () => {
  const selecting = (used: string) =>
    plain(
      [
        [load(5, 'X1'), 'DMB SY', ...store('X3')],
        [load(5, 'X3'), 'CMP W5,#0', 'MOV W7,#1', 'CSEL W8,W7,W7,EQ', 'MOV W0,#1', `STR ${used},[X1]`],
      ],
      'exists (0:X5=1 /\\ 1:X5=1)',
    );

  it('order the stores that depend on them, and no others', () => {
    expect(statesOf(selecting('W0'))).toEqual(pairs('0:X5', '1:X5'));
    expect(statesOf(selecting('W8'))).toEqual(pairs('0:X5', '1:X5', '11'));
  });

  it('do not order loads', () => {
    const address = ['CMP W5,#0', 'CSEL X8,XZR,XZR,EQ', 'LDR W6,[X1,W8,SXTW]'];
    const writer = [...store('X1'), 'DMB SY', ...store('X3')];
    expect(statesOf(mp(writer, [load(5, 'X3'), ...address]))).toEqual(pairs('1:X5', '1:X6'));
  });
});

describe('atomics', () => {
  it('let nothing come between their read and their write', () => {
    const add = ['MOV W0,#1', 'LDADD W0,W5,[X1]'];
    const test = plain([add, add], 'exists (0:X5=0 /\\ 1:X5=0)', '');
    expect(statesOf(`${test}`.replace('exists', 'locations [x;]\nexists'))).toEqual([
      '0:X5=0; 1:X5=1; [x]=2;',
      '0:X5=1; 1:X5=0; [x]=2;',
    ]);
  });

  it('and exclusive pairs succeed only if nothing did, and may always fail', () => {
    const exclusive = ['MOV W2,#2', 'LDXR W5,[X1]', 'STXR W6,W2,[X1]'];
    const test = plain([store('X1'), exclusive], 'exists ([x]=2 /\\ 1:X5=0 /\\ 1:X6=0)');
    expect(statesOf(test)).toEqual([
      '1:X5=0; 1:X6=0; [x]=1;',
      '1:X5=0; 1:X6=1; [x]=1;',
      '1:X5=1; 1:X6=0; [x]=2;',
      '1:X5=1; 1:X6=1; [x]=1;',
    ]);
  });
});
