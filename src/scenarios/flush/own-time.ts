/**
 * What a CPU's caches may do at any time, done at a point that the program fixes: so that a run does not depend on
 * when the hardware's agents come round to it.
 */
import { type Cpu, STEP, type Steps } from '../../machine/cpu.ts';
import { CTL } from '../../machine/registers.ts';

/** A line is loaded that no program asked for: its address in the kernel's linear mapping. */
export function* bringIn({ machine, hw }: Cpu, pa: number): Steps {
  yield STEP;
  machine.state.lockCpu(hw);
  machine.port.prefetch(hw, pa, pa);
  machine.state.unlockCpu(hw);
}

/**
 * A line is evicted, all the way to memory.
 * @param va address that it came in by; default: that of the kernel's linear mapping
 */
export function* evict(cpu: Cpu, pa: number, va = pa): Steps {
  const { machine, hw } = cpu;
  const { coherence, memory, state } = machine;
  const line = pa >>> state.lineShift;
  yield* cpu.drainAll();
  yield STEP;
  state.lockCpu(hw);
  const slot = hw.l1d.lookup(va, line, hw.ctl[CTL.ASID]);
  if (slot >= 0) coherence.evictL1(hw, slot);
  const below = hw.l2?.lookup(0, line, 0) ?? -1;
  if (hw.l2 && below >= 0) coherence.evictL2(hw, hw.l2, below);
  state.unlockCpu(hw);
  memory.cleanLine(hw, line, 'memory', true, false);
}
