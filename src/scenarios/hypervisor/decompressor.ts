/**
 * What a kernel's decompressor does, whoever executes it: caches on, the kernel is written, caches are emptied, caches
 * off, jump (Linux arch/arm/boot/compressed/head.S, cache_clean_flush and __armv7_mmu_cache_off). What the kernel finds
 * then is what is in memory. MMU off, or a flat map: virtual addresses are physical ones.
 */
import { type LevelShape, setWayLevels } from '../../kernel/set-way.ts';
import { FLUSH, type LineOperation, type SetWayLevel } from '../../machine/cache-maintenance.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';

/** Who executes the decompressor: the machine itself, or a guest whose operations may be trapped. */
export interface Executor {
  readonly cpu: Cpu;
  setWay(level: SetWayLevel, set: number, way: number, operation: LineOperation): Steps;
  /** Turns data caching, and the MMU with its flat map, on or off. */
  caches(on: boolean): Steps;
}

/** The decompressor on bare hardware. */
export function bareMetal(cpu: Cpu): Executor {
  return {
    cpu,
    setWay: (level, set, way, operation) => cpu.maintainSetWay(level, set, way, operation),
    caches: (on) => cpu.setCaches(on),
  };
}

/** The decompressor as a guest, in which it runs already. */
export function inGuest(cpu: Cpu): Executor {
  return {
    cpu,
    setWay: (level, set, way, operation) => cpu.guestSetWay(level, set, way, operation),
    caches: (on) => cpu.guestControl({ mmuOn: on, cachesOn: on }),
  };
}

/** Where the kernel goes: lines of instructions, then as many of data. */
export interface Image {
  readonly va: number;
  readonly lines: number;
}

/**
 * How caches are emptied. Until Linux 5.6 by set and way, before and after they are turned off; since then
 * (401b368caaec) by the addresses of what was written, before.
 */
export type Emptying = 'set-way' | 'by-address' | 'none';

const CODE = 0xc0de;
const DATA = 0xda7a;

/** Unpacks a kernel, and enters it. */
export function* bootCompressed(executor: Executor, image: Image, emptying: Emptying): Steps {
  const { cpu } = executor;
  yield* executor.caches(true);
  yield* unpack(cpu, image);
  yield* empty(executor, image, emptying);
  yield* executor.caches(false);
  if (emptying === 'set-way') yield* emptyBySetWay(executor);
  yield* cpu.invalidateFetchAll();
  yield* cpu.dsb();
  yield* cpu.isb();
  yield* enter(cpu, image);
}

function* unpack(cpu: Cpu, image: Image): Steps {
  for (const [i, va] of linesOf(cpu, image).entries()) {
    // Some caches allocate a line for a load only.
    yield* cpu.load(va);
    yield* cpu.store(va, (i < image.lines ? CODE : DATA) + i);
  }
}

function* empty(executor: Executor, image: Image, emptying: Emptying): Steps {
  if (emptying === 'set-way') yield* emptyBySetWay(executor);
  if (emptying !== 'by-address') return;
  const { cpu } = executor;
  for (const va of linesOf(cpu, image)) yield* cpu.maintainVirtual(va, FLUSH, 'coherency');
  yield* cpu.dsb();
}

/** Every level, as `flushBySetWay` of the kernel; each operation goes through whoever executes it. */
export function* emptyBySetWay(
  executor: Executor,
  levels: readonly LevelShape[] = setWayLevels(executor.cpu.machine.platform),
): Steps {
  for (const { level, sets, ways } of levels) {
    for (let way = 0; way < ways; way++) {
      for (let set = 0; set < sets; set++) yield* executor.setWay(level, set, way, FLUSH);
    }
  }
  yield* executor.cpu.dsb();
}

/** The kernel's first instructions, and the first data that it uses: its page tables, the device tree. */
function* enter(cpu: Cpu, image: Image): Steps {
  const all = linesOf(cpu, image);
  for (const va of all.slice(0, image.lines)) yield* cpu.fetch(va);
  for (const va of all.slice(image.lines)) yield* cpu.load(va);
}

function linesOf({ machine }: Cpu, { va, lines }: Image): number[] {
  return Array.from({ length: 2 * lines }, (_, i) => va + i * machine.platform.lineBytes);
}
