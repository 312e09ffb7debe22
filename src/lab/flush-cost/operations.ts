/** What is timed: each flush interface, and what it finds when it is called. */
import type { CodeInterfaces } from '../../kernel/flush/code-interfaces.ts';
import type { FlushInterfaces } from '../../kernel/flush/interfaces.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { PAGE_BYTES } from '../../machine/platform.ts';
import type { CostDesk } from './desk.ts';

export type OperationName =
  | keyof FlushInterfaces
  | keyof CodeInterfaces
  | 'coherencyException'
  | 'contextFlush'
  | 'contextRenew';

interface Operation {
  /** What is timed. */
  readonly act: (cpu: Cpu, desk: CostDesk) => Steps<unknown>;
  /** What is done before each call, unless caches are to be cold. */
  readonly prepare: (cpu: Cpu, desk: CostDesk) => Steps<unknown>;
  /** What the preparation costs once more afterwards is of interest too. */
  readonly isContext?: boolean;
}

const spaceOf = ({ layout }: CostDesk) => layout.kernel.spaces[0];
const pageOf = (desk: CostDesk) => ({ space: spaceOf(desk), va: desk.user, frame: desk.layout.frames[0] });

/** Makes every line of the user's pages dirty, under their own addresses. */
function* dirty(cpu: Cpu, { user, pages }: CostDesk): Steps {
  const { lineBytes } = cpu.machine.platform;
  for (let at = 0; at < pages * PAGE_BYTES; at += lineBytes) {
    // Some caches allocate a line for a load only.
    yield* cpu.load(user + at);
    yield* cpu.store(user + at, 1);
  }
}

/** Makes every line of a frame dirty under the kernel's mapping. */
function* dirtyKernel(cpu: Cpu, { layout }: CostDesk): Steps {
  const { lineBytes } = cpu.machine.platform;
  const [frame] = layout.frames;
  for (let at = 0; at < PAGE_BYTES; at += lineBytes) {
    yield* cpu.loadPhysical(frame + at);
    yield* cpu.storePhysical(frame + at, 1);
  }
}

/** Uses a word of each page. */
function* touch(cpu: Cpu, { user, pages }: CostDesk): Steps {
  for (let page = 0; page < pages; page++) yield* cpu.load(user + page * PAGE_BYTES);
}

/** Has all live contexts use the kernel's page. */
function* touchKernel(cpu: Cpu, { kernelPage }: CostDesk): Steps {
  yield* cpu.load(kernelPage);
}

export const operations: Readonly<Record<OperationName, Operation>> = {
  flushCachePage: { act: (cpu, desk) => desk.calls.flushCachePage(cpu, pageOf(desk)), prepare: dirty },
  flushCacheRange: {
    act: (cpu, desk) => desk.calls.flushCacheRange(cpu, spaceOf(desk), desk.user, desk.pages),
    prepare: dirty,
  },
  flushCacheMm: { act: (cpu, desk) => desk.calls.flushCacheMm(cpu, spaceOf(desk)), prepare: dirty },
  flushCacheAll: { act: (cpu, desk) => desk.calls.flushCacheAll(cpu), prepare: dirty },
  flushTlbPage: {
    act: (cpu, desk) => desk.calls.flushTlbPage(cpu, spaceOf(desk), desk.user),
    prepare: touch,
  },
  flushTlbRange: {
    act: (cpu, desk) => desk.calls.flushTlbRange(cpu, spaceOf(desk), desk.user, desk.pages),
    prepare: touch,
  },
  flushTlbMm: { act: (cpu, desk) => desk.calls.flushTlbMm(cpu, spaceOf(desk)), prepare: touch },
  flushTlbAll: { act: (cpu, desk) => desk.calls.flushTlbAll(cpu), prepare: touch },
  flushTlbKernelRange: {
    act: (cpu, desk) => desk.calls.flushTlbKernelRange(cpu, desk.kernelPage, 1),
    prepare: touchKernel,
  },
  flushPageToRam: {
    act: (cpu, desk) => desk.calls.flushPageToRam(cpu, desk.layout.frames[0]),
    prepare: dirtyKernel,
  },
  flushDcachePage: {
    act: (cpu, desk) => desk.calls.flushDcachePage(cpu, desk.layout.frames[0], [pageOf(desk)]),
    prepare: dirty,
  },
  flushIcacheRange: {
    act: (cpu, desk) =>
      desk.calls.flushIcacheRange(cpu, desk.layout.frames[0], cpu.machine.platform.lineBytes),
    prepare: dirtyKernel,
  },
  flushIcachePage: {
    act: (cpu, desk) => desk.calls.flushIcachePage(cpu, { ...pageOf(desk), executable: true }),
    prepare: dirtyKernel,
  },
  flushIcacheUserRange: {
    act: (cpu, desk) =>
      desk.calls.flushIcacheUserRange(cpu, spaceOf(desk), desk.user, cpu.machine.platform.lineBytes),
    prepare: dirty,
  },
  flushSignalTrampoline: {
    act: (cpu, desk) =>
      desk.calls.flushSignalTrampoline(cpu, spaceOf(desk), desk.user, cpu.machine.platform.lineBytes),
    prepare: dirty,
  },
  flushIcacheAsids: { act: (cpu, desk) => desk.calls.flushIcacheAsids(cpu), prepare: touch },
  updateMmuCache: {
    act: (cpu, desk) => {
      const { shared, alias } = desk.layout;
      return desk.calls.updateMmuCache(cpu, { space: spaceOf(desk), va: alias }, shared);
    },
    *prepare(cpu, desk) {
      const { sharedPtes, sharedEntry } = desk.layout;
      // The last call has made them uncacheable.
      for (const ptePa of sharedPtes) yield* desk.kernel.tables.write(cpu, ptePa, sharedEntry);
      yield* desk.calls.flushTlbMm(cpu, spaceOf(desk));
      yield* dirty(cpu, desk);
    },
  },
  /** A load through the kernel's mapping of a line that the user's has made dirty, with its exception. */
  coherencyException: {
    act: (cpu, desk) => cpu.loadPhysical(desk.layout.frames[0]),
    prepare: (cpu, desk) => cpu.store(desk.user, 1),
  },
  contextFlush: {
    act: (cpu, desk) => desk.contexts.flush(cpu, spaceOf(desk)),
    prepare: touch,
    isContext: true,
  },
  contextRenew: {
    act: (cpu, desk) => desk.contexts.renew(cpu, spaceOf(desk)),
    prepare: touch,
    isContext: true,
  },
};
