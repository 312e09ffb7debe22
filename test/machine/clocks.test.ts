import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ClockFirst } from '../../src/hosts/schedulers/clock-first.ts';
import { RandomWalk } from '../../src/hosts/schedulers/random.ts';
import { COUNT } from '../../src/machine/registers.ts';
import { complete, cpusOf, machineOf, type Program, runPrograms, tiny } from '../support/machine.ts';

const FLAG = 0x1000;
const { costs } = tiny();

describe('the interconnect', () => {
  it('serves one transaction at a time', () => {
    const [a, b, c] = cpusOf(machineOf(tiny(), 3));
    // All come at time 0, each with a line of its own.
    for (const [i, cpu] of [a, b, c].entries()) complete(cpu.loadPhysical(FLAG + i * 16));
    const { busOccupancyCycles, memoryCycles } = costs;
    expect([a, b, c].map((cpu) => cpu.clock)).toEqual(
      [0, 1, 2].map((waited) => waited * busOccupancyCycles + memoryCycles),
    );
  });

  it('is not needed for a hit', () => {
    const [a, b] = cpusOf(machineOf(tiny()));
    complete(a.loadPhysical(FLAG));
    complete(b.loadPhysical(FLAG + 16));
    const before = a.clock;
    complete(a.loadPhysical(FLAG));
    expect(a.clock - before).toBe(costs.l1HitCycles);
  });

  it('does not make a late comer wait for those who were done before', () => {
    const [a, b] = cpusOf(machineOf(tiny()));
    complete(a.loadPhysical(FLAG));
    b.hw.mergeClock(1000);
    complete(b.loadPhysical(FLAG + 16));
    expect(b.clock).toBe(1000 + costs.memoryCycles);
  });
});

describe('a wait', () => {
  const programs = (work: number): Program[] => [
    function* (cpu) {
      yield* cpu.compute(work);
      yield* cpu.storePhysical(FLAG, 1);
    },
    function* (cpu) {
      yield* cpu.waitUntil(FLAG, (n) => n === 1, { why: 'the flag' });
    },
  ];

  it('costs the time waited for, however long the host polls', () => {
    const clocks = [1, 2, 3, 4].map((seed) => {
      const { result } = runPrograms(tiny(), programs(5000), { scheduler: new RandomWalk(seed) });
      return result.cpus[1].clockCycles;
    });
    for (const clock of clocks) expect(clock).toBeGreaterThan(5000 * costs.instructionCycles);
    const most =
      2 * (costs.memoryCycles + costs.upgradeCycles + costs.cacheToCacheCycles + costs.busOccupancyCycles);
    for (const clock of clocks) expect(clock).toBeLessThan(5000 * costs.instructionCycles + 2 * most);
  });

  it('is counted as such', () => {
    const { result } = runPrograms(tiny(), programs(5000), { scheduler: new ClockFirst() });
    const { waitCycles } = result.cpus[1].counters;
    expect(waitCycles).toBeGreaterThanOrEqual(4900 * costs.instructionCycles);
    expect(waitCycles).toBeLessThanOrEqual(result.cpus[1].clockCycles);
    expect(result.cpus[0].counters.waitCycles).toBe(0);
  });

  it('that is over before it begins costs a load', () => {
    const [a] = cpusOf(machineOf(tiny()));
    complete(a.loadPhysical(FLAG));
    const before = a.clock;
    expect(complete(a.waitUntil(FLAG, (n) => n === 0, { why: 'nothing' }))).toBe(0);
    expect(a.clock - before).toBe(costs.l1HitCycles);
  });

  it('never begins later than the store it waits for, on any clock', () => {
    const { result } = runPrograms(tiny(), programs(123_456), { scheduler: new ClockFirst() });
    const [writer, waiter] = result.cpus;
    expect(waiter.clockCycles).toBeGreaterThan(writer.clockCycles - costs.upgradeCycles - costs.memoryCycles);
  });
});

