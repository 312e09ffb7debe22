import { describe, expect, it } from 'vitest';
import { ClockFirst } from '../../src/hosts/schedulers/clock-first.ts';
import { RandomWalk } from '../../src/hosts/schedulers/random.ts';
import { RoundRobin } from '../../src/hosts/schedulers/round-robin.ts';
import { encodeAction } from '../../src/machine/agents.ts';
import { PTE } from '../../src/machine/attributes.ts';
import type { Cpu } from '../../src/machine/cpu.ts';
import type { PlatformInput } from '../../src/machine/platform.ts';
import { COUNT, CTL, TIME } from '../../src/machine/registers.ts';
import { TLBI_ALL, TLBI_VA } from '../../src/machine/tlb.ts';
import {
  advance,
  broadcasting,
  complete,
  cpusOf,
  Mapper,
  machineOf,
  runPrograms,
  tiny,
  vectorsWith,
} from '../support/machine.ts';

const VA = 0x40_0000;
const PA = 0x1000;
const deliver = (cpu: number) => encodeAction('broadcast', cpu, 0);
const drain = (cpu: number) => encodeAction('drain', cpu, 0);

function mapped(late: boolean, change: (p: PlatformInput) => void = () => {}, cpus = 2) {
  const platform = tiny((p) => {
    broadcasting(late)(p);
    change(p);
  });
  const machine = machineOf(platform, cpus);
  const mapper = new Mapper(machine);
  const ptePa = mapper.map(VA, PA);
  machine.poke(PA, 11);
  machine.poke(0x2000, 22);
  const all = cpusOf(machine);
  for (const cpu of all) {
    complete(cpu.setContext(mapper.root, 1));
    complete(cpu.load(VA));
  }
  const [a, b] = all;
  complete(a.storePhysical(ptePa, (0x2000 | PTE.VALID) >>> 0));
  complete(a.drainAll());
  return { machine, a, b, all, ptePa };
}

/** Runs a barrier as far as it goes by itself. Returns true if it has completed. */
function barrier(cpu: Cpu): { done: () => boolean } {
  const steps = cpu.dsb();
  let ended = false;
  return {
    done() {
      for (let i = 0; i < 10 && !ended; i++) ended = steps.next().done === true;
      return ended;
    },
  };
}

describe('a broadcast invalidate', () => {
  it('acts everywhere, and at once on its own CPU', () => {
    const { machine, a, all } = mapped(true, () => {}, 3);
    complete(a.tlbiBroadcast(TLBI_VA, VA, 1, 1));
    expect(complete(a.load(VA))).toBe(22);
    expect(all.slice(1).map((cpu) => complete(cpu.load(VA)))).toEqual([11, 11]);
    machine.agents.perform(deliver(2));
    expect(all.slice(1).map((cpu) => complete(cpu.load(VA)))).toEqual([11, 22]);
    machine.agents.perform(deliver(1));
    expect(complete(all[1].load(VA))).toBe(22);
  });

  it('has acted when it was issued, where the interconnect does not delay it', () => {
    const { a, b } = mapped(false);
    complete(a.tlbiBroadcast(TLBI_VA, VA, 1, 1));
    expect(complete(b.load(VA))).toBe(22);
  });

  it('spares pages and address spaces that it does not name', () => {
    const { a, b } = mapped(false);
    const walks = () => b.hw.counters[COUNT.walks];
    const before = walks();
    complete(a.tlbiBroadcast(TLBI_VA, VA + 0x1000, 1, 1));
    complete(a.tlbiBroadcast(TLBI_VA, VA, 1, 2));
    complete(b.load(VA));
    expect(walks()).toBe(before);
  });
});

