/** How long somebody who wants a CPU has to wait for it while a guest's operation is emulated there. */
import { type Preemption, XEN_PREEMPTS_EVERY } from '../../../hypervisor/set-way/flush-guest.ts';
import type { Cpu, Steps } from '../../../machine/cpu.ts';

/** Longest stretch of operations in which nobody else could have had the CPU. */
export class LongestWait {
  longest = 0;
  readonly preemption: Preemption;
  private readonly cpu: Cpu;
  private since = -1;

  constructor(cpu: Cpu) {
    this.cpu = cpu;
    const look = () => this.look();
    this.preemption = {
      every: XEN_PREEMPTS_EVERY,
      *pending() {
        return true;
      },
      *yields() {
        look();
        return true;
      },
    };
  }

  /** An operation of the guest: before and after it somebody else could run. */
  *during(operation: () => Steps): Steps {
    this.since = this.cpu.clock;
    yield* operation();
    this.look();
    this.since = -1;
  }

  /** Whoever waits could run now. */
  private look(): void {
    if (this.since < 0) return;
    this.longest = Math.max(this.longest, this.cpu.clock - this.since);
    this.since = this.cpu.clock;
  }
}
