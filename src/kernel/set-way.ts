/**
 * Emptying caches by set and way, as kernels and firmware do it: level by level from the CPU outwards, as far as the
 * operations reach (Linux arch/arm/mm/cache-v7.S, v7_flush_dcache_all; TF-A lib/aarch64/cache_helpers.S,
 * dcsw_op_all). The architecture means them for a CPU that goes down: they act on the caches of the CPU that executes
 * them and on no system cache (Arm ARM DDI 0487, D7.5.9, effects of All and set/way maintenance instructions; Linux
 * Documentation/arch/arm64/booting.rst). Beside them, the way that always works: by address.
 */
import { CLEAN, FLUSH, type SetWayLevel } from '../machine/cache-maintenance.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import type { Platform } from '../machine/platform.ts';
import { CTL } from '../machine/registers.ts';
import { type CallFunction, otherProcessors } from './cross-call.ts';
import type { Kernel } from './kernel.ts';

/** Sets and ways of a level. */
export interface LevelShape {
  readonly level: SetWayLevel;
  readonly sets: number;
  readonly ways: number;
}

/**
 * The levels that operations by set and way reach, from the CPU outwards: what Arm's CLIDR says up to the level of
 * coherency. An outer or system cache is never among them.
 */
export function setWayLevels({ lineBytes, l1d, l2, shared, maintenance }: Platform): LevelShape[] {
  const shape = (level: SetWayLevel, { sizeBytes, ways }: { sizeBytes: number; ways: number }) => ({
    ...{ level, ways, sets: sizeBytes / ways / lineBytes },
  });
  return [
    shape('l1d', l1d),
    ...(l2 ? [shape('l2', l2)] : []),
    ...(shared && maintenance.setWayReachesShared ? [shape('shared', shared)] : []),
  ];
}

/** Lines of all these levels: so many operations a flush takes. */
export const linesOf = (levels: readonly LevelShape[]): number =>
  levels.reduce((sum, { sets, ways }) => sum + sets * ways, 0);

/**
 * Cleans and invalidates everything in these levels of this CPU's caches by set and way, then waits for it (DSB).
 * @throws Error on a platform without such operations
 */
export function* flushBySetWay(cpu: Cpu, levels = setWayLevels(cpu.machine.platform)): Steps {
  for (const { level, sets, ways } of levels) {
    for (let way = 0; way < ways; way++) {
      for (let set = 0; set < sets; set++) yield* cpu.maintainSetWay(level, set, way, FLUSH);
    }
  }
  yield* cpu.dsb();
}

/** What a CPU that is called does: for the functions of cross calls, see `Kernel`. */
export const setWayCall: CallFunction = (cpu) => flushBySetWay(cpu);

export interface EachOptions {
  /** The others are called one after the other; default: all at once, as Linux on_each_cpu does it. */
  readonly oneByOne?: boolean;
  /** What this CPU does between its own flush and the calls, such as taking an interrupt. */
  readonly between?: () => Steps;
}

/**
 * Every CPU flushes its own caches: this one first, then the others by IPI. That is no flush of all caches: a line
 * that another CPU has may go to one that is done.
 * @param call number of `setWayCall` among the kernel's cross calls
 */
export function* flushEachBySetWay(
  cpu: Cpu,
  kernel: Kernel,
  call: number,
  { oneByOne = false, between }: EachOptions = {},
): Steps {
  yield* flushBySetWay(cpu);
  if (between) yield* between();
  const others = otherProcessors(cpu);
  for (const targets of oneByOne ? others.map((one) => [one]) : [others]) {
    yield* kernel.calls.call(cpu, targets, call, 0, 0, 0);
  }
}

/**
 * Cleans a range to memory by address, whoever has its lines: to the point of coherency, and out of an outer cache that
 * only its controller reaches. Where maintenance by address is local, each line is taken first, as a store takes it, so
 * that it is dirty here or nowhere as long as nobody else uses it (Linux arch/arm/mm/cache-v6.S,
 * CONFIG_DMA_CACHE_RWFO); a CPU whose caches are off cannot do that, and others must have cleaned theirs.
 * @param pa physical address, which is that of the kernel's linear mapping
 */
export function* cleanToMemory(cpu: Cpu, pa: number, sizeBytes: number): Steps {
  const { lineBytes, maintenance, outer } = cpu.machine.platform;
  const isOn = cpu.hw.ctl[CTL.CACHE_ON] === 1;
  const takes = isOn && maintenance.byAddress === 'local' && otherProcessors(cpu).length > 0;
  for (let line = pa - (pa % lineBytes); line < pa + sizeBytes; line += lineBytes) {
    if (takes) yield* cpu.modifyPhysical(line, () => undefined);
    yield* cpu.maintainPhysical(line, CLEAN, 'coherency');
  }
  yield* cpu.dsb();
  if (outer?.maintainedBy !== 'controller') return;
  for (let line = pa - (pa % lineBytes); line < pa + sizeBytes; line += lineBytes) {
    yield* cpu.maintainOuter(line, CLEAN);
  }
  yield* cpu.dsb();
}
