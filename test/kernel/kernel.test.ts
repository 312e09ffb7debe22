import { describe, expect, it } from 'vitest';
import { RandomWalk } from '../../src/hosts/schedulers/random.ts';
import { READ_WRITE, USED } from '../../src/kernel/kernel.ts';
import { layTables } from '../../src/kernel/page-table.ts';
import { PTE } from '../../src/machine/attributes.ts';
import { type Cpu, SegmentationFault, type Steps } from '../../src/machine/cpu.ts';
import type { Platform } from '../../src/machine/platform.ts';
import { platforms } from '../../src/platforms/index.ts';
import { type KernelProgram, newestWord, runKernel } from '../support/kernel.ts';
import { changed, tiny } from '../support/machine.ts';

const VA = 0x4000_0000;
const PAGE = 4096;

/** A kernel needs more room than the tiny machine has for programs. */
const software = tiny((p) => {
  p.name = 'software-refill';
  p.memoryBytes = 1 << 20;
  p.mmu.refill = 'software';
  p.mmu.accessedDirty = 'software';
});
const noAsids = changed(platforms['x86-64'], (p) => {
  p.name = 'no-asids';
  p.mmu.tlb.asidBits = 0;
  p.mmu.walkCache = { entries: 8, asidTagged: false };
});
const cleaned = tiny((p) => {
  p.name = 'cleaned-tables';
  p.memoryBytes = 1 << 20;
  p.mmu.walkerReads = 'memory';
  p.mmu.pageTables = 'clean';
  p.mmu.accessedDirty = 'software';
});
const everywhere: Platform[] = [...Object.values(platforms), software, noAsids, cleaned];

const finished = { outcome: 'finished', error: undefined, findings: [] };
function ended({ result: { outcome, error, findings } }: ReturnType<typeof runKernel>) {
  return { outcome, error, findings };
}

function* faults(steps: Steps<unknown>): Steps<string> {
  try {
    yield* steps;
    return 'nothing';
  } catch (error) {
    if (!(error instanceof SegmentationFault)) throw error;
    return error.fault.kind;
  }
}

