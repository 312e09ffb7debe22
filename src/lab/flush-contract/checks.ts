/** One check for each flush interface: what must be so when it has returned. */
import { addMapping } from '../../kernel/rmap.ts';
import { spinLock, spinUnlock } from '../../kernel/spin-lock.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { PAGE_BYTES } from '../../machine/platform.ts';
import {
  type Call,
  type ContractCheck,
  type Desk,
  demand,
  everyone,
  Flaw,
  type Interfaces,
  initiator,
  type Stage,
  spaceOf,
} from './desk.ts';
import { cachedLine, taggedInstruction } from './inspect.ts';
import { kernelRange, TLB, tlbCheck } from './tlb-checks.ts';

const CACHE = ['l1d', 'coherence', 'maintenance.byAddress', 'maintenance.unmapped'];
const FETCH = ['l1i', 'maintenance.icache', 'maintenance.byAddress'];

/** Offset of the word in a page that belongs to a CPU: in a line of its own. */
const wordAt = ({ machine }: Desk, cpu: number) => cpu * machine.platform.lineBytes;
const wordOf = (page: number, cpu: number) => 0x100 * (page + 1) + cpu;

function cacheCheck(pages: number, call: Call): ContractCheck {
  const used = ({ layout }: Desk) => layout.pages.slice(0, pages);
  return {
    decidedBy: CACHE,
    stages: [
      everyone(function* (cpu, desk) {
        for (const [i, { va }] of used(desk).entries()) {
          const at = va + wordAt(desk, cpu.index);
          // Some caches allocate a line for a load only.
          yield* cpu.load(at);
          yield* cpu.store(at, wordOf(i, cpu.index));
        }
      }),
      initiator(function* (cpu, desk) {
        yield* call(cpu, desk.calls, desk);
        for (const { frame } of used(desk)) demand(cachedLine(desk.machine, frame));
      }),
      everyone(function* (cpu, desk) {
        for (let page = 0; page < pages; page++) yield* readsAll(cpu, desk, page, byKernel, byUser);
      }),
    ],
  };
}

/** A way to a page, in words and as an access. */
interface Way {
  readonly name: string;
  readonly load: (cpu: Cpu, desk: Desk, page: number, offset: number) => Steps<number>;
}

const byUser: Way = {
  name: 'the page',
  load: (cpu, { layout }, page, offset) => cpu.load(layout.pages[page].va + offset),
};
const byKernel: Way = {
  name: 'the kernel’s mapping',
  load: (cpu, { layout }, page, offset) => cpu.loadPhysical(layout.pages[page].frame + offset),
};
const byAlias: Way = {
  name: 'its other mapping',
  load: (cpu, { layout }, _, offset) => cpu.load(layout.alias.va + offset),
};

/** What each CPU stored through one way is what this one reads through another. */
function* readsAll(cpu: Cpu, desk: Desk, page: number, by: Way, from: Way, offset = 0, value = page): Steps {
  for (const { index } of desk.machine.state.processors) {
    const got = yield* by.load(cpu, desk, page, offset + wordAt(desk, index));
    if (got !== wordOf(value, index)) {
      throw new Flaw(
        `CPU ${cpu.index} does not read through ${by.name} what CPU ${index} stored through ${from.name}`,
      );
    }
  }
}

const toRam: ContractCheck = {
  decidedBy: CACHE,
  stages: [
    everyone(function* (cpu, desk) {
      const at = desk.layout.pages[0].frame + wordAt(desk, cpu.index);
      yield* cpu.loadPhysical(at);
      yield* cpu.storePhysical(at, wordOf(0, cpu.index));
    }),
    initiator(function* (cpu, desk) {
      const [{ frame }] = desk.layout.pages;
      yield* desk.calls.flushPageToRam(cpu, frame);
      demand(cachedLine(desk.machine, frame));
    }),
    everyone((cpu, desk) => readsAll(cpu, desk, 0, byUser, byKernel)),
  ],
};

/** Both sides have stored, to lines of their own. */
const dcachePage: ContractCheck = {
  decidedBy: CACHE,
  stages: [
    ...toRam.stages.slice(0, 1),
    everyone(function* (cpu, desk) {
      const at = desk.layout.pages[0].va + PAGE_BYTES / 2 + wordAt(desk, cpu.index);
      yield* cpu.load(at);
      yield* cpu.store(at, wordOf(1, cpu.index));
    }),
    initiator(function* (cpu, desk) {
      const [page] = desk.layout.pages;
      yield* desk.calls.flushDcachePage(cpu, page.frame, [{ space: spaceOf(desk), ...page }]);
      demand(cachedLine(desk.machine, page.frame));
    }),
    everyone(function* (cpu, desk) {
      yield* readsAll(cpu, desk, 0, byUser, byKernel);
      yield* readsAll(cpu, desk, 0, byKernel, byUser, PAGE_BYTES / 2, 1);
    }),
  ],
};

const CODE = 0x77;

const storeByKernel: Stage['act'] = (cpu, { layout }) => cpu.storePhysical(layout.pages[0].frame, CODE);
function* storeByUser(cpu: Cpu, { layout }: Desk): Steps {
  yield* cpu.store(layout.pages[0].va, CODE);
  yield* cpu.dsb();
}

