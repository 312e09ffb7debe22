/** Fills and atomics by physical address, through the kernel's linear mapping. */
import { CpuAccess } from './cpu-access.ts';
import type { Modify } from './data-port.ts';
import { COUNT } from './registers.ts';
import { STEP, type Steps } from './steps.ts';

export class CpuLinear extends CpuAccess {
  /** Fills physical memory with a word, a line a step, through the kernel's linear mapping. */
  *fillPhysical(pa: number, sizeBytes: number, word: number, uncached = false): Steps {
    const { machine, hw } = this;
    yield* this.drainAll();
    const { lineBytes } = machine.platform;
    for (let line = pa; line < pa + sizeBytes; line += lineBytes) {
      yield STEP;
      machine.state.lockCpu(hw);
      if (this.isAliased(line, uncached)) {
        machine.state.unlockCpu(hw);
        yield* this.coherencyException(line, true, false);
        line -= lineBytes;
        continue;
      }
      for (let at = line; at < line + lineBytes; at += 4) {
        machine.port.store(hw, at, at, 4, word | 0, 0, uncached ? 1 : 0);
      }
      machine.state.unlockCpu(hw);
    }
  }

  /** Atomic read-modify-write of a word by physical address, also a full barrier. Returns the old value. */
  *modifyPhysical(pa: number, change: Modify, uncached = false): Steps<number> {
    const { machine, hw } = this;
    for (;;) {
      yield* this.drainAll();
      yield STEP;
      machine.state.lockCpu(hw);
      if (!this.isAliased(pa, uncached)) break;
      machine.state.unlockCpu(hw);
      yield* this.coherencyException(pa, true, false);
    }
    hw.count(COUNT.atomics);
    const old = machine.port.modify(hw, pa, pa, uncached ? 1 : 0, change);
    machine.state.unlockCpu(hw);
    return old;
  }
}
