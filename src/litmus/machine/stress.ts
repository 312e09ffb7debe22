/** Runs a litmus test on worker threads or in lockstep, many times, and counts how the runs ended. */

import type { Job, RunResult } from '../../hosts/job.ts';
import { runLockstep } from '../../hosts/lockstep.ts';
import { RandomWalk } from '../../hosts/schedulers/random.ts';
import type { ThreadsHost } from '../../hosts/threads.ts';
import type { Platform } from '../../machine/platform.ts';
import { parsePlatform } from '../../machine/platform-checks.ts';
import { neoverse } from '../../platforms/neoverse.ts';
import type { Cell, LitmusTest } from '../ast.ts';
import { neoverseLitmus } from '../core/profile.ts';
import { Program } from '../core/program.ts';
import type { Fault, FinalState, LitmusResult } from '../engine.ts';
import { LitmusError } from '../litmus-error.ts';
import { FAULTS, faultParts, rowWordsOf } from './place.ts';
import { FAULT_TYPE } from './thread.ts';
import { createWorkload } from './workload.ts';

export interface StressOptions {
  readonly runs: number;
  /** Of what is random about it: head starts, what TLBs know at first, and on lockstep the schedule. */
  readonly seed: number;
  /** Undefined: in lockstep. */
  readonly threads: ThreadsHost | undefined;
}

const MEMORY_BYTES = 1 << 23;
const MOST_SECONDS = 120;

/**
 * Runs the test `runs` times. Runs whose threads did not come to an end are left out.
 * @param text of the test, which each thread reads for itself
 * @throws LitmusError for what the machine cannot run
 * @throws Error if a run failed
 */
export async function stressTest(
  test: LitmusTest,
  text: string,
  { runs, seed, threads }: StressOptions,
): Promise<LitmusResult> {
  const program = new Program(test, neoverseLitmus);
  refuse(program);
  const job: Job = {
    platform: platformFor(program),
    cpus: test.threads.length,
    source: { module: new URL(workloadModule(), import.meta.url).href, parameters: { text, runs } },
    seed,
    checked: false,
    quantumCycles: 1e9,
    maxSteps: Number.MAX_SAFE_INTEGER,
    maxSeconds: MOST_SECONDS,
  };
  const result = threads
    ? await threads.run(job)
    : runLockstep(job, createWorkload(job.source.parameters), new RandomWalk(seed));
  if (result.outcome !== 'finished') throw new Error(`${test.name}: ${result.error ?? result.outcome}`);
  return count(program, runs, result);
}

/** This file's own extension: `.ts` from source, `.js` when built. */
function workloadModule(): string {
  return `./workload${import.meta.url.slice(import.meta.url.lastIndexOf('.'))}`;
}

/** @throws LitmusError */
function refuse(program: Program): void {
  const { test, locations, user, code } = program;
  const place = { line: 1, column: 1 };
  if (test.architecture !== 'AArch64')
    throw new LitmusError(place, 'only AArch64 tests run on the machine: leave --host out');
  if (Object.keys(test.headers).some((key) => key.toUpperCase() === 'TTHM')) {
    throw new LitmusError(place, 'hardware management of access flags (TTHM) does not run on the machine');
  }
  if (user.includes(true)) {
    throw new LitmusError(place, 'threads at EL0 do not run on the machine, which has one privilege level');
  }
  const exclusives = code.initial.some((number) => code.operation(number).isExclusive);
  if (exclusives && test.initial.some(({ value }) => value.kind === 'entry-address')) {
    throw new LitmusError(
      place,
      'exclusive accesses to table entries do not run on the machine: use SWP or CAS',
    );
  }
  if (locations.all.some(({ bytes }) => bytes % 4 !== 0)) {
    throw new LitmusError(place, 'locations of less than 4 bytes do not run on the machine: use int');
  }
}

/** A Neoverse whose instruction caches are as coherent as the test says, and whose faults are the test's. */
function platformFor({ isFetchCoherent, isDataCoherent }: Program): Platform {
  const { mmu, l1i } = neoverse;
  const changed = {
    ...neoverse,
    name: 'neoverse-litmus',
    memoryBytes: MEMORY_BYTES,
    l1i: {
      ...l1i,
      snooped: isFetchCoherent,
      fillsFrom: isDataCoherent ? 'data-caches' : 'unification',
    },
    mmu: { ...mmu, accessedDirty: 'software', tlb: { ...mmu.tlb, multipleMatch: 'first' } },
  };
  const parsed = parsePlatform(changed, 'the platform of litmus tests');
  if ('problems' in parsed) throw new Error(parsed.problems.join('\n'));
  return parsed.platform;
}

function count(program: Program, runs: number, { output }: RunResult): LitmusResult {
  const rowWords = rowWordsOf(program);
  const rows = output as Int32Array;
  const counts = new Map<string, { row: Int32Array; count: number }>();
  for (let run = 0; run < runs; run++) {
    const row = rows.subarray(run * rowWords, (run + 1) * rowWords);
    if (row[rowWords - 1] !== 0) continue;
    const key = row.join();
    const known = counts.get(key);
    if (known) known.count++;
    else counts.set(key, { row, count: 1 });
  }
  const states = [...counts.values()].map(({ row, count: times }) => ({
    state: stateOf(program, row),
    count: times,
  }));
  return { states, flags: [], explored: runs, complete: false };
}

const TYPES = ['D-MMU:Translation', 'D-MMU:AccessFlag', 'D-MMU:Permission', 'UndefinedInstruction'];

function stateOf(program: Program, row: Int32Array): FinalState {
  const { layout, registers, code, locations } = program;
  const perThread = registers.count + FAULTS;
  const read = (cell: Cell) => {
    if (cell.kind === 'register') {
      const register = registers.find(cell.name);
      return program.valueOf(register < 0 ? 0 : row[cell.thread * perThread + register]);
    }
    return program.valueOf(row[layout.threads * perThread + program.cell(cell)]);
  };
  const faults: Fault[] = [];
  for (let thread = 0; thread < layout.threads; thread++) {
    const from = thread * perThread + registers.count;
    for (const word of row.subarray(from, from + FAULTS)) {
      if (word === 0) continue;
      const { pc, type, location } = faultParts(word);
      const name = type === FAULT_TYPE.UNDEFINED ? undefined : locations.all[location].name;
      faults.push({
        thread,
        labels: code.labels[pc],
        type: TYPES[type],
        ...(name !== undefined && { location: name }),
      });
    }
  }
  return { read, faults };
}