/** @param isAtOnce others execute it without a synchronization of their own */
function fetchCheck(isAtOnce: boolean, store: Stage['act'], call: Call): ContractCheck {
  return {
    decidedBy: FETCH,
    stages: [
      everyone(function* (cpu, { machine, layout }) {
        const [{ va }] = layout.pages;
        yield* cpu.fetch(va);
        if (isAtOnce && machine.platform.l1i.fetchAhead) yield* cpu.fetchAhead(va);
      }),
      initiator(function* (cpu, desk) {
        yield* store(cpu, desk);
        yield* call(cpu, desk.calls, desk);
      }),
      everyone(function* (cpu, { layout }) {
        if (!isAtOnce) yield* cpu.isb();
        if ((yield* cpu.fetch(layout.pages[0].va)) !== CODE) {
          throw new Flaw(`CPU ${cpu.index} fetches an older instruction than the one that was written`);
        }
      }),
    ],
  };
}

const icacheAsids: ContractCheck = {
  decidedBy: FETCH,
  stages: [
    everyone((cpu, { layout }) => cpu.fetch(layout.pages[0].va)),
    initiator(function* (cpu, { machine, calls, layout }) {
      yield* calls.flushIcacheAsids(cpu);
      demand(taggedInstruction(machine, layout.pages[0].frame));
    }),
  ],
};

/** A page of which there are dirty lines is mapped once more, at an address of another colour. */
const mmuCache: ContractCheck = {
  decidedBy: [...CACHE, 'l1d.aliasPolicy', ...TLB],
  stages: [
    everyone(function* (cpu, desk) {
      const at = desk.layout.pages[0].va + wordAt(desk, cpu.index);
      yield* cpu.load(at);
      yield* cpu.store(at, wordOf(0, cpu.index));
    }),
    initiator(function* (cpu, desk) {
      const { machine, kernel, flushes, calls } = desk;
      const { alias, pages, shared } = desk.layout;
      const mapping = { space: spaceOf(desk), va: alias.va };
      yield* spinLock(cpu, mapping.space.lock, kernel.uncached);
      const entry = machine.peek(pages[0].ptePa);
      yield* flushes.changeEntry(cpu, mapping, alias.ptePa, 0, entry);
      yield* addMapping(cpu, kernel, shared, mapping);
      yield* calls.updateMmuCache(cpu, mapping, shared);
      yield* spinUnlock(cpu, mapping.space.lock, kernel.uncached);
    }),
    everyone((cpu, desk) => readsAll(cpu, desk, 0, byAlias, byUser)),
    everyone((cpu, desk) => cpu.store(desk.layout.alias.va + wordAt(desk, cpu.index), wordOf(1, cpu.index))),
    everyone((cpu, desk) => readsAll(cpu, desk, 0, byUser, byAlias, 0, 1)),
  ],
};

/** By the name of the interface. */
export const contractChecks: Readonly<Record<keyof Interfaces, ContractCheck>> &
  Readonly<Record<string, ContractCheck>> = {
  flushCacheAll: cacheCheck(2, (cpu, calls) => calls.flushCacheAll(cpu)),
  flushCacheMm: cacheCheck(2, (cpu, calls, desk) => calls.flushCacheMm(cpu, spaceOf(desk))),
  flushCacheRange: cacheCheck(2, (cpu, calls, desk) =>
    calls.flushCacheRange(cpu, spaceOf(desk), desk.layout.pages[0].va, 2),
  ),
  flushCachePage: cacheCheck(1, (cpu, calls, desk) =>
    calls.flushCachePage(cpu, { space: spaceOf(desk), ...desk.layout.pages[0] }),
  ),
  flushTlbAll: tlbCheck(2, (cpu, calls) => calls.flushTlbAll(cpu)),
  flushTlbMm: tlbCheck(2, (cpu, calls, desk) => calls.flushTlbMm(cpu, spaceOf(desk))),
  flushTlbRange: tlbCheck(2, (cpu, calls, desk) =>
    calls.flushTlbRange(cpu, spaceOf(desk), desk.layout.pages[0].va, 2),
  ),
  flushTlbPage: tlbCheck(1, (cpu, calls, desk) =>
    calls.flushTlbPage(cpu, spaceOf(desk), desk.layout.pages[0].va),
  ),
  flushTlbKernelRange: kernelRange,
  flushPageToRam: toRam,
  updateMmuCache: mmuCache,
  flushDcachePage: dcachePage,
  flushIcacheRange: fetchCheck(true, storeByKernel, (cpu, calls, desk) =>
    calls.flushIcacheRange(cpu, desk.layout.pages[0].frame, 4),
  ),
  flushIcachePage: fetchCheck(false, storeByKernel, (cpu, calls, desk) =>
    calls.flushIcachePage(cpu, { space: spaceOf(desk), ...desk.layout.pages[0], executable: true }),
  ),
  flushIcacheUserRange: fetchCheck(true, storeByUser, (cpu, calls, desk) =>
    calls.flushIcacheUserRange(cpu, spaceOf(desk), desk.layout.pages[0].va, 4),
  ),
  flushSignalTrampoline: fetchCheck(false, storeByUser, (cpu, calls, desk) =>
    calls.flushSignalTrampoline(cpu, spaceOf(desk), desk.layout.pages[0].va, 4),
  ),
  flushIcacheAsids: icacheAsids,
};
