/**
 * Programs that run on any platform and any host, by name: a module of the kind that a job points to. Each
 * checks itself and throws if something is wrong, which ends its run with an error.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Job } from '../../src/hosts/job.ts';
import type { AddressSpace } from '../../src/kernel/address-space.ts';
import { CrossCalls } from '../../src/kernel/cross-call.ts';
import { Kernel, type KernelLayout, layKernel, READ_WRITE, USED } from '../../src/kernel/kernel.ts';
import { type SpinLock, spinLock, spinUnlock } from '../../src/kernel/spin-lock.ts';
import { type Cpu, SegmentationFault, type Steps, type Vectors } from '../../src/machine/cpu.ts';
import type { Machine } from '../../src/machine/machine.ts';
import type { Platform } from '../../src/machine/platform.ts';
import { TLBI_VA } from '../../src/machine/tlb.ts';
import type { Parameters, ProgramContext, StartedProgram, Workload } from '../../src/program/workload.ts';

const BASE = 0x4000_0000;
const PAGE = 4096;
const ROUNDS = 20;

interface Layout {
  readonly kernel: KernelLayout;
  readonly lock: SpinLock;
  /** Lines for the programs, a dozen of them, and one for each CPU. */
  readonly lines: readonly number[];
  readonly own: readonly number[];
}

interface Room {
  readonly machine: Machine;
  readonly kernel: Kernel;
  readonly layout: Layout;
  readonly space: AddressSpace;
  readonly cpus: number;
  readonly context: ProgramContext<Layout>;
}

type Body = (cpu: Cpu, room: Room) => Steps;

interface Entry {
  readonly body: Body;
  /** Instead of the kernel's. */
  readonly vectors?: (cpu: Cpu, room: Room) => Vectors;
  /** It has none. */
  readonly isDeaf?: boolean;
  readonly finish?: (machine: Machine, layout: Layout) => void;
}

/** Collects this thread's garbage; nothing else says whether a buffer is still held by somebody. */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

function check(what: string, got: unknown, expected: unknown): void {
  if (got !== expected) throw new Error(`${what}: got ${got}, expected ${expected}`);
}

/** What a coherent reader finds in memory when all programs have ended. */
function newest(machine: Machine, pa: number): number {
  return machine.port.load(machine.state.cpus[0], pa, pa, 4, 0);
}

/** The kernel's own handlers, but for interrupts. */
function withInterrupts(room: Room, interrupt: (cpu: Cpu, vector: number) => Steps): Vectors {
  const { kernel } = room;
  return {
    fault: (cpu, fault) => kernel.fault(cpu, fault),
    refill: (cpu, fault) => kernel.refill(cpu, fault),
    interrupt,
  };
}

function* sum(cpu: Cpu, pa: number): Steps {
  const old = yield* cpu.loadPhysical(pa);
  yield* cpu.compute(3);
  yield* cpu.storePhysical(pa, old + 1);
}

/** Every CPU takes the address space; CPU 0 has mapped its pages first. */
function* enter(cpu: Cpu, { kernel, space, layout, cpus }: Room, pages: number): Steps {
  yield* kernel.switchMm(cpu, space);
  if (cpu.index === 0) yield* kernel.mmap(cpu, space, BASE, pages, READ_WRITE);
  yield* cpu.modifyPhysical(layout.lines[0], (n) => n + 1);
  yield* cpu.waitUntil(layout.lines[0], (n) => n === cpus, { why: 'everybody' });
}

function* segfaults(cpu: Cpu, steps: Steps<unknown>): Steps<boolean> {
  try {
    yield* steps;
    return false;
  } catch (error) {
    if (!(error instanceof SegmentationFault)) throw error;
    check('the CPU in the fault', error.message.startsWith(`CPU ${cpu.index}: `), true);
    return true;
  }
}

