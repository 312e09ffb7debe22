/** Tiny machines, tiny programs and a scheduler that does as it is told. */
import type { Checker } from '../../src/checker/checker.ts';
import type { Job, RunResult } from '../../src/hosts/job.ts';
import { runLockstep } from '../../src/hosts/lockstep.ts';
import { RoundRobin } from '../../src/hosts/schedulers/round-robin.ts';
import type { Scheduler, SchedulerView } from '../../src/hosts/schedulers/scheduler.ts';
import { PTE } from '../../src/machine/attributes.ts';
import { type Cache, EXCLUSIVE, INVALID, MODIFIED, OWNED, SHARED } from '../../src/machine/cache.ts';
import { BLOCK, Cpu, type Steps, type Vectors } from '../../src/machine/cpu.ts';
import { Machine, type MachineOptions } from '../../src/machine/machine.ts';
import {
  type CostName,
  type Platform,
  type PlatformInput,
  platformSchema,
} from '../../src/machine/platform.ts';
import { definePlatform } from '../../src/platforms/define.ts';
import { neoverse } from '../../src/platforms/neoverse.ts';
import type { Workload } from '../../src/program/workload.ts';

type Change = (platform: PlatformInput) => void;

/** A copy of a platform with something done to it, held to the same checks as a user's file. */
export function changed(base: Platform, change: Change): Platform {
  const copy = structuredClone(base) as PlatformInput;
  change(copy);
  return definePlatform(copy);
}

/** Each cost that every machine has is a prime of its own, so that a sum of cycles tells what was charged. */
function primes(): Record<CostName, number> {
  const names = Object.entries(platformSchema.shape.costs.shape)
    .filter(([, schema]) => !schema.safeParse(undefined).success)
    .map(([name]) => name as CostName);
  const found: number[] = [];
  for (let n = 2; found.length < names.length; n++) if (found.every((p) => n % p !== 0)) found.push(n);
  return Object.fromEntries(names.map((name, i) => [name, found[i]])) as Record<CostName, number>;
}

/**
 * Two sets of two lines of 16 bytes in each L1, nothing behind them but memory, two levels of tables,
 * eight TLB entries, no write buffer, no agents.
 */
export function tiny(change: Change = () => {}): Platform {
  const base: PlatformInput = {
    ...(structuredClone(neoverse) as PlatformInput),
    name: 'tiny',
    title: 'tiny',
    memoryBytes: 1 << 18,
    lineBytes: 16,
    l1d: { sizeBytes: 64, ways: 2, organisation: 'pipt' },
    l1i: { sizeBytes: 64, ways: 2, organisation: 'pipt', snooped: true, fillsFrom: 'data-caches' },
    maintenance: { byAddress: 'local', icache: 'local', setWayReachesShared: false },
    mmu: {
      levels: [
        { bits: 10, leaf: true },
        { bits: 10, leaf: true },
      ],
      entryBytes: 4,
      refill: 'hardware',
      walkerReads: 'l1',
      accessedDirty: 'ignored',
      tlb: {
        data: { entries: 8, ways: 8 },
        asidBits: 8,
        multipleMatch: 'first',
      },
      pageTables: 'cached',
      splitContextSwitch: false,
    },
    shootdown: 'cross-call',
    writeBufferEntries: 0,
    agents: [],
    costs: primes(),
    sources: {},
  };
  for (const key of ['l2', 'shared', 'outer', 'broadcast', 'virtualization'] as const) delete base[key];
  change(base);
  return definePlatform(base);
}

/** Adds hardware broadcast of TLB invalidates to a platform; `late` ones wait for the interconnect. */
export function broadcasting(late: boolean, queueEntries = 4): Change {
  return (p) => {
    p.shootdown = 'broadcast';
    p.broadcast = { scope: 'all', rangeOperations: true, queueEntries };
    if (late) p.agents.push('broadcast');
  };
}

export function machineOf(platform: Platform, cpus = 2, options: Partial<MachineOptions> = {}): Machine {
  return Machine.create(platform, { cpus, checked: false, threaded: false, ...options }, 1);
}

/** Takes all steps of one CPU at once, with nobody else moving. @throws Error if it would wait */
export function complete<T>(steps: Steps<T>): T {
  for (;;) {
    const { value, done } = steps.next();
    if (done === true) return value;
    if (value === BLOCK) throw new Error('the CPU waits');
  }
}

/** Takes at most `count` steps. Returns true if the program has ended. */
export function advance(steps: Steps<unknown>, count: number): boolean {
  for (let i = 0; i < count; i++) if (steps.next().done === true) return true;
  return false;
}

