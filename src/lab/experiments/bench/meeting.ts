/**
 * Where the CPUs of an experiment meet between its phases: each counts itself in, CPU 0 waits for all of them and lets
 * them go on. Who waits sleeps, open to interrupts, and takes no steps.
 */
import type { BootMemory } from '../../../kernel/boot-memory.ts';
import type { Cpu, Steps } from '../../../machine/cpu.ts';

export interface MeetingLayout {
  readonly arrivedPa: number;
  readonly goPa: number;
}

export function layMeeting(boot: BootMemory): MeetingLayout {
  return { arrivedPa: boot.line(), goPa: boot.line() };
}

/** A CPU's view of the meetings, which all CPUs come to in the same order. */
export class Meeting {
  private readonly cpu: Cpu;
  private readonly layout: MeetingLayout;
  private readonly uncached: boolean;
  private held = 0;

  constructor(cpu: Cpu, layout: MeetingLayout, uncached: boolean) {
    this.cpu = cpu;
    this.layout = layout;
    this.uncached = uncached;
  }

  /** Returns when every CPU has come to this meeting; sleeps until then. */
  *meet(): Steps {
    const { cpu, layout, uncached } = this;
    yield* this.arrive();
    const { held } = this;
    if (cpu.index === 0) {
      yield* cpu.waitUntil(layout.arrivedPa, (n) => n === this.awaited, {
        why: 'the other CPUs to come to the meeting',
        uncached,
      });
      yield* this.end();
    } else {
      yield* cpu.waitUntil(layout.goPa, (n) => n >= held, {
        why: 'the end of the meeting',
        from: 0,
        uncached,
      });
    }
  }

  /** The same, doing something over and over meanwhile. */
  *meetDoing(something: () => Steps): Steps {
    yield* this.arrive();
    while (!(yield* this.isOver())) yield* something();
  }

  private *arrive(): Steps {
    this.held++;
    if (this.cpu.index === 0) return;
    yield* this.cpu.modifyPhysical(this.layout.arrivedPa, (n) => n + 1, this.uncached);
  }

  /** Arrivals, over all meetings, that CPU 0 waits for. */
  private get awaited(): number {
    return (this.cpu.machine.options.cpus - 1) * this.held;
  }

  private *end(): Steps {
    const { cpu, layout, uncached } = this;
    yield* cpu.storePhysical(layout.goPa, this.held, 4, uncached);
    // Out of the write buffer at once: what CPU 0 does next may take long, and is not to keep the others.
    yield* cpu.dmb();
  }

  private *isOver(): Steps<boolean> {
    const { cpu, layout, uncached } = this;
    if (cpu.index !== 0) return (yield* cpu.loadPhysical(layout.goPa, 4, uncached)) >= this.held;
    if ((yield* cpu.loadPhysical(layout.arrivedPa, 4, uncached)) !== this.awaited) return false;
    yield* this.end();
    return true;
  }
}