describe('the barrier after it', () => {
  it('waits until every target has acted', () => {
    const { machine, a } = mapped(true, () => {}, 3);
    complete(a.tlbiBroadcast(TLBI_VA, VA, 1, 1));
    const dsb = barrier(a);
    expect(dsb.done()).toBe(false);
    machine.agents.perform(deliver(1));
    expect(dsb.done()).toBe(false);
    machine.agents.perform(deliver(2));
    expect(dsb.done()).toBe(true);
  });

  it('of another CPU does not', () => {
    const { a, b } = mapped(true);
    complete(a.tlbiBroadcast(TLBI_VA, VA, 1, 1));
    expect(barrier(b).done()).toBe(true);
  });

  it('is what dmb is not', () => {
    const { a } = mapped(true);
    complete(a.tlbiBroadcast(TLBI_VA, VA, 1, 1));
    complete(a.dmb());
    expect(a.hw.ctl[CTL.OUTSTANDING]).toBe(1);
  });

  it('waits for the stores that a target made through the old entry', () => {
    const { machine, a, b } = mapped(true, (p) => {
      p.writeBufferEntries = 4;
    });
    complete(b.store(VA, 99));
    complete(a.tlbiBroadcast(TLBI_VA, VA, 1, 1));
    machine.agents.perform(deliver(1));
    // It has acted: the target does not use the entry any more, but its store is still on its way.
    expect(complete(b.load(VA + 4))).toBe(0);
    const dsb = barrier(a);
    expect(dsb.done()).toBe(false);
    machine.agents.perform(drain(1));
    expect(dsb.done()).toBe(true);
    expect(complete(a.loadPhysical(PA))).toBe(99);
  });

  it('does not wait for stores that the target made later', () => {
    const { machine, a, b } = mapped(true, (p) => {
      p.writeBufferEntries = 4;
    });
    complete(a.tlbiBroadcast(TLBI_VA, VA, 1, 1));
    machine.agents.perform(deliver(1));
    complete(b.storePhysical(PA + 16, 99));
    expect(b.hw.buffered).toBe(1);
    expect(barrier(a).done()).toBe(true);
  });

  it.each([
    ['sleeps in WFI', (cpu: Cpu) => void advance(cpu.wfi(), 2)],
    ['has its interrupts masked', (cpu: Cpu) => cpu.maskInterrupts()],
    [
      'waits for a store',
      (cpu: Cpu) =>
        void advance(
          cpu.waitUntil(0x8000, (n) => n === 1, { why: 'ever' }),
          2,
        ),
    ],
  ])('is not delayed by a target that %s', (_, prepare) => {
    const { machine, a, b } = mapped(true);
    prepare(b);
    complete(a.tlbiBroadcast(TLBI_VA, VA, 1, 1));
    machine.agents.perform(deliver(1));
    expect(barrier(a).done()).toBe(true);
  });

  it('merges the time at which the last target was done', () => {
    const { machine, a } = mapped(true);
    const { costs } = machine.platform;
    complete(a.tlbiBroadcast(TLBI_VA, VA, 1, 1));
    const issued = a.clock;
    machine.agents.perform(deliver(1));
    complete(a.dsb());
    // Out, the target's own time, and back; the message leaves when the interconnect has taken it.
    const { broadcastOccupancyCycles, broadcastLatencyCycles, broadcastTargetCycles } = costs;
    const least = broadcastOccupancyCycles + 2 * broadcastLatencyCycles + broadcastTargetCycles;
    expect(a.clock - issued).toBe(least);
    expect(a.hw.time[TIME.COMPLETED]).toBe(a.clock);
  });
});

describe('targets', () => {
  it('lose the time that an invalidate takes', () => {
    const { machine, a, b } = mapped(false);
    complete(a.tlbiBroadcast(TLBI_VA, VA, 1, 1));
    complete(a.tlbiBroadcast(TLBI_VA, VA, 1, 1));
    expect(b.hw.counters[COUNT.stolenCycles]).toBe(2 * machine.platform.costs.broadcastTargetCycles);
    expect(b.hw.ctl[CTL.STOLEN]).toBe(2 * machine.platform.costs.broadcastTargetCycles);
    expect(b.hw.counters[COUNT.broadcastsReceived]).toBe(2);
  });

  it('take them in the order in which they were sent', () => {
    const { machine, a, b } = mapped(true);
    complete(a.tlbiBroadcast(TLBI_VA, VA + 0x1000, 1, 1));
    complete(a.tlbiBroadcast(TLBI_VA, VA, 1, 1));
    machine.agents.perform(deliver(1));
    expect(complete(b.load(VA))).toBe(11);
    machine.agents.perform(deliver(1));
    expect(complete(b.load(VA))).toBe(22);
  });
});

describe('a full queue', () => {
  it('makes room by letting the oldest message act', () => {
    const { a, b } = mapped(true, broadcasting(false, 2));
    complete(a.tlbiBroadcast(TLBI_VA, VA, 1, 1));
    complete(a.tlbiBroadcast(TLBI_ALL, 0, 1, 0));
    expect(complete(b.load(VA))).toBe(11);
    complete(a.tlbiBroadcast(TLBI_VA, VA + 0x1000, 1, 1));
    expect(complete(b.load(VA))).toBe(22);
    expect(a.hw.ctl[CTL.OUTSTANDING]).toBe(2);
  });

  it.each([
    ['round-robin', () => new RoundRobin()],
    ['clock', () => new ClockFirst()],
    ['random', () => new RandomWalk(3)],
  ])('of messages that wait for stores empties itself, with the %s scheduler', (_, scheduler) => {
    const platform = tiny((p) => {
      broadcasting(true, 2)(p);
      p.writeBufferEntries = 8;
      p.agents.push('drain');
    });
    // Each CPU's stores stand in the way of the other's broadcasts.
    const program = function* (cpu: Cpu) {
      for (let i = 0; i < 20; i++) {
        yield* cpu.storePhysical(0x4000 + cpu.index * 0x1000 + i * 16, i);
        yield* cpu.tlbiBroadcast(TLBI_VA, VA + i * 4096, 1, 1);
      }
      yield* cpu.dsb();
    };
    const { result } = runPrograms(platform, [program, program], {
      scheduler: scheduler(),
      vectors: () => vectorsWith(),
    });
    expect([result.outcome, result.error]).toEqual(['finished', undefined]);
    expect(result.cpus.map(({ counters }) => counters.broadcastsReceived)).toEqual([20, 20]);
  });
});
