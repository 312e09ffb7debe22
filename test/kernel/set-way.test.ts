import { describe, expect, it } from 'vitest';
import { cleanToMemory, flushBySetWay, linesOf, setWayLevels } from '../../src/kernel/set-way.ts';
import type { Cpu } from '../../src/machine/cpu.ts';
import { platforms } from '../../src/platforms/index.ts';
import { complete, cpusOf, letter, machineOf, tiny } from '../support/machine.ts';

const PA = 0x1000;
const NEXT = 0x1010;
const store = (cpu: Cpu, pa: number, value: number) => complete(cpu.storePhysical(pa, value));

describe('levels that operations by set and way reach', () => {
  it('are those of the CPU, and the shared one where it is reached; never an outer cache', () => {
    const names = (platform: string) => setWayLevels(platforms[platform]).map(({ level }) => level);
    expect(names('cortex-a53')).toEqual(['l1d', 'shared']);
    expect(names('cortex-a9')).toEqual(['l1d']);
    expect(names('neoverse')).toEqual(['l1d', 'l2']);
    expect(names('x86-64')).toEqual(['l1d', 'l2', 'shared']);
  });

  it('have as many lines as the published flushes of a Cortex-A53 took operations', () => {
    const [first, ...others] = setWayLevels(platforms['cortex-a53']);
    expect(linesOf([first])).toBe(512);
    expect(linesOf([first, ...others])).toBe(16_896);
  });
});

/** Two CPUs with a shared L2 of four sets of two lines. */
function machine(setWayReachesShared: boolean) {
  const made = machineOf(
    tiny((p) => {
      p.shared = { sizeBytes: 128, ways: 2 };
      p.maintenance = { byAddress: 'local', icache: 'local', setWayReachesShared };
    }),
  );
  const [a, b] = cpusOf(made);
  return { made, a, b };
}

describe('flushBySetWay', () => {
  it('writes back and drops all that this CPU has, and nothing of another', () => {
    const { made, a, b } = machine(true);
    store(a, PA, 5);
    store(b, NEXT, 6);
    complete(flushBySetWay(a));
    expect([made.peek(PA), made.peek(NEXT)]).toEqual([5, 0]);
    expect([letter(a.hw.l1d, PA), letter(b.hw.l1d, NEXT)]).toEqual(['I', 'M']);
  });

  it('leaves what it has written back in a level that it does not reach', () => {
    const { made, a } = machine(false);
    store(a, PA, 5);
    complete(flushBySetWay(a));
    expect(made.peek(PA)).toBe(0);
  });

  it('is impossible where there are no such operations', () => {
    const [cpu] = cpusOf(machineOf(platforms['riscv-h'], 1));
    expect(() => complete(flushBySetWay(cpu))).toThrow('riscv-h: there are no operations by set and way');
  });
});

describe('cleanToMemory', () => {
  it('takes a line that another CPU has dirty where maintenance is local', () => {
    const { made, a, b } = machine(true);
    store(b, PA, 5);
    complete(cleanToMemory(a, PA, 16));
    expect(made.peek(PA)).toBe(5);
  });

  it('cleans whole lines of a range that begins and ends within one', () => {
    const { made, a } = machine(true);
    for (const pa of [PA, NEXT, NEXT + 16]) store(a, pa, 7);
    complete(cleanToMemory(a, PA + 12, 8));
    expect([PA, NEXT, NEXT + 16].map((pa) => made.peek(pa))).toEqual([7, 7, 0]);
  });

  it('goes on to the controller of an outer cache', () => {
    const made = machineOf(
      tiny((p) => {
        p.outer = { sizeBytes: 128, ways: 2, maintainedBy: 'controller' };
        p.maintenance.byAddress = 'broadcast';
      }),
    );
    const [a] = cpusOf(made);
    store(a, PA, 5);
    complete(a.maintainPhysical(PA, { clean: true, invalidate: false }, 'coherency'));
    expect(made.peek(PA)).toBe(0);
    complete(cleanToMemory(a, PA, 16));
    expect(made.peek(PA)).toBe(5);
  });
});