/** State of a line in a cache, as the letter it is known by. */
export function letter(cache: Cache, pa: number): string {
  const slot = cache.findPhysical(pa >>> cache.lineShift, -1);
  const state = slot < 0 ? INVALID : cache.state[slot];
  return { [INVALID]: 'I', [SHARED]: 'S', [OWNED]: 'O', [EXCLUSIVE]: 'E', [MODIFIED]: 'M' }[state] ?? '?';
}

/** Maps pages of 4 KB before anything runs; tables of two levels of 10 bits, from `tables` upwards. */
export class Mapper {
  private readonly machine: Machine;
  private next: number;
  readonly root: number;

  constructor(machine: Machine, tables = 0x20000) {
    this.machine = machine;
    this.root = tables;
    this.next = tables + 4096;
  }

  /** Address of the last-level entry for a page; builds the table above it. */
  entryAt(va: number): number {
    const { machine } = this;
    const upper = this.root + (va >>> 22) * 4;
    if ((machine.peek(upper) & PTE.VALID) === 0) {
      machine.poke(upper, (this.next | PTE.VALID | PTE.TABLE) >>> 0);
      this.next += 4096;
    }
    return ((machine.peek(upper) & 0xffff_f000) + ((va >>> 12) & 1023) * 4) >>> 0;
  }

  map(va: number, pa: number, bits: number = PTE.WRITE): number {
    const at = this.entryAt(va);
    this.machine.poke(at, (pa | bits | PTE.VALID) >>> 0);
    return at;
  }
}

export type Program = (cpu: Cpu, machine: Machine, checker: Checker | null) => Steps;

export interface LabOptions {
  readonly scheduler?: Scheduler;
  readonly checked?: boolean;
  readonly keepGoing?: boolean;
  readonly seed?: number;
  readonly strict?: boolean;
  /** So many of the programs, the last ones, are those of devices. */
  readonly devices?: number;
  readonly maxSteps?: number;
  readonly maxSeconds?: number;
  readonly vectors?: (cpu: Cpu) => Vectors;
  setup?(machine: Machine): void;
  finish?(machine: Machine): void;
}

export interface LabRun {
  readonly result: RunResult;
  readonly machine: Machine;
}

/** Runs a program on each CPU of a new machine, in lockstep. */
export function runPrograms(
  platform: Platform,
  programs: readonly Program[],
  options: LabOptions = {},
): LabRun {
  let built: Machine | undefined;
  const workload: Workload<null> = {
    setup: (machine) => {
      built = machine;
      options.setup?.(machine);
      return null;
    },
    start: ({ cpu, machine, checker }) => ({
      program: programs[cpu.index](cpu, machine, checker),
      vectors: options.vectors?.(cpu) ?? null,
    }),
    finish: (machine) => options.finish?.(machine),
  };
  const job: Job = {
    platform,
    cpus: programs.length,
    devices: options.devices ?? 0,
    strict: options.strict ?? false,
    source: { module: '', parameters: {} },
    seed: options.seed ?? 1,
    checked: options.checked ?? true,
    keepGoing: options.keepGoing ?? false,
    quantumCycles: 10_000,
    maxSteps: options.maxSteps ?? 1_000_000,
    maxSeconds: options.maxSeconds ?? 60,
  };
  const result = runLockstep(job, workload, options.scheduler ?? new RoundRobin());
  if (!built) throw new Error('the run did not set its machine up');
  return { result, machine: built };
}

/** Vectors that repair nothing; `interrupt` may be given. */
export function vectorsWith(interrupt: (cpu: Cpu, vector: number) => Steps = function* () {}): Vectors {
  return {
    interrupt,
    *fault() {
      return false;
    },
    *refill() {
      return false;
    },
  };
}

/**
 * Makes the given choices, then goes on with CPUs in turn. A choice that is not enabled is a mistake in
 * the test: it throws, and the run ends with an error.
 */
export class Scripted implements Scheduler {
  readonly name = 'scripted';
  private readonly choices: readonly number[];
  private readonly after = new RoundRobin();
  private at = 0;

  constructor(choices: readonly number[]) {
    this.choices = choices;
  }

  next(view: SchedulerView): number {
    if (this.at === this.choices.length) return this.after.next(view);
    const choice = this.choices[this.at++];
    if (choice < 64 && !view.runners[choice].isReady()) {
      throw new Error(`choice ${this.at - 1} of the script: CPU ${choice} is not ready`);
    }
    return choice;
  }
}

/** The CPUs of a machine as programs see them. */
export function cpusOf(machine: Machine): Cpu[] {
  return machine.state.cpus.map((_, i) => new Cpu(machine, i));
}
