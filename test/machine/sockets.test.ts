import { describe, expect, it } from 'vitest';
import { ClockFirst } from '../../src/hosts/schedulers/clock-first.ts';
import { Cpu } from '../../src/machine/cpu.ts';
import type { PlatformInput } from '../../src/machine/platform.ts';
import { parsePlatform } from '../../src/machine/platform-checks.ts';
import { CTL, TIME } from '../../src/machine/registers.ts';
import { TLBI_VA } from '../../src/machine/tlb.ts';
import { platforms } from '../../src/platforms/index.ts';
import {
  broadcasting,
  complete,
  machineOf,
  type Program,
  runPrograms,
  tiny,
  vectorsWith,
} from '../support/machine.ts';

const ACROSS = {
  cacheToCacheCycles: 10_000,
  memoryCycles: 20_000,
  upgradeCycles: 30_000,
  ipiLatencyCycles: 40_000,
  broadcastLatencyCycles: 50_000,
};
/** CPUs 0 and 1 in one socket, 2 and 3 in the other. */
const two = (p: PlatformInput) => {
  p.maxCpus = 4;
  // Nothing waits for the interconnect: what is measured is the way alone.
  p.costs.busOccupancyCycles = 0;
  p.sockets = { cpusEach: 2, ...ACROSS };
};
const PAGE = 4096;
/** Memory is interleaved by page: even pages are at home in the first socket. */
const NEAR = 2 * PAGE;
const FAR = 3 * PAGE;

/** What each of some accesses, one after the other, takes its CPU, cycles. */
function cycles(accesses: readonly [number, (cpu: Cpu) => Generator][], change = two): number[] {
  const machine = machineOf(tiny(change), 4);
  return accesses.map(([cpu, access]) => {
    const by = new Cpu(machine, cpu);
    const began = by.clock;
    complete(access(by) as never);
    return by.clock - began;
  });
}
const load = (pa: number) => (cpu: Cpu) => cpu.loadPhysical(pa);
const store = (pa: number) => (cpu: Cpu) => cpu.storePhysical(pa, 1);
const { costs } = tiny();

describe('memory of two sockets', () => {
  it('is near or far by page', () => {
    const [near, far] = cycles([
      [0, load(NEAR)],
      [0, load(FAR)],
    ]);
    expect(far - near).toBe(ACROSS.memoryCycles - costs.memoryCycles);
  });

  it('is near to the other socket where it is far from this one', () => {
    const [far, near] = cycles([
      [2, load(NEAR)],
      [2, load(FAR)],
    ]);
    expect(far - near).toBe(ACROSS.memoryCycles - costs.memoryCycles);
  });

  it('is all near while one socket is in use', () => {
    const machine = machineOf(tiny(two), 2);
    const cpu = new Cpu(machine, 0);
    const times = [NEAR, FAR].map((pa) => {
      const began = cpu.clock;
      complete(cpu.loadPhysical(pa));
      return cpu.clock - began;
    });
    expect(times[0]).toBe(times[1]);
  });
});

describe('a line of another cache', () => {
  it('comes from the own socket or from the other', () => {
    const times = (reader: number) =>
      cycles([
        [0, store(NEAR)],
        [reader, load(NEAR)],
      ])[1];
    expect(times(2) - times(1)).toBe(ACROSS.cacheToCacheCycles - costs.cacheToCacheCycles);
  });

  it('is taken from sharers of the own socket, or of both', () => {
    const upgrade = (sharer: number) =>
      cycles([
        [0, load(NEAR)],
        [sharer, load(NEAR)],
        [0, store(NEAR)],
      ])[2];
    expect(upgrade(3) - upgrade(1)).toBe(ACROSS.upgradeCycles - costs.upgradeCycles);
  });

  it('that is clean counts as near once a CPU of the socket has it', () => {
    const withL3 = (p: PlatformInput) => {
      two(p);
      p.shared = { sizeBytes: 4096, ways: 4 };
      p.costs.sharedHitCycles = 500;
    };
    const [, first, second] = cycles(
      [
        [0, load(NEAR)],
        [2, load(NEAR)],
        [3, load(NEAR)],
      ],
      withL3,
    );
    expect(first - second).toBe(ACROSS.cacheToCacheCycles - costs.cacheToCacheCycles);
  });
});

