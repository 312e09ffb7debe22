/**
 * A litmus test as a workload: the test again and again on one machine, its memory, tables and TLBs put back
 * in between, the threads let loose together after a random while. So is hardware tested (Alglave, Maranget,
 * Sarkar, Sewell, "Litmus: running tests against hardware", TACAS 2011).
 */
import { CLEAN } from '../../machine/cache-maintenance.ts';
import type { Cpu, Steps, Vectors } from '../../machine/cpu.ts';
import type { Machine } from '../../machine/machine.ts';
import { STEP } from '../../machine/steps.ts';
import { TLBI_ALL } from '../../machine/tlb.ts';
import { nextRandom } from '../../machine/xorshift.ts';
import type { Parameters, ProgramContext, Workload } from '../../program/workload.ts';
import { neoverseLitmus } from '../core/profile.ts';
import { Program } from '../core/program.ts';
import { ENTRY_BIT } from '../core/words.ts';
import { parseLitmus } from '../parse-litmus.ts';
import { Encoding, FAULTS, lay, type Places } from './place.ts';
import { LitmusThread } from './thread.ts';

/** Looks at the barrier before a CPU goes to sleep over it. */
const SPINS = 200;
/** Longest head start of a thread, in steps that do nothing. */
const LONGEST_DELAY = 24;

/** @param parameters text: the test; runs: how often */
export function createWorkload(parameters: Parameters): Workload<Places> {
  const program = new Program(parseLitmus(String(parameters.text)), neoverseLitmus);
  const runs = Number(parameters.runs);
  return {
    setup: (machine) => lay(machine, program, runs),
    start: (context) => ({ program: new Tester(context, program, runs).run(), vectors: NO_KERNEL }),
    output: (machine, { rowsPa, rowWords }) => {
      const from = rowsPa >>> 2;
      return machine.state.memory.slice(from, from + rowWords * runs);
    },
  };
}

/** Faults are the test's own affair. */
const NO_KERNEL: Vectors = {
  *interrupt() {},
  *fault() {
    return false;
  },
  *refill() {
    return false;
  },
};

class Tester {
  private readonly cpu: Cpu;
  private readonly machine: Machine;
  private readonly program: Program;
  private readonly runs: number;
  private readonly places: Places;
  private readonly encoding: Encoding;
  private readonly thread: LitmusThread;
  private readonly random: Int32Array;
  private meetings = 0;

  constructor({ cpu, machine, layout, seed }: ProgramContext<Places>, program: Program, runs: number) {
    this.cpu = cpu;
    this.machine = machine;
    this.program = program;
    this.runs = runs;
    this.places = layout;
    this.encoding = new Encoding(layout, machine.platform.lineBytes);
    this.thread = new LitmusThread(cpu, program, this.encoding);
    this.random = Int32Array.of((Math.imul(seed, 2_654_435) ^ Math.imul(cpu.index + 1, 40_503)) | 1);
    for (let i = 0; i < 4; i++) this.below(2);
  }

  *run(): Steps {
    for (let run = 0; run < this.runs; run++) {
      if (this.cpu.index === 0) yield* this.reset();
      yield* this.meet();
      yield* this.warm();
      yield* this.meet();
      for (let delay = this.below(LONGEST_DELAY); delay > 0; delay--) yield STEP;
      const ending = yield* this.thread.run();
      yield* this.cpu.dsb();
      this.report(run);
      yield* this.meet();
      if (this.cpu.index === 0) yield* this.collect(run, ending === 'ended');
      else if (ending !== 'ended') this.write(run, this.places.rowWords - 1, -1);
    }
  }

  private below(limit: number): number {
    return nextRandom(this.random, 0) % limit;
  }

