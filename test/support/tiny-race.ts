/**
 * A race of a few steps, so that tests of what surrounds an exploration take no time: one CPU clears a table
 * entry and says so; the other, if it has heard, stores to the page through the translation that it still has.
 * Its other variants are the other ways for a run to end.
 */
import { type BootPage, bootAllInto, bootMap } from '../../src/kernel/boot-process.ts';
import { bootTouched, storeRepeatedly, withoutPaging } from '../../src/kernel/boot-user.ts';
import { Kernel, type KernelLayout, layKernel, READ_WRITE } from '../../src/kernel/kernel.ts';
import type { Cpu, Steps } from '../../src/machine/cpu.ts';
import { TLBI_VA } from '../../src/machine/tlb.ts';
import type { ProgramContext } from '../../src/program/workload.ts';
import { defineScenario } from '../../src/scenarios/define.ts';

const PAGE = 0x4000_0000;

interface Layout {
  readonly kernel: KernelLayout;
  readonly page: BootPage;
  /** Set when the entry has been cleared. */
  readonly clearedPa: number;
}

export default defineScenario<Layout>({
  name: 'tiny-race',
  title: 'A translation that is used after its entry was cleared',
  source: 'made up',
  module: import.meta.url,
  variants: [
    { name: 'fixed', title: 'drops the translation first', expect: 'clean' },
    { name: 'buggy', title: 'drops nothing', expect: ['stale-translation'] },
    { name: 'stuck', title: 'waits for what nobody sends', expect: ['deadlock'] },
    { name: 'endless', title: 'asks for ever', expect: 'clean' },
    { name: 'throws', title: 'throws an error', expect: 'clean' },
  ],
  parameters: {
    stores: { title: 'stores to the page', default: 3, min: 1, max: 1000 },
  },
  cpus: 2,
  platform: 'x86-64',
  small: { parameters: { stores: 1 } },

  setup(machine) {
    const { kernel, prepared } = layKernel(machine, ['process'], (boot, [space]) => ({
      page: bootMap(boot, space, PAGE, 1, READ_WRITE)[0],
      clearedPa: boot.line(),
    }));
    bootAllInto(machine, kernel.spaces[0]);
    bootTouched(machine, 1, prepared.page);
    return { kernel, ...prepared };
  },

  start(context, { variant, stores }) {
    const { machine, checker, cpu, layout } = context;
    const policy = { mechanism: 'none', barrierBefore: true, barrierAfter: true } as const;
    const kernel = new Kernel(machine, layout.kernel, policy, checker);
    const program = cpu.index === 0 ? clear(cpu, layout) : use(context, String(variant), Number(stores));
    return { program, vectors: withoutPaging(kernel) };
  },
});

function* clear(cpu: Cpu, { page, clearedPa }: Layout): Steps {
  yield* cpu.storePhysical(page.ptePa, 0);
  yield* cpu.storePhysical(clearedPa, 1);
}

function* use({ cpu, checker, layout }: ProgramContext<Layout>, variant: string, stores: number): Steps {
  const { page, clearedPa } = layout;
  if ((yield* cpu.loadPhysical(clearedPa)) === 0) return;
  if (variant === 'throws') throw new Error('made to fail');
  if (variant === 'stuck') yield* cpu.waitUntil(clearedPa, (n) => n === 2, { why: 'what nobody sends' });
  while (variant === 'endless') yield* cpu.loadPhysical(clearedPa);
  if (variant === 'fixed') yield* cpu.tlbiLocal(TLBI_VA, PAGE, 1, 1);
  checker?.contract(cpu, page.ptePa);
  yield* storeRepeatedly(cpu, PAGE, stores);
}