const programs: Readonly<Record<string, Entry>> = {
  /** Message passing: whoever sees the flag sees the data. */
  message: {
    *body(cpu, { layout }) {
      const [data, flag] = layout.lines;
      if (cpu.index === 0) {
        yield* cpu.storePhysical(data, 42);
        yield* cpu.dmb();
        yield* cpu.storePhysical(flag, 1);
        return;
      }
      yield* cpu.waitUntil(flag, (n) => n === 1, { why: 'the flag', from: 0 });
      check('the data behind the flag', yield* cpu.loadPhysical(data), 42);
    },
  },

  counter: {
    *body(cpu, { layout }) {
      for (let i = 0; i < ROUNDS; i++) yield* cpu.modifyPhysical(layout.lines[0], (n) => n + 1);
    },
    finish: (machine, layout) =>
      check('the counter', newest(machine, layout.lines[0]), ROUNDS * machine.options.cpus),
  },

  /** A counter that nothing but the lock keeps whole. */
  locked: {
    *body(cpu, { layout }) {
      for (let i = 0; i < ROUNDS; i++) {
        yield* spinLock(cpu, layout.lock, false);
        yield* sum(cpu, layout.lines[0]);
        yield* spinUnlock(cpu, layout.lock, false);
      }
    },
    finish: (machine, layout) =>
      check('the counter', newest(machine, layout.lines[0]), ROUNDS * machine.options.cpus),
  },

  /** Without a lock increments get lost: what shows that the test before this one says something. */
  unlocked: {
    *body(cpu, { layout }) {
      for (let i = 0; i < ROUNDS; i++) yield* sum(cpu, layout.lines[0]);
    },
    finish: (machine, layout) =>
      check('the counter', newest(machine, layout.lines[0]), ROUNDS * machine.options.cpus),
  },

  /** A token goes round; nobody polls. */
  token: {
    *body(cpu, { layout, cpus }) {
      const [turn] = layout.lines;
      for (let i = 0; i < ROUNDS; i++) {
        const mine = i * cpus + cpu.index;
        yield* cpu.waitUntil(turn, (n) => n === mine, { why: `turn ${mine}` });
        yield* cpu.storePhysical(turn, mine + 1);
      }
    },
    finish: (machine, layout) =>
      check('turns', newest(machine, layout.lines[0]), ROUNDS * machine.options.cpus),
  },

  /** What one CPU stores in a page another one loads; after munmap nobody does. */
  mapping: {
    *body(cpu, room) {
      const { kernel, space, layout, cpus } = room;
      yield* enter(cpu, room, 2);
      const va = BASE + cpu.index * 4;
      yield* cpu.store(va, cpu.index + 100);
      yield* cpu.store(BASE + PAGE + cpu.index, cpu.index, 1);
      yield* cpu.dsb();
      yield* cpu.modifyPhysical(layout.lines[1], (n) => n + 1);
      yield* cpu.waitUntil(layout.lines[1], (n) => n === cpus, { why: 'the stores' });
      const next = (cpu.index + 1) % cpus;
      check('the neighbour’s word', yield* cpu.load(BASE + next * 4), next + 100);
      check('the neighbour’s byte', yield* cpu.load(BASE + PAGE + next, 1), next);
      yield* cpu.modifyPhysical(layout.lines[2], (n) => n + 1);
      if (cpu.index === 0) {
        yield* cpu.waitUntil(layout.lines[2], (n) => n === cpus, { why: 'the loads' });
        yield* kernel.mprotect(cpu, space, BASE, 2, USED);
        yield* cpu.storePhysical(layout.lines[3], 1);
      }
      yield* cpu.waitUntil(layout.lines[3], (n) => n >= 1, { why: 'the protection' });
      check('a store to a protected page faults', yield* segfaults(cpu, cpu.store(va, 1)), true);
      check('and changes nothing', yield* cpu.load(va), cpu.index + 100);
      yield* cpu.modifyPhysical(layout.lines[4], (n) => n + 1);
      if (cpu.index === 0) {
        yield* cpu.waitUntil(layout.lines[4], (n) => n === cpus, { why: 'the faults' });
        yield* kernel.munmap(cpu, space, BASE, 2);
        yield* cpu.storePhysical(layout.lines[5], 1);
      }
      yield* cpu.waitUntil(layout.lines[5], (n) => n === 1, { why: 'the unmapping' });
      for (const at of [va, BASE + PAGE]) {
        check('an unmapped page faults', yield* segfaults(cpu, cpu.load(at)), true);
      }
    },
  },

  /** Each call runs once on each target, and is done when the caller goes on. */
  calls: {
    *body(cpu, room) {
      const { layout, cpus } = room;
      const calls = callsOf(room);
      const targets = layout.own.map((_, i) => i).filter((i) => i !== cpu.index);
      for (let i = 1; i <= 5; i++) {
        yield* calls.call(cpu, targets, 0, cpu.index, i, 0);
        for (const target of targets) {
          // A target's line has a word for each caller.
          check('calls done', yield* cpu.loadPhysical(layout.own[target] + cpu.index * 4), i);
        }
      }
      check('there were targets', targets.length, cpus - 1);
    },
    vectors: (_, room) => withInterrupts(room, (cpu) => callsOf(room).handle(cpu)),
  },

  /** Sleeps until interrupted; the handler says so in memory. */
  sleep: {
    *body(cpu, { layout, cpus }) {
      const own = layout.own[cpu.index];
      if (cpu.index === 0) {
        for (let target = 1; target < cpus; target++) yield* cpu.sendIpi(target, 7);
        return;
      }
      cpu.maskInterrupts();
      while ((yield* cpu.loadPhysical(own)) === 0) {
        yield* cpu.wfi();
        cpu.unmaskInterrupts();
        yield* cpu.compute(1);
        cpu.maskInterrupts();
      }
      cpu.unmaskInterrupts();
    },
    vectors: (_, room) =>
      withInterrupts(room, function* (cpu, vector) {
        check('the vector', vector, 7);
        yield* cpu.storePhysical(room.layout.own[cpu.index], 1);
      }),
  },

  /** CPU 0 sleeps with interrupts masked, again and again, and is woken by CPU 1, which then waits for it. */
  naps: {
    *body(cpu, { layout }) {
      const [nap] = layout.lines;
      if (cpu.index === 1) {
        for (let i = 1; i <= ROUNDS; i++) {
          yield* cpu.waitUntil(nap, (n) => n === i, { why: `nap ${i}` });
          yield* cpu.sendIpi(0, 7);
        }
      }
      if (cpu.index !== 0) return;
      cpu.maskInterrupts();
      for (let i = 1; i <= ROUNDS; i++) {
        yield* cpu.storePhysical(nap, i);
        yield* cpu.wfi();
        cpu.unmaskInterrupts();
        yield* cpu.compute(1);
        cpu.maskInterrupts();
      }
    },
    vectors: (_, room) => withInterrupts(room, function* () {}),
  },

  /** Stores of each CPU stand in the way of the broadcasts of all others, and queues are short. */
  storm: {
    *body(cpu, { layout }) {
      for (let i = 0; i < 4 * ROUNDS; i++) {
        yield* cpu.storePhysical(layout.own[cpu.index] + (i & 7) * 4, i);
        yield* cpu.tlbiBroadcast(TLBI_VA, BASE + i * PAGE, 1, 1);
      }
      yield* cpu.dsb();
    },
  },

  /** Two CPUs wait for each other, the rest is done. */
  cycle: {
    *body(cpu, { layout }) {
      if (cpu.index > 1) return;
      const other = 1 - cpu.index;
      yield* cpu.waitUntil(layout.lines[other], (n) => n === 1, { why: `CPU ${other}`, from: other });
    },
  },

  /** Three CPUs call each the next one with interrupts masked, the rest is done. */
  ring: {
    *body(cpu, room) {
      if (cpu.index > 2) return;
      cpu.maskInterrupts();
      yield* cpu.modifyPhysical(room.layout.lines[0], (n) => n + 1);
      yield* cpu.waitUntil(room.layout.lines[0], (n) => n === 3, { why: 'the others' });
      yield* callsOf(room).call(cpu, [(cpu.index + 1) % 3], 0, cpu.index, 1, 0);
    },
    vectors: (_, room) => withInterrupts(room, (cpu) => callsOf(room).handle(cpu)),
  },

  /** Two CPUs wait for each other’s handler, and nobody sends the interrupts. */
  lost: {
    *body(cpu, { layout }) {
      if (cpu.index > 1) return;
      const handler = 1 - cpu.index;
      yield* cpu.waitUntil(layout.lines[handler], (n) => n === 1, { why: `CPU ${handler}`, handler });
    },
    vectors: (_, room) => withInterrupts(room, function* () {}),
  },

  /** Nobody has interrupt handlers. CPU 0 is sent one nevertheless, and gets its word much later in simulated time. */
  deaf: {
    isDeaf: true,
    *body(cpu, { layout }) {
      const [word] = layout.lines;
      if (cpu.index === 0) yield* cpu.waitUntil(word, (n) => n === 1, { why: 'the word', from: 1 });
      if (cpu.index !== 1) return;
      yield* cpu.sendIpi(0, 7);
      for (let i = 0; i < 100; i++) yield* cpu.compute(1000);
      yield* cpu.storePhysical(word, 1);
      yield* cpu.dsb();
      yield* cpu.sendIpi(0, 7);
      for (let i = 0; i < 100; i++) yield* cpu.compute(1000);
    },
  },

  /** The same, but the word never comes: each waits for the other. */
  'deaf-cycle': {
    isDeaf: true,
    *body(cpu, { layout }) {
      if (cpu.index > 1) return;
      const other = 1 - cpu.index;
      yield* cpu.sendIpi(other, 7);
      yield* cpu.waitUntil(layout.lines[0], (n) => n === 1, { why: `CPU ${other}`, from: other });
    },
  },

  /** Everybody waits for what nobody will do. */
  nobody: {
    *body(cpu, { layout }) {
      yield* cpu.waitUntil(layout.lines[0], (n) => n === 1, { why: 'nobody' });
    },
  },

  forever: {
    *body(cpu) {
      for (;;) yield* cpu.compute(1);
    },
  },

  /** Never comes back to the host. */
  stuck: {
    *body(cpu) {
      yield* cpu.compute(1);
      if (cpu.index === 1) for (;;);
    },
  },

  throws: {
    *body(cpu) {
      yield* cpu.compute(1);
      if (cpu.index === 1) throw new Error('a mistake of the program');
      for (;;) yield* cpu.compute(1);
    },
  },

  /** Dies in a way that no program should: its thread with it. */
  exits: {
    *body(cpu) {
      yield* cpu.compute(1);
      if (cpu.index === 1) process.exit(3);
      for (;;) yield* cpu.compute(1);
    },
  },

  nothing: { *body() {} },

  /** Nothing, but without the garbage of earlier runs. */
  collect: {
    *body() {
      collectGarbage();
    },
  },
};

