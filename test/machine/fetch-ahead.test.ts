import { describe, expect, it } from 'vitest';
import type { Cpu, Steps } from '../../src/machine/cpu.ts';
import type { Machine } from '../../src/machine/machine.ts';
import type { PlatformInput } from '../../src/machine/platform.ts';
import { Rewind } from '../../src/machine/rewind.ts';
import {
  complete,
  cpusOf,
  Mapper,
  machineOf,
  type Program,
  runPrograms,
  tiny,
  vectorsWith,
} from '../support/machine.ts';

const VA = 0x40_0000;
const PA = 0x1000;
const RX = 8;

const platform = (fetchAhead: boolean, change: (p: PlatformInput) => void = () => {}) =>
  tiny((p) => {
    p.l1i.fetchAhead = fetchAhead;
    change(p);
  });

/** Two CPUs in one space, of which VA is an executable page. */
function lab(fetchAhead = true, change?: (p: PlatformInput) => void) {
  const machine = machineOf(platform(fetchAhead, change));
  const tables = new Mapper(machine);
  tables.map(VA, PA, RX);
  const [a, b] = cpusOf(machine);
  for (const cpu of [a, b]) complete(cpu.setContext(tables.root, 1));
  return { machine, tables, a, b };
}

const write = (cpu: Cpu, value: number, offset = 0) => complete(cpu.storePhysical(PA + offset, value));
const run = (cpu: Cpu, offset = 0) => complete(cpu.fetch(VA + offset));

function stepsOf(steps: Steps): number {
  let count = 0;
  while (steps.next().done !== true) count++;
  return count;
}

describe('an instruction that was fetched ahead', () => {
  it('runs as it was then, whatever was stored since and by whom, until a context synchronization', () => {
    const { a, b } = lab();
    write(a, 1);
    complete(a.fetchAhead(VA));
    write(b, 2);
    write(a, 3);
    complete(a.dsb());
    expect([run(a), run(a), run(b)]).toEqual([1, 1, 3]);
    complete(a.isb());
    expect(run(a)).toBe(3);
  });

  it('takes one step to fetch, its walk included', () => {
    const { a, machine } = lab();
    expect(stepsOf(a.fetchAhead(VA))).toBe(1);
    expect(a.hw.itlb.lookup(VA >>> 12, machine.translation.asidOf(a.hw))).toBeGreaterThanOrEqual(0);
  });

  it('is not fetched where nothing is mapped, or it may not run; and nobody notices', () => {
    const { a, tables } = lab();
    tables.map(VA + 4096, PA, 0);
    for (const va of [VA + 4096, VA + 8192]) {
      complete(a.fetchAhead(va));
      expect(() => complete(a.fetch(va))).toThrow('fault on a fetch');
    }
  });

  it('is one of eight: the next takes the place of the first', () => {
    const { a } = lab();
    for (let i = 0; i < 9; i++) complete(a.fetchAhead(VA + i * 4));
    for (let i = 0; i < 9; i++) write(a, 7, i * 4);
    expect(Array.from({ length: 9 }, (_, i) => run(a, i * 4))).toEqual([7, 0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it.each<[string, (machine: Machine, a: Cpu, root: number) => unknown]>([
    ['a context switch', (_, a, root) => complete(a.setContext(root, 1))],
    ['a fault', (_, a) => expect(() => complete(a.load(VA + 8192))).toThrow()],
  ])('is discarded by %s', (_, event) => {
    const { machine, tables, a, b } = lab();
    complete(a.fetchAhead(VA));
    write(b, 2);
    event(machine, a, tables.root);
    expect(run(a)).toBe(2);
  });

  it('is discarded by an interrupt, and what its handler fetches ahead by the return', () => {
    const seen: number[] = [];
    const target: Program = function* (cpu) {
      yield* cpu.fetchAhead(PA);
      yield* cpu.storePhysical(PA, 2);
      seen.push(yield* cpu.fetch(PA));
      yield* cpu.sendIpi(0, 0);
      seen.push(yield* cpu.fetch(PA));
      seen.push(yield* cpu.fetch(PA + 4));
    };
    const { result } = runPrograms(platform(true), [target], {
      vectors: () =>
        vectorsWith(function* (cpu) {
          yield* cpu.fetchAhead(PA + 4);
          yield* cpu.storePhysical(PA + 4, 3);
        }),
    });
    expect([result.outcome, seen]).toEqual(['finished', [0, 2, 3]]);
  });

  it('is only a step where the platform does not fetch ahead', () => {
    const { a, b, machine } = lab(false);
    expect(stepsOf(a.fetchAhead(VA))).toBe(1);
    expect(a.hw.itlb.lookup(VA >>> 12, machine.translation.asidOf(a.hw))).toBe(-1);
    write(b, 2);
    expect(run(a)).toBe(2);
  });

  it('is gone when the machine goes back', () => {
    const machine = machineOf(platform(true));
    const [a] = cpusOf(machine);
    const rewind = new Rewind(machine);
    complete(a.fetchAhead(PA));
    rewind.restore();
    write(a, 2);
    expect(complete(a.fetch(PA))).toBe(2);
  });
});

describe('the checker', () => {
  const stale: readonly Program[] = [
    function* (cpu) {
      yield* cpu.fetchAhead(PA);
      yield* cpu.storePhysical(PA, 2);
      yield* cpu.fetch(PA);
    },
  ];

  it('reports the use of an old instruction in a strict run only, and never the fetch', () => {
    const found = [true, false].map((strict) =>
      runPrograms(platform(true), stale, { strict }).result.findings.map(({ kind }) => kind),
    );
    expect(found).toEqual([['stale-instruction'], []]);
    const fetched = runPrograms(
      platform(true, (p) => {
        p.l1i.snooped = false;
      }),
      [
        function* (cpu) {
          yield* cpu.fetch(PA);
          yield* cpu.storePhysical(PA, 2);
          yield* cpu.fetchAhead(PA);
        },
      ],
      { strict: true },
    );
    expect(fetched.result.outcome).toBe('finished');
  });
});