describe('a store that is buffered', () => {
  const LONG = 10_000;
  const buffered = tiny((p) => {
    p.writeBufferEntries = 4;
    p.agents = ['drain'];
  });
  /** What others see of a store whose CPU goes on with one step that takes long. */
  const clocks = () => {
    const { result } = runPrograms(
      buffered,
      [
        function* (cpu) {
          yield* cpu.storePhysical(FLAG, 1);
          yield* cpu.compute(LONG);
        },
        function* (cpu) {
          yield* cpu.waitUntil(FLAG, (n) => n === 1, { why: 'the flag' });
        },
        function* (cpu) {
          yield* cpu.compute(LONG / 2);
          yield* cpu.loadPhysical(FLAG + 0x100);
        },
      ],
      { scheduler: new ClockFirst() },
    );
    return result.cpus.map(({ clockCycles }) => clockCycles);
  };

  it('is seen when it has drained, and not when the step after it ends', () => {
    const { memoryCycles, cacheToCacheCycles, drainDelayCycles, busOccupancyCycles, l1HitCycles } = costs;
    // The waiter has looked once in vain, and looks again after the store, which waits for the line in turn.
    const most = l1HitCycles + drainDelayCycles + 2 * memoryCycles + cacheToCacheCycles + costs.upgradeCycles;
    expect(clocks()[1]).toBeLessThanOrEqual(most + 4 * busOccupancyCycles);
  });

  it('holds the interconnect at its own time: who comes in the middle of that step finds it free', () => {
    expect(clocks()[2]).toBe((LONG / 2) * costs.instructionCycles + costs.memoryCycles);
  });
});

describe('smallest clock first', () => {
  it('gives the step to whoever is behind', () => {
    const order: number[] = [];
    const worker = (units: number): Program =>
      function* (cpu) {
        for (let i = 0; i < 4; i++) {
          yield* cpu.compute(units);
          order.push(cpu.clock / costs.instructionCycles);
        }
      };
    runPrograms(tiny(), [worker(3), worker(10), worker(7)], { scheduler: new ClockFirst() });
    // In the order in which the steps begin: at 0, 0, 0, 3, 6, 7, 9, 10, 14, 20, 21, 30.
    expect(order).toEqual([3, 10, 7, 6, 9, 14, 12, 20, 21, 30, 28, 40]);
  });
});

describe('a clock', () => {
  it('never runs backwards, whatever a CPU does', () => {
    const operation = fc.record({ cpu: fc.nat(1), kind: fc.nat(6), line: fc.nat(7) });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), fc.nat(4), (list, writeBufferEntries) => {
        const machine = machineOf(tiny((p) => (p.writeBufferEntries = writeBufferEntries)));
        const cpus = cpusOf(machine);
        for (const { cpu: index, kind, line } of list) {
          const cpu = cpus[index];
          const before = cpus.map((c) => c.clock);
          const pa = FLAG + line * 16;
          if (kind === 0) complete(cpu.loadPhysical(pa));
          else if (kind === 1) complete(cpu.storePhysical(pa, 1));
          else if (kind === 2) complete(cpu.modifyPhysical(pa, (old) => old + 1));
          else if (kind === 3) complete(cpu.dsb());
          else if (kind === 4) complete(cpu.loadPhysical(pa, 4, true));
          else if (kind === 5) cpu.drainStep();
          else machine.caches.byAddressStep(cpu.hw, pa, pa, { clean: true, invalidate: true }, 'coherency');
          for (const [i, c] of cpus.entries()) {
            expect(c.clock).toBeGreaterThanOrEqual(before[i]);
            // What one CPU does costs the other nothing but what it will find.
            if (i !== index) expect(c.clock).toBe(before[i]);
          }
        }
      }),
    );
  });

  it('of buffered stores runs beside the program, until a barrier waits for it', () => {
    const [a] = cpusOf(machineOf(tiny((p) => (p.writeBufferEntries = 4))));
    for (let i = 0; i < 3; i++) complete(a.storePhysical(FLAG + i * 32, 1));
    expect(a.clock).toBe(3 * costs.l1HitCycles);
    complete(a.dmb());
    expect(a.clock).toBeGreaterThanOrEqual(3 * costs.memoryCycles + costs.dmbCycles);
    expect(a.hw.counters[COUNT.memoryReads]).toBe(3);
  });
});