describe.each(everywhere)('on $name', (platform) => {
  it('maps pages that are then memory, and unmaps them so that they are not', () => {
    const log: unknown[] = [];
    const program: KernelProgram = function* (cpu, { kernel, spaces: [space] }) {
      yield* kernel.switchMm(cpu, space);
      log.push(yield* faults(cpu.load(VA)));
      yield* kernel.mmap(cpu, space, VA, 3, READ_WRITE);
      for (let page = 0; page < 3; page++) yield* cpu.store(VA + page * PAGE, page + 1);
      for (let page = 0; page < 3; page++) log.push(yield* cpu.load(VA + page * PAGE));
      yield* kernel.munmap(cpu, space, VA, 3);
      for (let page = 0; page < 3; page++) log.push(yield* faults(cpu.load(VA + page * PAGE)));
    };
    expect(ended(runKernel(platform, [program]))).toEqual(finished);
    expect(log.slice(1, 4)).toEqual([1, 2, 3]);
    for (const fault of [log[0], ...log.slice(4)]) expect(fault).toBe('translation');
  });

  it('takes permissions away and gives them back', () => {
    const log: unknown[] = [];
    const program: KernelProgram = function* (cpu, { kernel, spaces: [space] }) {
      yield* kernel.switchMm(cpu, space);
      yield* kernel.mmap(cpu, space, VA, 1, READ_WRITE);
      yield* cpu.store(VA, 7);
      yield* kernel.mprotect(cpu, space, VA, 1, USED);
      log.push(yield* faults(cpu.store(VA, 8)), yield* cpu.load(VA));
      log.push(yield* faults(cpu.fetch(VA)));
      yield* kernel.mprotect(cpu, space, VA, 1, READ_WRITE);
      yield* cpu.store(VA, 9);
      log.push(yield* cpu.load(VA));
    };
    expect(ended(runKernel(platform, [program]))).toEqual(finished);
    expect(log).toEqual(['permission', 7, 'permission', 9]);
  });

  it('repairs the faults that are its own: bits left to software, and pages not there yet', () => {
    const log: unknown[] = [];
    const program: KernelProgram = function* (cpu, { kernel, spaces: [space] }) {
      yield* kernel.switchMm(cpu, space);
      // Neither accessed nor dirty, and one page whose entry somebody has dropped.
      yield* kernel.mmap(cpu, space, VA, 2, PTE.VALID | PTE.WRITE);
      const ptePa = yield* kernel.tables.find(cpu, space.root, VA + PAGE);
      yield* kernel.tables.write(cpu, ptePa, 0);
      yield* cpu.dsb();
      log.push(yield* cpu.load(VA));
      yield* cpu.store(VA, 5);
      yield* cpu.store(VA + PAGE, 6);
      log.push(yield* cpu.load(VA), yield* cpu.load(VA + PAGE));
      const entry = yield* kernel.tables.read(cpu, yield* kernel.tables.find(cpu, space.root, VA));
      log.push(entry & PTE.DIRTY);
    };
    expect(ended(runKernel(platform, [program]))).toEqual(finished);
    const dirty = platform.mmu.accessedDirty === 'ignored' ? 0 : PTE.DIRTY;
    expect(log).toEqual([0, 5, 6, dirty]);
  });

  it('keeps address spaces apart, however often it switches', () => {
    const log: number[] = [];
    const program: KernelProgram = function* (cpu, { kernel, spaces }) {
      for (const [i, space] of spaces.entries()) {
        yield* kernel.switchMm(cpu, space);
        yield* kernel.mmap(cpu, space, VA, 1, READ_WRITE);
        yield* cpu.store(VA, i + 10);
      }
      for (const i of [0, 1, 0, 1, 1, 0]) {
        yield* kernel.switchMm(cpu, spaces[i]);
        log.push(yield* cpu.load(VA));
      }
    };
    expect(ended(runKernel(platform, [program], { spaces: 2 }))).toEqual(finished);
    expect(log).toEqual([10, 11, 10, 11, 11, 10]);
  });

  it('gives every frame to one owner, and takes it back', () => {
    const owners = new Map<number, number>();
    const free: number[] = [];
    const both = [0, 1].slice(0, platform.maxCpus);
    const program: KernelProgram = function* (cpu, { kernel, lines, machine }) {
      const mine: number[] = [];
      for (let i = 0; i < 8; i++) {
        const frame = yield* kernel.frames.allocate(cpu);
        expect([frame % PAGE, owners.get(frame)]).toEqual([0, undefined]);
        owners.set(frame, cpu.index);
        mine.push(frame);
      }
      for (const frame of mine) {
        owners.delete(frame);
        yield* kernel.frames.free(cpu, frame);
      }
      yield* cpu.modifyPhysical(lines[0], (n) => n + 1, kernel.uncached);
      if (cpu.index > 0) return;
      yield* cpu.waitUntil(lines[0], (n) => n === both.length, { why: 'both', uncached: kernel.uncached });
      // Last in, first out: a frame that was freed too early is in use again at once.
      const frame = yield* kernel.frames.allocate(cpu);
      yield* kernel.frames.free(cpu, frame);
      free.push(frame, yield* kernel.frames.allocate(cpu), machine.platform.memoryBytes);
    };
    for (const seed of [1, 2, 3]) {
      owners.clear();
      free.length = 0;
      const programs = both.map(() => program);
      expect(ended(runKernel(platform, programs, { scheduler: new RandomWalk(seed) }))).toEqual(finished);
      expect(free[0]).toBe(free[1]);
      expect(free[0]).toBeLessThan(free[2]);
    }
  });
});

describe('what it runs out of', () => {
  it('frames', () => {
    const program: KernelProgram = function* (cpu, { kernel }) {
      for (;;) yield* kernel.frames.allocate(cpu);
    };
    const { result } = runKernel(software, [program]);
    expect(result.error).toContain('out of frames: the scenario needs a platform with more memoryBytes');
  });

  it('areas', () => {
    const program: KernelProgram = function* (cpu, { kernel, spaces: [space] }) {
      for (let i = 0; ; i++) yield* kernel.mmap(cpu, space, VA + i * PAGE, 1, READ_WRITE);
    };
    const { result } = runKernel(platforms.neoverse, [program]);
    expect(result.error).toMatch(/space 0: more than \d+ mapped areas/);
  });

  it('memory to boot from', () => {
    const program: KernelProgram = function* () {};
    const prepare = (boot: { pages(n: number): number }) => void boot.pages(1 << 20);
    expect(() => runKernel(software, [program], { prepare })).toThrow(
      /bytes of memory needed, the platform has/,
    );
  });
});