function callsOf({ layout, kernel }: Room): CrossCalls {
  return new CrossCalls(layout.kernel.calls, kernel.uncached, [
    function* (cpu, caller, _, __) {
      yield* sum(cpu, layout.own[cpu.index] + caller * 4);
    },
  ]);
}

export function createWorkload(parameters: Parameters): Workload<Layout> {
  const entry = programs[String(parameters.program)];
  if (!entry) throw new Error(`no program '${parameters.program}'`);
  return {
    setup(machine) {
      const { kernel, prepared } = layKernel(machine, ['process'], (boot) => ({
        lock: { pa: boot.line(), ghost: 100, name: 'test' },
        lines: Array.from({ length: 12 }, () => boot.line()),
        own: Array.from({ length: machine.options.cpus }, () => boot.bytes(512, 512)),
      }));
      return { kernel, ...prepared };
    },
    start: (context) => start(context, entry),
    finish: (machine, layout) => entry.finish?.(machine, layout),
  };
}

function start(context: ProgramContext<Layout>, entry: Entry): StartedProgram {
  const { machine, checker, cpu, layout } = context;
  const policy = { mechanism: machine.platform.shootdown, barrierBefore: true, barrierAfter: true } as const;
  const kernel = new Kernel(machine, layout.kernel, policy, checker);
  const space = layout.kernel.spaces[0];
  const room: Room = { machine, kernel, layout, space, cpus: machine.options.cpus, context };
  const vectors = entry.isDeaf === true ? null : (entry.vectors?.(cpu, room) ?? kernel);
  return { program: entry.body(cpu, room), vectors };
}

/** A job for one of these programs. */
export function jobOf(program: string, platform: Platform, cpus: number, changes: Partial<Job> = {}): Job {
  return {
    platform,
    cpus,
    source: { module: import.meta.url, parameters: { program } },
    seed: 1,
    checked: true,
    quantumCycles: 10_000,
    maxSteps: 2_000_000,
    maxSeconds: 30,
    ...changes,
  };
}
