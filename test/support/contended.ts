/**
 * A run of threads without a checker: CPUs in bulk runs that take lines away from each other, and what must be
 * true of the machine when they have ended, whatever happened when.
 */
import type { Job } from '../../src/hosts/job.ts';
import { PTE } from '../../src/machine/attributes.ts';
import { type Cache, EXCLUSIVE, OWNED } from '../../src/machine/cache.ts';
import type { Cpu, Steps } from '../../src/machine/cpu.ts';
import type { CpuState } from '../../src/machine/cpu-state.ts';
import type { Machine } from '../../src/machine/machine.ts';
import type { Platform } from '../../src/machine/platform.ts';
import { CTL, LOCK_WANTED, REPLY } from '../../src/machine/registers.ts';
import type { MachineState } from '../../src/machine/state.ts';
import type { Parameters, Workload } from '../../src/program/workload.ts';
import { Mapper } from './machine.ts';

const VA = 0x40_0000;
const SHARED_PA = 0x1000;
const OWN_PA = 0x2000;
const READY_PA = 0x1_0000;
const LINES = 24;
/** Word 0 of a shared line counts; word 1 + n is CPU n's, which alone stores to it. */
const COUNTED_LINES = 4;
const ROUNDS = 120;
const SEGMENT = 300;
const ATOMICS = 3;
/** Enough answers for one run. */
const ANSWERS = 500;

interface Layout {
  readonly root: number;
}

/** Rounds of a CPU. */
const NOTE_ROUNDS = 0;

/**
 * A job that goes on until so many snoops have been answered, or for so long: whether a thread meets another
 * in a bulk run is up to the host.
 */
export function contendedJob(
  platform: Platform,
  cpus: number,
  milliseconds: number,
  changes: Partial<Job> = {},
): Job {
  return {
    platform,
    cpus,
    source: { module: import.meta.url, parameters: { milliseconds } },
    seed: 1,
    checked: false,
    quantumCycles: 1e12,
    maxSteps: 1e12,
    maxSeconds: 30,
    ...changes,
  };
}

/** What each thread loads. @public */
export function createWorkload({ milliseconds }: Parameters): Workload<Layout> {
  return {
    setup: (machine) => {
      const mapper = new Mapper(machine);
      mapper.map(VA, SHARED_PA);
      for (let cpu = 0; cpu < machine.options.cpus; cpu++) {
        mapper.map(VA + (1 + cpu) * 4096, OWN_PA + cpu * 4096, PTE.WRITE);
      }
      return { root: mapper.root };
    },
    start: ({ cpu, layout }) => ({ program: program(cpu, layout.root, Number(milliseconds)), vectors: null }),
    finish,
  };
}

function* program(cpu: Cpu, root: number, milliseconds: number): Steps {
  const { cpus } = cpu.machine.options;
  const { lineBytes } = cpu.machine.platform;
  yield* cpu.setContext(root, 1);
  const trace = traceOf(cpu.index, lineBytes);
  yield* cpu.modifyPhysical(READY_PA, (n) => n + 1);
  yield* cpu.waitUntil(READY_PA, (n) => n >= cpus, { why: 'the other CPUs' });
  const end = performance.now() + milliseconds;
  const goesOn = () => answered(cpu.machine) < ANSWERS && performance.now() < end;
  let round = 0;
  for (; round < ROUNDS || goesOn(); round++) {
    const from = (round % ROUNDS) * SEGMENT;
    yield* cpu.touch(trace, from, from + SEGMENT);
    for (let i = 0; i < ATOMICS; i++) {
      yield* cpu.fetchAdd(VA + ((round + i) % COUNTED_LINES) * lineBytes, 1);
    }
  }
  cpu.hw.notes[NOTE_ROUNDS] = round;
}

/** Snoops that CPUs have answered so far. */
function answered({ state }: Machine): number {
  let count = 0;
  for (const { reply } of state.cpus) count += Math.floor(reply[REPLY.FOUND] / REPLY.COUNT_ONE);
  return count;
}

/** Accesses of one CPU: to its word of shared lines, loads of others', and to its own page. */
function traceOf(cpu: number, lineBytes: number): Uint32Array {
  let state = 88_172_645 + cpu * 7919;
  const random = (below: number) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
  return Uint32Array.from({ length: ROUNDS * SEGMENT }, () => {
    if (random(8) > 0) return (VA + (1 + cpu) * 4096 + random(256) * 4) | random(2);
    const line = VA + random(LINES) * lineBytes;
    return random(2) === 0 ? (line + (1 + cpu) * 4) | 1 : line + random(lineBytes / 4) * 4;
  });
}