  /** Waits until all CPUs have come here. */
  private *meet(): Steps {
    const { cpu, places } = this;
    const { cpus } = this.machine.options;
    const all = ++this.meetings * cpus;
    yield* cpu.modifyPhysical(places.barrierPa, (n) => n + 1);
    for (let n = 0; n < SPINS; n++) {
      if ((yield* cpu.loadPhysical(places.barrierPa)) >= all) return;
    }
    yield* cpu.waitUntil(places.barrierPa, (n) => n >= all, { why: 'the other threads of the test' });
  }

  /** Puts back what the last run has changed. */
  private *reset(): Steps {
    const { cpu, program, encoding } = this;
    const { locations, initial, code, codeCells, firstEntry } = program;
    const { caches } = this.machine;
    for (const [index, { cell, count, bytes }] of locations.all.entries()) {
      for (let element = 0; element < count; element++) {
        yield* cpu.storePhysical(encoding.dataPa(index, element * bytes), initial[cell + element] >>> 0);
      }
      yield* cpu.storePhysical(encoding.entryPa(index), encoding.entryOf(initial[firstEntry + index]));
    }
    for (let pc = 0; pc < code.length; pc++) {
      if (codeCells[pc] < 0) continue;
      const [va, pa] = [encoding.codeVa(pc), encoding.codePa(pc)];
      yield* cpu.storePhysical(pa, initial[codeCells[pc]] >>> 0);
      yield* cpu.maintainPhysical(pa, CLEAN, 'unification');
      yield STEP;
      caches.fetchByAddressStep(cpu.hw, va, pa);
    }
    yield* cpu.dsb();
    yield* cpu.tlbiBroadcast(TLBI_ALL, 0, 1, 0);
    yield* cpu.dsb();
  }

  /** The TLB and the instruction cache may know anything that was true before the test began. */
  private *warm(): Steps {
    const { cpu, program, encoding } = this;
    const { locations, initial, code, codeCells, firstEntry } = program;
    const usable = ENTRY_BIT.VALID | ENTRY_BIT.ACCESSED;
    for (let location = 0; location < locations.all.length; location++) {
      if ((initial[firstEntry + location] & usable) !== usable || this.below(2) === 0) continue;
      yield* cpu.load(encoding.dataVa(location, 0));
    }
    for (let pc = 0; pc < code.length; pc++) {
      if (codeCells[pc] >= 0 && this.below(2) === 0) yield* cpu.fetch(encoding.codeVa(pc));
    }
  }

  /** Into the row of the run, past the simulated memory: nobody simulated looks at it. */
  private write(run: number, word: number, value: number): void {
    const { rowsPa, rowWords } = this.places;
    this.machine.state.memory[(rowsPa >>> 2) + run * rowWords + word] = value;
  }

  private report(run: number): void {
    const { thread, cpu } = this;
    const { registers, faults } = thread;
    const from = cpu.index * (registers.length + FAULTS);
    for (let i = 0; i < registers.length; i++) this.write(run, from + i, registers[i]);
    for (const [i, fault] of faults.entries()) this.write(run, from + registers.length + i, fault);
  }

  /** What memory holds at the end of a run. */
  private *collect(run: number, isWhole: boolean): Steps {
    const { cpu, program, encoding, places } = this;
    const { locations, firstEntry, codeCells, layout, registers } = program;
    const from = layout.threads * (registers.count + FAULTS);
    for (const [index, { cell, count, bytes }] of locations.all.entries()) {
      for (let element = 0; element < count; element++) {
        const value = yield* cpu.loadPhysical(encoding.dataPa(index, element * bytes));
        this.write(run, from + cell + element, value | 0);
      }
      const entry = yield* cpu.loadPhysical(encoding.entryPa(index));
      this.write(run, from + firstEntry + index, encoding.wordOfEntry(entry >>> 0));
    }
    for (const [pc, cell] of codeCells.entries()) {
      if (cell >= 0) this.write(run, from + cell, (yield* cpu.loadPhysical(encoding.codePa(pc))) | 0);
    }
    if (!isWhole) this.write(run, places.rowWords - 1, -1);
  }
}
