import { describe, expect, it } from 'vitest';
import { runLockstep } from '../../src/hosts/lockstep.ts';
import { RandomWalk } from '../../src/hosts/schedulers/random.ts';
import { type BootPage, bootAllInto, bootMap } from '../../src/kernel/boot-process.ts';
import { Contexts, type ContextsLayout, layContexts } from '../../src/kernel/contexts.ts';
import {
  FIRST_CALL,
  type Kernel,
  type KernelLayout,
  layKernel,
  properKernel,
  READ_WRITE,
} from '../../src/kernel/kernel.ts';
import type { Cpu, Steps } from '../../src/machine/cpu.ts';
import type { Platform } from '../../src/machine/platform.ts';
import { CTL } from '../../src/machine/registers.ts';
import { platforms } from '../../src/platforms/index.ts';
import type { Workload } from '../../src/program/workload.ts';

const USER = 0x4000_0000;
const way = ['flush', 'renew'] as const;

interface Layout {
  readonly kernel: KernelLayout;
  readonly contexts: ContextsLayout;
  readonly page: BootPage;
  readonly spare: number;
  readonly turnPa: number;
  /** Rounds that each CPU has seen. */
  readonly seenPa: readonly number[];
}

/** CPU 0 maps the page to the other frame again and again, and everybody must see it each time. */
function workloadOf(
  by: 'flush' | 'renew' | 'nothing',
  rounds: number,
  numbers: Set<number>,
): Workload<Layout> {
  return {
    setup(machine) {
      const { kernel, prepared } = layKernel(machine, ['a', 'b'], (boot, spaces, lock) => ({
        page: bootMap(boot, spaces[0], USER, 1, READ_WRITE)[0],
        spare: boot.pages(1),
        contexts: layContexts(boot, spaces, lock('contexts')),
        turnPa: boot.line(),
        seenPa: machine.state.cpus.map(() => boot.line()),
      }));
      machine.poke(prepared.spare, 1);
      bootAllInto(machine, kernel.spaces[0]);
      return { kernel, ...prepared };
    },
    start({ machine, cpu, checker, layout }) {
      let kernel: Kernel;
      const contexts = new Contexts(() => kernel, layout.contexts, FIRST_CALL);
      kernel = properKernel(machine, layout.kernel, checker, [(on, index) => contexts.handle(on, index)]);
      return { program: run(cpu, kernel, contexts, layout), vectors: kernel };
    },
  };

  function* run(cpu: Cpu, kernel: Kernel, contexts: Contexts, layout: Layout): Steps {
    const { page, spare, turnPa, seenPa } = layout;
    const [space] = layout.kernel.spaces;
    for (let round = 0; round < rounds; round++) {
      if (cpu.index === 0) {
        const frame = round % 2 === 0 ? spare : page.frame;
        yield* kernel.caches.page(cpu, space, USER, round % 2 === 0 ? page.frame : spare);
        yield* kernel.tables.write(cpu, page.ptePa, (frame | READ_WRITE) >>> 0);
        yield* cpu.dsb();
        if (by !== 'nothing') yield* contexts[by](cpu, space);
        numbers.add(cpu.hw.ctl[CTL.ASID]);
        yield* cpu.storePhysical(turnPa, round + 1, 4, kernel.uncached);
        yield* cpu.dsb();
      } else {
        const options = { why: 'the next round', uncached: kernel.uncached };
        yield* cpu.waitUntil(turnPa, (now) => now > round, options);
      }
      const got = yield* cpu.load(USER);
      if (got !== 1 - (round % 2)) throw new Error(`round ${round}, CPU ${cpu.index}: the old frame`);
      yield* cpu.storePhysical(seenPa[cpu.index], round + 1, 4, kernel.uncached);
      for (const pa of cpu.index === 0 ? seenPa : []) {
        const options = { why: 'whoever has not seen it', uncached: kernel.uncached };
        yield* cpu.waitUntil(pa, (seen) => seen > round, options);
      }
    }
  }
}

function outcome(platform: Platform, cpus: number, by: 'flush' | 'renew' | 'nothing', rounds: number) {
  const numbers = new Set<number>();
  const workload = workloadOf(by, rounds, numbers);
  const job = {
    ...{ platform, cpus, source: { module: '', parameters: {} }, seed: 1, checked: true },
    ...{ quantumCycles: 1e4, maxSteps: 1e7, maxSeconds: 60 },
  };
  const { outcome: end, error, findings } = runLockstep(job, workload, new RandomWalk(1));
  return { end, error: error?.split('\n')[0], kinds: findings.map(({ kind }) => kind), numbers };
}

const tagged = Object.values(platforms).filter(({ mmu }) => mmu.tlb.asidBits > 0);

describe.each(tagged)('context numbers of $name', (platform) => {
  it.each(way)('%s: what the old mapping left behind is not used', (by) => {
    for (const cpus of [1, 2].filter((n) => n <= platform.maxCpus)) {
      const { end, error, kinds } = outcome(platform, cpus, by, 4);
      expect({ end, error, kinds }).toEqual({ end: 'finished', error: undefined, kinds: [] });
    }
  });

  it('something else is used without either', () => {
    expect(outcome(platform, 1, 'nothing', 4).error).toMatch(/: the old frame$/);
  });
});

describe('context numbers', () => {
  it('begin again when they have run out', () => {
    const { mmu } = platforms.sun4c;
    const highest = 2 ** mmu.tlb.asidBits - 1;
    const { end, error, numbers } = outcome(platforms.sun4c, 1, 'renew', 3 * highest);
    expect({ end, error }).toEqual({ end: 'finished', error: undefined });
    expect(Math.max(...numbers)).toBe(highest);
    expect(numbers.size).toBeGreaterThan(highest - 2);
  });

  it('begin again on all CPUs', () => {
    const few = {
      ...platforms.sun4m,
      mmu: { ...platforms.sun4m.mmu, tlb: { ...platforms.sun4m.mmu.tlb, asidBits: 3 } },
    };
    const { end, error, kinds } = outcome(few, 4, 'renew', 30);
    expect({ end, error, kinds }).toEqual({ end: 'finished', error: undefined, kinds: [] });
  });
});