describe('what is sent to another socket', () => {
  const arrival = (target: number) => {
    let taken = 0;
    const vectors = (cpu: Cpu) =>
      vectorsWith(function* () {
        taken = cpu.hw.time[TIME.IRQ];
      });
    const idle: Program = (cpu) => cpu.compute(1);
    const programs: Program[] = [(cpu) => cpu.sendIpi(target, 0), idle, idle, idle];
    runPrograms(tiny(two), programs, { vectors, scheduler: new ClockFirst() });
    return taken;
  };

  it('is an interrupt that arrives later', () => {
    expect(arrival(3) - arrival(1)).toBe(ACROSS.ipiLatencyCycles - costs.ipiLatencyCycles);
  });

  /** The time of a broadcast to CPUs, and of waiting for it. */
  const flush = (cpus: number, targets?: number[]) => {
    let time = 0;
    const initiator: Program = function* (cpu) {
      const began = cpu.clock;
      yield* cpu.tlbiBroadcast(TLBI_VA, PAGE, 1, 1, targets);
      yield* cpu.dsb();
      time = cpu.clock - began;
    };
    const platform = tiny((p) => {
      broadcasting(true)(p);
      two(p);
      p.broadcast!.targeted = true;
    });
    const idle: Program = (cpu) => cpu.compute(1);
    const programs = [initiator, ...Array.from({ length: cpus - 1 }, () => idle)];
    runPrograms(platform, programs, { scheduler: new ClockFirst() });
    return time;
  };

  it('is a broadcast whose answer comes later, there and back', () => {
    expect(flush(4) - flush(2)).toBe(2 * (ACROSS.broadcastLatencyCycles - costs.broadcastLatencyCycles));
  });

  it('unless it is sent to the own socket alone', () => {
    expect(flush(4, [1])).toBe(flush(2));
  });

  it('which most machines cannot do', () => {
    const machine = machineOf(tiny(broadcasting(true)), 2);
    const cpu = new Cpu(machine, 0);
    expect(() => complete(cpu.tlbiBroadcast(TLBI_VA, PAGE, 1, 1, [1]))).toThrow('goes to all CPUs');
    expect(machine.state.cpus[1].ctl[CTL.QUEUE_TAIL]).toBe(0);
  });
});

describe('a description of sockets', () => {
  const problems = (change: (p: PlatformInput) => void) => {
    const copy = structuredClone(platforms['x86-haswell']) as PlatformInput;
    change(copy);
    const parsed = parsePlatform(copy, 'my.json');
    return 'problems' in parsed ? parsed.problems : [];
  };

  it('must leave CPUs for a second one', () => {
    expect(problems((p) => Object.assign(p.sockets!, { cpusEach: 16 }))).toEqual([
      'my.json: sockets.cpusEach: all 16 CPUs lie in the first socket; use fewer, or leave sockets out',
    ]);
  });

  it.each(['cacheToCacheCycles', 'memoryCycles', 'upgradeCycles', 'ipiLatencyCycles'] as const)(
    'cannot have %s shorter than within one',
    (name) => {
      const least = platforms['x86-haswell'].costs[name];
      expect(problems((p) => Object.assign(p.sockets!, { [name]: least }))).toEqual([]);
      expect(problems((p) => Object.assign(p.sockets!, { [name]: least - 1 }))).toEqual([
        `my.json: sockets.${name}: ${least - 1} is less than within a socket; use at least costs.${name}: ${least}`,
      ]);
    },
  );

  it('and range operations are what a number of pages belongs to', () => {
    const copy = structuredClone(platforms.neoverse) as PlatformInput;
    copy.broadcast!.rangePages = 8;
    expect(parsePlatform(copy, 'my.json')).toEqual({
      problems: [expect.stringContaining('broadcast.rangePages: there are no range operations')],
    });
  });
});
