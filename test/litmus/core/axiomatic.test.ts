import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseLitmus } from '../../../src/litmus/parse-litmus.ts';
import { allowedStates, type Kind, type Line, locations, valueAt } from './axiomatic.ts';
import { explored } from './states.ts';

const BASES = ['X1', 'X3'];

interface Choice {
  readonly kind: Kind;
  readonly location: number;
  readonly order: number;
  readonly depends: number;
  readonly isData: boolean;
}

/** Makes dependencies on loads that are there, and orders that instructions have. */
function lineOf(choice: Choice, before: readonly Line[]): Line {
  const loads = before.flatMap(({ kind }, line) => (kind === 'load' || kind === 'swap' ? [line] : []));
  const isBranch = choice.kind === 'branch';
  const wanted = isBranch || choice.depends < 2 ? loads : [];
  const on = wanted.length === 0 ? -1 : wanted[choice.depends % wanted.length];
  const isWrite = choice.kind === 'store' || choice.kind === 'swap';
  const isData = choice.isData && isWrite;
  const isLoad = choice.kind === 'load';
  return {
    kind: isBranch && on < 0 ? 'isb' : choice.kind,
    location: choice.location,
    isAcquire: choice.order === 1 && (isLoad || choice.kind === 'swap'),
    isWeakAcquire: choice.order === 2 && isLoad && on < 0,
    isRelease: isWrite && choice.order >= (choice.kind === 'swap' ? 1 : 2),
    address: isData ? -1 : on,
    data: isData ? on : -1,
  };
}

const choice: fc.Arbitrary<Choice> = fc.record({
  kind: fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom<Kind>('load', 'store') },
    { weight: 1, arbitrary: fc.constantFrom<Kind>('swap', 'branch', 'full', 'loads', 'stores', 'isb') },
  ),
  location: fc.nat(locations - 1),
  order: fc.nat(5),
  depends: fc.nat(5),
  isData: fc.boolean(),
});

const thread = fc.array(choice, { minLength: 1, maxLength: 5 }).map((choices) => {
  const lines: Line[] = [];
  for (const next of choices) lines.push(lineOf(next, lines));
  return lines;
});

const isAccess = ({ kind }: Line) => kind === 'load' || kind === 'store' || kind === 'swap';
const program = fc
  .array(thread, { minLength: 1, maxLength: 3 })
  .filter((threads) => threads.flat().filter(isAccess).length <= 7)
  .filter(
    (threads) =>
      threads
        .flat()
        .filter(({ kind }) => kind !== 'load')
        .filter(isAccess).length <= 5,
  );

function instructions(line: Line, thread: number, index: number): string[] {
  const base = BASES[line.location];
  const zero = `W${20 + index}`;
  const on = line.data >= 0 ? line.data : line.address;
  const dependency = on < 0 ? [] : [`EOR ${zero},W${10 + on},W${10 + on}`];
  const label = `L${thread}x${index}`;
  const address = line.address < 0 ? `[${base}]` : `[X${25}]`;
  const moved = line.address < 0 ? [] : [`ADD X25,${base},X${20 + index}`];
  const value = `#${valueAt(thread, index)}`;
  const data = line.data >= 0 ? [`ADD W26,${zero},${value}`] : [`MOV W26,${value}`];
  switch (line.kind) {
    case 'load': {
      const name = line.isAcquire ? 'LDAR' : line.isWeakAcquire ? 'LDAPR' : 'LDR';
      return [...dependency, ...moved, `${name} W${10 + index},${address}`];
    }
    case 'store':
      return [...dependency, ...moved, ...data, `${line.isRelease ? 'STLR' : 'STR'} W26,${address}`];
    case 'swap': {
      const name = `SWP${line.isAcquire ? 'A' : ''}${line.isRelease ? 'L' : ''}`;
      return [...dependency, ...moved, ...data, `${name} W26,W${10 + index},${address}`];
    }
    case 'branch':
      return [`CBNZ W${10 + line.address},${label}`, `${label}: NOP`];
    case 'isb':
      return ['ISB'];
    default:
      return [`DMB ${{ full: 'SY', loads: 'LD', stores: 'ST' }[line.kind]}`];
  }
}

function textOf(threads: readonly (readonly Line[])[]): string {
  const code = threads.map((lines, thread) =>
    lines.flatMap((line, index) => instructions(line, thread, index)),
  );
  const rows = Array.from({ length: Math.max(...code.map(({ length }) => length)) }, (_, row) =>
    code.map((column) => column[row] ?? '').join(' | '),
  );
  const registers = threads.map((_, thread) => `${thread}:X1=x; ${thread}:X3=y;`).join(' ');
  const loads = threads.flatMap((lines, thread) =>
    lines.flatMap(({ kind }, index) =>
      kind === 'load' || kind === 'swap' ? [`${thread}:X${10 + index};`] : [],
    ),
  );
  const names = threads.map((_, thread) => `P${thread}`).join(' | ');
  return `AArch64 random\n{ x=0; y=0; ${registers} }\n${names} ;\n${rows.join(' ;\n')} ;\nlocations [${loads.join(' ')} x; y;]\nforall (true)\n`;
}

/** What the machine ends with, in the same form. */
function reachedStates(text: string): Set<string> {
  const { states, complete } = explored(text);
  expect(complete).toBe(true);
  const cells = parseLitmus(text).locations.flatMap((item) => ('kind' in item ? [item] : []));
  return new Set(
    states.map(({ state }) =>
      cells
        .map((cell) => {
          const value = state.read(cell);
          return value.kind === 'number' ? String(value.value) : value.kind;
        })
        .join(),
    ),
  );
}

describe('the machine and the axioms', () => {
  it('allow the same final states of random programs', () => {
    fc.assert(
      fc.property(program, (threads) => {
        const text = textOf(threads);
        expect([...reachedStates(text)].sort(), text).toEqual([...allowedStates(threads)].sort());
      }),
      { numRuns: Number(process.env.LITMUS_RUNS ?? 150), seed: Number(process.env.LITMUS_SEED ?? 1) },
    );
  }, 120_000);
});
