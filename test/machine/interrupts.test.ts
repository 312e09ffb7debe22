import { describe, expect, it } from 'vitest';
import { ClockFirst } from '../../src/hosts/schedulers/clock-first.ts';
import { encodeAction } from '../../src/machine/agents.ts';
import type { Cpu } from '../../src/machine/cpu.ts';
import { COUNT, CTL } from '../../src/machine/registers.ts';
import { type Program, runPrograms, Scripted, tiny, vectorsWith } from '../support/machine.ts';

const FLAG = 0x1000;

/** Notes what each CPU does, in order. */
function logging() {
  const log: string[] = [];
  const handler = function* (cpu: Cpu, vector: number) {
    log.push(`cpu ${cpu.index} takes ${vector}`);
    yield* cpu.compute(1);
    log.push(`cpu ${cpu.index} returns`);
  };
  return { log, vectors: () => vectorsWith(handler) };
}

const wait = (cpu: Cpu, value = 1) => cpu.waitUntil(FLAG, (n) => n === value, { why: 'the flag' });

describe('an interrupt', () => {
  it('runs its handler between two steps of the program', () => {
    const { log, vectors } = logging();
    const programs: Program[] = [
      function* (cpu) {
        yield* cpu.sendIpi(1, 3);
        log.push('cpu 0 sent');
      },
      function* (cpu) {
        yield* cpu.compute(1);
        log.push('cpu 1 worked');
      },
    ];
    // Both go up to their first step, CPU 0 sends, CPU 1 finds the interrupt before it works.
    const { result } = runPrograms(tiny(), programs, { vectors, scheduler: new Scripted([0, 1, 0]) });
    expect(result.outcome).toBe('finished');
    expect(log).toEqual(['cpu 0 sent', 'cpu 1 takes 3', 'cpu 1 returns', 'cpu 1 worked']);
    expect(result.cpus[1].counters.interrupts).toBe(1);
  });

  it('waits while it is masked, and masks nest', () => {
    const { log, vectors } = logging();
    const programs: Program[] = [
      (cpu) => cpu.sendIpi(1, 0),
      function* (cpu) {
        cpu.maskInterrupts();
        cpu.maskInterrupts();
        for (let i = 0; i < 10; i++) yield* cpu.compute(1);
        cpu.unmaskInterrupts();
        yield* cpu.compute(1);
        log.push('still masked');
        cpu.unmaskInterrupts();
        yield* cpu.compute(1);
      },
    ];
    runPrograms(tiny(), programs, { vectors });
    expect(log).toEqual(['still masked', 'cpu 1 takes 0', 'cpu 1 returns']);
  });

  it('is not taken within a handler, but after it', () => {
    const { log, vectors } = logging();
    const programs: Program[] = [
      function* (cpu) {
        yield* cpu.sendIpi(1, 5);
        yield* cpu.sendIpi(1, 2);
      },
      function* (cpu) {
        for (let i = 0; i < 20; i++) yield* cpu.compute(1);
      },
    ];
    runPrograms(tiny(), programs, { vectors, scheduler: new Scripted([1, 0, 0, 0]) });
    // Both are pending: the lowest vector first.
    expect(log).toEqual(['cpu 1 takes 2', 'cpu 1 returns', 'cpu 1 takes 5', 'cpu 1 returns']);
  });

  it('that is sent twice before it is taken arrives once, and once more when it is sent again', () => {
    const { log, vectors } = logging();
    const programs: Program[] = [
      function* (cpu) {
        yield* cpu.sendIpi(1, 0);
        yield* cpu.sendIpi(1, 0);
        yield* cpu.storePhysical(FLAG, 1);
        yield* cpu.waitUntil(FLAG, (n) => n === 2, { why: 'the answer' });
        yield* cpu.sendIpi(1, 0);
      },
      function* (cpu) {
        cpu.maskInterrupts();
        yield* wait(cpu);
        cpu.unmaskInterrupts();
        yield* cpu.compute(1);
        yield* cpu.storePhysical(FLAG, 2);
        yield* cpu.wfi();
      },
    ];
    const { result } = runPrograms(tiny(), programs, { vectors });
    expect(log.filter((line) => line === 'cpu 1 takes 0')).toHaveLength(2);
    expect(result.cpus[0].counters.ipisSent).toBe(3);
  });

  it('is in flight until the hardware delivers it, where the platform delays it', () => {
    const platform = tiny((p) => {
      p.agents = ['ipi'];
    });
    const { log, vectors } = logging();
    const programs: Program[] = [
      (cpu) => cpu.sendIpi(1, 4),
      function* (cpu) {
        for (let i = 0; i < 3; i++) yield* cpu.compute(1);
        log.push('worked');
        yield* cpu.compute(1);
      },
    ];
    const scheduler = new Scripted([0, 0, 1, 1, 1, 1, encodeAction('ipi', 1, 4)]);
    runPrograms(platform, programs, { vectors, scheduler });
    expect(log).toEqual(['worked', 'cpu 1 takes 4', 'cpu 1 returns']);
  });

  it('is taken by a CPU whose program has ended', () => {
    const { log, vectors } = logging();
    const programs: Program[] = [
      function* (cpu) {
        for (let i = 0; i < 10; i++) yield* cpu.compute(1);
        yield* cpu.sendIpi(1, 0);
        for (let i = 0; i < 10; i++) yield* cpu.compute(1);
      },
      function* () {},
    ];
    runPrograms(tiny(), programs, { vectors });
    expect(log).toEqual(['cpu 1 takes 0', 'cpu 1 returns']);
  });
});

