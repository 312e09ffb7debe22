/** Checks of the interfaces that flush TLBs: no older translation is left, and none is used. */
import type { Cpu, Steps } from '../../machine/cpu.ts';
import {
  type Call,
  type ContractCheck,
  type ContractPage,
  type Desk,
  demand,
  everyone,
  Flaw,
  initiator,
  SPARE_WORD,
  spaceOf,
} from './desk.ts';
import { translatedPage } from './inspect.ts';

/** What decides what they do. */
export const TLB = ['shootdown', 'broadcast', 'mmu.tlb.asidBits', 'mmu.walkerReads', 'mmu.pageTables'];

export function tlbCheck(pages: number, call: Call): ContractCheck {
  const used = ({ layout }: Desk) => layout.pages.slice(0, pages);
  return {
    decidedBy: TLB,
    stages: [
      everyone(function* (cpu, desk) {
        for (const { va } of used(desk)) yield* cpu.load(va);
      }),
      initiator(function* (cpu, desk) {
        const { machine, flushes, calls } = desk;
        const space = spaceOf(desk);
        for (const page of used(desk)) {
          yield* calls.flushCachePage(cpu, { space, ...page });
          const old = machine.peek(page.ptePa);
          const entry = (page.spare | (old & 0xfff)) >>> 0;
          yield* flushes.changeEntry(cpu, { space, ...page }, page.ptePa, old, entry);
        }
        yield* call(cpu, calls, desk);
        const asid = machine.translation.hasAsids ? space.asid : 0;
        for (const page of used(desk)) {
          flushes.settled(cpu, { space, ...page }, page.ptePa);
          demand(translatedPage(machine, page.va, asid));
        }
      }),
      everyone(function* (cpu, desk) {
        for (const { va } of used(desk)) yield* reachesSpare(cpu, va);
      }),
    ],
  };
}

function* reachesSpare(cpu: Cpu, va: number): Steps {
  if ((yield* cpu.load(va)) !== SPARE_WORD) {
    throw new Flaw(`CPU ${cpu.index} does not read the frame that the page is mapped to now`);
  }
}

/** The kernel's own page, in the contexts of two spaces. */
export const kernelRange: ContractCheck = {
  decidedBy: [...TLB, 'mmu.kernelMappings'],
  stages: [
    everyone((cpu, desk) => inBoth(cpu, desk, ({ va }) => cpu.load(va))),
    initiator(function* (cpu, desk) {
      const { machine, kernel, calls, layout } = desk;
      const { kernelPage, otherEntryPa } = layout;
      yield* calls.flushCacheAll(cpu);
      const bits = machine.peek(kernelPage.ptePa) & 0xfff;
      for (const ptePa of [kernelPage.ptePa, otherEntryPa]) {
        yield* kernel.tables.write(cpu, ptePa, (kernelPage.spare | bits) >>> 0);
      }
      yield* calls.flushTlbKernelRange(cpu, kernelPage.va, 1);
      demand(translatedPage(machine, kernelPage.va, -1));
    }),
    everyone((cpu, desk) => inBoth(cpu, desk, ({ va }) => reachesSpare(cpu, va))),
  ],
};

function* inBoth(cpu: Cpu, { kernel, layout }: Desk, act: (page: ContractPage) => Steps<unknown>): Steps {
  const [space, other] = layout.kernel.spaces;
  yield* act(layout.kernelPage);
  yield* kernel.switchMm(cpu, other);
  yield* act(layout.kernelPage);
  yield* kernel.switchMm(cpu, space);
}