describe('page tables', () => {
  it.each(everywhere)('of $name are found where they were built, and only there', (platform) => {
    const log: unknown[] = [];
    const program: KernelProgram = function* (cpu, { kernel, spaces: [space] }) {
      const { tables } = kernel;
      log.push(
        (yield* tables.find(cpu, space.root, VA)) >= 0,
        yield* tables.find(cpu, space.root, 0x9000_0000),
      );
      const allocate = (by: Cpu) => kernel.frames.allocate(by);
      const built = yield* tables.build(cpu, space.root, 0x9000_0000, allocate);
      log.push(built === (yield* tables.find(cpu, space.root, 0x9000_0000)));
      log.push(built === (yield* tables.build(cpu, space.root, 0x9000_0000, allocate)));
      yield* tables.write(cpu, built, 0x1235);
      log.push(yield* tables.exchange(cpu, built, (old) => old + 1), yield* tables.read(cpu, built));
    };
    const prepare = (boot: Parameters<typeof layTables>[0], [space]: readonly { root: number }[]) =>
      layTables(boot, space.root, VA, 1);
    expect(ended(runKernel(platform, [program], { prepare }))).toEqual(finished);
    expect(log).toEqual([true, -1, true, true, 0x1235, 0x1236]);
  });
});

describe('flush policies', () => {
  /** CPU 0 flushes; CPU 1 has run the space, CPU 2 has not. Counters of all, by name. */
  function flushed(platform: Platform, policy: object, what: 'page' | 'range' | 'mm' | 'all', pages = 1) {
    const user: KernelProgram = function* (cpu, { kernel, spaces: [space], lines }) {
      if (cpu.index < 2) yield* kernel.switchMm(cpu, space);
      yield* cpu.modifyPhysical(lines[0], (n) => n + 1);
      yield* cpu.waitUntil(lines[0], (n) => n === 3, { why: 'all' });
      if (cpu.index === 0) {
        if (what === 'page') yield* kernel.flush.page(cpu, space, VA);
        else if (what === 'range') yield* kernel.flush.range(cpu, space, VA, pages);
        else if (what === 'mm') yield* kernel.flush.mm(cpu, space);
        else yield* kernel.flush.all(cpu);
      }
    };
    const run = runKernel(platform, [user, user, user], { policy });
    expect(ended(run)).toEqual(finished);
    return run.result.cpus.map(({ counters }) => counters);
  }
  const x86 = platforms['x86-64'];
  const { neoverse } = platforms;
  const of = (list: ReturnType<typeof flushed>, name: keyof ReturnType<typeof flushed>[0]) =>
    list.map((c) => c[name]);

  it('a cross call goes to the CPUs that have run the space, and to nobody else', () => {
    const counters = flushed(x86, { mechanism: 'cross-call' }, 'page');
    expect(of(counters, 'ipisSent')).toEqual([1, 0, 0]);
    expect(of(counters, 'interrupts')).toEqual([0, 1, 0]);
    expect(of(counters, 'tlbInvalidates')).toEqual([1, 1, 0]);
  });

  it('flushing everything calls everybody', () => {
    expect(of(flushed(x86, { mechanism: 'cross-call' }, 'all'), 'interrupts')).toEqual([0, 1, 1]);
  });

  it('one cross call flushes a range, page by page on each CPU', () => {
    const counters = flushed(x86, { mechanism: 'cross-call' }, 'range', 5);
    expect([of(counters, 'ipisSent'), of(counters, 'tlbInvalidates')]).toEqual([
      [1, 0, 0],
      [5, 5, 0],
    ]);
  });

  it('above the threshold of the platform the whole space goes at once', () => {
    const at = flushed(x86, { mechanism: 'cross-call' }, 'range', x86.flushAllAbovePages);
    const above = flushed(x86, { mechanism: 'cross-call' }, 'range', x86.flushAllAbovePages + 1);
    expect([at[0].tlbInvalidates, above[0].tlbInvalidates]).toEqual([x86.flushAllAbovePages, 1]);
  });

  it('a broadcast is one operation a page, and one a range where the hardware has that', () => {
    const ranges = changed(neoverse, (p) => {
      if (p.broadcast) p.broadcast.rangeOperations = true;
    });
    expect(of(flushed(neoverse, { mechanism: 'broadcast' }, 'range', 5), 'broadcastsIssued')).toEqual([
      5, 0, 0,
    ]);
    expect(of(flushed(ranges, { mechanism: 'broadcast' }, 'range', 5), 'broadcastsIssued')).toEqual([
      1, 0, 0,
    ]);
    expect(of(flushed(neoverse, { mechanism: 'broadcast' }, 'mm'), 'broadcastsReceived')).toEqual([0, 1, 1]);
  });

  it('the wrong ones do what their names say', () => {
    expect(of(flushed(x86, { mechanism: 'local-only' }, 'page'), 'tlbInvalidates')).toEqual([1, 0, 0]);
    expect(of(flushed(x86, { mechanism: 'none' }, 'page'), 'tlbInvalidates')).toEqual([0, 0, 0]);
  });
});