describe('a CPU that waits', () => {
  it('for a store is interrupted and goes on waiting', () => {
    const { log, vectors } = logging();
    const programs: Program[] = [
      function* (cpu) {
        yield* cpu.compute(1);
        yield* cpu.sendIpi(1, 0);
        for (let i = 0; i < 10; i++) yield* cpu.compute(1);
        log.push('cpu 0 stores');
        yield* cpu.storePhysical(FLAG, 1);
      },
      function* (cpu) {
        yield* wait(cpu);
        log.push('cpu 1 goes on');
      },
    ];
    const { result } = runPrograms(tiny(), programs, { vectors });
    expect(result.outcome).toBe('finished');
    expect(log).toEqual(['cpu 1 takes 0', 'cpu 1 returns', 'cpu 0 stores', 'cpu 1 goes on']);
  });

  it('misses no store that comes while the handler runs', () => {
    const platform = tiny();
    const programs: Program[] = [
      function* (cpu) {
        yield* cpu.sendIpi(1, 0);
        yield* cpu.compute(1);
        yield* cpu.storePhysical(FLAG, 1);
      },
      (cpu) => wait(cpu) as unknown as ReturnType<Program>,
    ];
    const long = function* (cpu: Cpu) {
      for (let i = 0; i < 20; i++) yield* cpu.compute(1);
    };
    const { result } = runPrograms(platform, programs, { vectors: () => vectorsWith(long) });
    expect(result.outcome).toBe('finished');
  });

  it.each([false, true])('in WFI wakes for an interrupt (masked: %s)', (masked) => {
    const { log, vectors } = logging();
    const programs: Program[] = [
      function* (cpu) {
        for (let i = 0; i < 5; i++) yield* cpu.compute(1);
        log.push('sent');
        yield* cpu.sendIpi(1, 0);
      },
      function* (cpu) {
        if (masked) cpu.maskInterrupts();
        yield* cpu.wfi();
        log.push('awake');
      },
    ];
    const { result } = runPrograms(tiny(), programs, { vectors });
    expect(result.outcome).toBe('finished');
    const handled = ['cpu 1 takes 0', 'cpu 1 returns'];
    expect(log).toEqual(masked ? ['sent', 'awake'] : ['sent', ...handled, 'awake']);
  });

  it('in WFI goes straight on if an interrupt is pending already', () => {
    const programs: Program[] = [
      (cpu) => cpu.sendIpi(1, 0),
      function* (cpu) {
        cpu.maskInterrupts();
        yield* cpu.compute(1);
        yield* cpu.wfi();
      },
    ];
    const { result } = runPrograms(tiny(), programs, { vectors: logging().vectors });
    expect(result.outcome).toBe('finished');
  });
});