/** @throws Error that says what is wrong */
function finish(machine: Machine): void {
  const { state, platform } = machine;
  for (const cpu of state.cpus) checkIdle(cpu);
  const lines = state.memory.length / state.wordsPerLine;
  for (let line = 0; line < lines; line++) checkLine(state, line);
  const [reader] = state.cpus;
  const newest = (pa: number) => machine.port.load(reader, pa, pa, 4, 0);
  let sum = 0;
  for (let i = 0; i < COUNTED_LINES; i++) sum += newest(SHARED_PA + i * platform.lineBytes);
  const rounds = state.cpus.map(({ notes }) => notes[NOTE_ROUNDS]);
  const atomics = rounds.reduce((all, own) => all + own, 0) * ATOMICS;
  check('atomics done', sum, atomics);
  for (const { index } of state.cpus) {
    const last = new Map<number, number>();
    const trace = traceOf(index, platform.lineBytes);
    for (let n = 0; n < trace.length; n++) {
      const i = ((rounds[index] % ROUNDS) * SEGMENT + n) % trace.length;
      if (trace[i] & 1) last.set((trace[i] & ~3) - VA, i);
    }
    for (const [offset, value] of last) {
      const pa = offset < 4096 ? SHARED_PA + offset : OWN_PA + offset - 4096;
      check(`last store of CPU ${index} to 0x${offset.toString(16)}`, newest(pa), value);
    }
  }
}

function check(what: string, got: unknown, expected: unknown): void {
  if (got !== expected) throw new Error(`${what}: got ${got}, expected ${expected}`);
}

function checkIdle({ ctl, index }: CpuState): void {
  check(`CPU ${index}: lock`, ctl[CTL.LOCK], 0);
  check(`CPU ${index}: waiting snoops`, ctl[CTL.SNOOPERS], 0);
  check(`CPU ${index}: answers`, ctl[CTL.ANSWERS], 0);
  // That somebody wanted the lock may be left behind; a snoop may not.
  const request = ctl[CTL.REQUEST];
  check(`CPU ${index}: request`, request === LOCK_WANTED ? 0 : request, 0);
}

const wordsAt = (cache: Cache, slot: number) =>
  cache.data.slice(slot * cache.wordsPerLine, (slot + 1) * cache.wordsPerLine).join();

function checkLine(m: MachineState, line: number): void {
  const held: { state: number; words: string }[] = [];
  for (const { l1d, l2, index } of m.cpus) {
    const slot = l1d.findPhysical(line, -1);
    const below = l2 ? l2.lookup(0, line, 0) : -1;
    if (slot < 0 && below < 0) continue;
    const where = `line ${line}, CPU ${index}`;
    check(`${where}: presence`, (m.presentIn(m.presence, line, index >> 5) >>> (index & 31)) & 1, 1);
    if (l2 && slot >= 0) check(`${where}: in the L2 that includes it`, below >= 0, true);
    const state = Math.max(slot < 0 ? 0 : l1d.state[slot], l2 && below >= 0 ? l2.state[below] : 0);
    held.push({ state, words: slot < 0 && l2 ? wordsAt(l2, below) : wordsAt(l1d, slot) });
  }
  if (held.length === 0) return;
  const owners = held.filter(({ state }) => state >= OWNED).length;
  check(`line ${line}: at most one owner`, owners <= 1, true);
  if (held.length === 1) return;
  check(`line ${line}: nobody exclusive`, held.filter(({ state }) => state >= EXCLUSIVE).length, 0);
  check(`line ${line}: different copies`, new Set(held.map(({ words }) => words)).size, 1);
  if (owners === 0) check(`line ${line}: memory side`, wordsBehind(m, line), held[0].words);
}

function wordsBehind(m: MachineState, line: number): string {
  for (const level of [m.shared, m.outer]) {
    const slot = level ? level.lookup(0, line, 0) : -1;
    if (level && slot >= 0) return wordsAt(level, slot);
  }
  return m.memory.slice(line * m.wordsPerLine, (line + 1) * m.wordsPerLine).join();
}