describe('cross calls', () => {
  it('to nobody end at once', () => {
    const program: KernelProgram = function* (cpu, { kernel }) {
      yield* kernel.calls.call(cpu, [], 0, 0, 0, 0);
    };
    const { result } = runKernel(platforms['x86-64'], [program]);
    expect(result.cpus[0].counters.loads + result.cpus[0].counters.stores).toBe(0);
  });

  it('of two CPUs to one that has not answered yet take one interrupt', () => {
    const program: KernelProgram = function* (cpu, { kernel, spaces: [space], lines }) {
      if (cpu.index === 0) {
        cpu.maskInterrupts();
        yield* kernel.switchMm(cpu, space);
        yield* cpu.storePhysical(lines[0], 1);
        // Both have put their call into the queue, whose first word is a mask of callers.
        const { queuePa } = layout(kernel);
        yield* cpu.waitUntil(queuePa[0], (mask) => mask === 0b110, { why: 'both calls' });
        cpu.unmaskInterrupts();
        return;
      }
      yield* cpu.waitUntil(lines[0], (n) => n === 1, { why: 'CPU 0' });
      yield* kernel.flush.page(cpu, space, VA);
    };
    const { result } = runKernel(platforms['x86-64'], [program, program, program]);
    expect(ended({ result } as ReturnType<typeof runKernel>)).toEqual(finished);
    const [target, ...callers] = result.cpus.map(({ counters }) => counters);
    expect([target.interrupts, target.tlbInvalidates]).toEqual([1, 2]);
    expect(callers.map((c) => c.ipisSent).sort()).toEqual([0, 1]);
  });

  const layout = (kernel: { calls: unknown }) =>
    (kernel.calls as { layout: { queuePa: readonly number[] } }).layout;

  it('are one at a time where the port takes a lock for them, side by side elsewhere', () => {
    for (const [name, most] of [
      ['sun4m', 1],
      ['x86-64', 2],
    ] as const) {
      let calling = 0;
      let seen = 0;
      const program: KernelProgram = function* (cpu, { kernel, spaces: [space], lines }) {
        yield* kernel.switchMm(cpu, space);
        yield* cpu.modifyPhysical(lines[0], (n) => n + 1);
        yield* cpu.waitUntil(lines[0], (n) => n === 3, { why: 'all' });
        if (cpu.index === 2) {
          yield* cpu.waitUntil(lines[1], (n) => n === 2, { why: 'the callers' });
          return;
        }
        for (let i = 0; i < 5; i++) {
          const call = kernel.calls.call(cpu, [2], 0, 2, VA, (1 << 16) | 1);
          for (let step = call.next(); step.done !== true; step = call.next()) {
            // A flag that is up is a call under way.
            calling = [0, 1].filter((caller) => flagOf(kernel, caller, 2, cpu) === 1).length;
            seen = Math.max(seen, calling);
            yield step.value;
          }
        }
        yield* cpu.modifyPhysical(lines[1], (n) => n + 1);
      };
      for (const seed of [1, 2, 3, 4, 5]) {
        const run = runKernel(platforms[name], [program, program, program], {
          scheduler: new RandomWalk(seed),
        });
        expect(ended(run)).toEqual(finished);
      }
      expect([name, seen]).toEqual([name, most]);
    }
  });

  function flagOf(kernel: { calls: unknown }, caller: number, target: number, cpu: Cpu): number {
    const { flagPa } = (kernel.calls as { layout: { flagPa: readonly (readonly number[])[] } }).layout;
    const { shadow } = cpu.machine.state;
    return shadow
      ? shadow.value[flagPa[caller][target] >>> 2]
      : newestWord(cpu.machine, flagPa[caller][target]);
  }
});