describe('the time of an interrupt', () => {
  const { costs } = tiny();

  it('goes from the sender to the target', () => {
    let taken = 0;
    const programs: Program[] = [
      function* (cpu) {
        yield* cpu.compute(1000);
        yield* cpu.sendIpi(1, 0);
      },
      (cpu) => cpu.wfi(),
    ];
    const vectors = () =>
      vectorsWith(function* (cpu) {
        taken = cpu.clock;
      });
    const { result } = runPrograms(tiny(), programs, { vectors, scheduler: new ClockFirst() });
    const sent = result.cpus[0].clockCycles;
    expect(taken).toBe(sent + costs.ipiLatencyCycles + costs.interruptEntryCycles);
    expect(result.cpus[1].clockCycles).toBe(taken + costs.interruptExitCycles);
    expect(result.cpus[1].counters.interruptCycles).toBe(
      costs.interruptEntryCycles + costs.interruptExitCycles,
    );
  });

  it('is that of the first of two that became one', () => {
    let taken = 0;
    const programs: Program[] = [
      function* (cpu) {
        yield* cpu.sendIpi(1, 0);
        yield* cpu.compute(1_000_000);
        yield* cpu.sendIpi(1, 0);
        yield* cpu.storePhysical(FLAG, 1);
      },
      function* (cpu) {
        cpu.maskInterrupts();
        while ((yield* cpu.loadPhysical(FLAG)) === 0);
        // By the clock of this CPU the second one has not been sent yet.
        cpu.unmaskInterrupts();
        yield* cpu.compute(1);
      },
    ];
    const vectors = () =>
      vectorsWith(function* (cpu) {
        taken = cpu.clock;
      });
    runPrograms(tiny(), programs, { vectors, scheduler: new Scripted([1, 1, 1, 0, 0, 0, 0, 0, 0]) });
    expect(taken).toBeLessThan(1_000_000);
  });

  it('is waited for by WFI, interrupts masked or not', () => {
    let woken = 0;
    const programs: Program[] = [
      function* (cpu) {
        yield* cpu.compute(1000);
        yield* cpu.sendIpi(1, 0);
      },
      function* (cpu) {
        cpu.maskInterrupts();
        yield* cpu.wfi();
        woken = cpu.clock;
      },
    ];
    const { result } = runPrograms(tiny(), programs, {
      vectors: logging().vectors,
      scheduler: new ClockFirst(),
    });
    expect(woken).toBe(result.cpus[0].clockCycles + costs.ipiLatencyCycles);
  });
});

describe('mailboxes', () => {
  it('keep a vector in one place at least while it is delivered', () => {
    const platform = tiny((p) => {
      p.agents = ['ipi'];
    });
    const { machine } = runPrograms(platform, [(cpu) => cpu.sendIpi(1, 31), (cpu) => cpu.compute(1)]);
    const [, b] = machine.state.cpus;
    const bits = () => (b.ctl[CTL.IRQ_IN_FLIGHT] | b.ctl[CTL.IRQ_PENDING]) >>> 0;
    expect(bits()).toBe(0x8000_0000);
    machine.interrupts.deliverStep(b, 31);
    expect([b.ctl[CTL.IRQ_IN_FLIGHT], bits(), b.counters[COUNT.interrupts]]).toEqual([0, 0x8000_0000, 0]);
    machine.interrupts.deliverStep(b, 31);
    expect(machine.interrupts.take(b)).toBe(31);
    expect(bits()).toBe(0);
  });
});
