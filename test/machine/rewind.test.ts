import { describe, expect, it } from 'vitest';
import { Execution } from '../../src/explore/execution.ts';
import type { Job } from '../../src/hosts/job.ts';
import { Lockstep } from '../../src/hosts/lockstep.ts';
import { RandomWalk } from '../../src/hosts/schedulers/random.ts';
import { bootTouched } from '../../src/kernel/boot-user.ts';
import { EventLog } from '../../src/machine/events.ts';
import { Machine } from '../../src/machine/machine.ts';
import { NEVER_READ, Rewind } from '../../src/machine/rewind.ts';
import { TLBI_ALL } from '../../src/machine/tlb.ts';
import { platforms } from '../../src/platforms/index.ts';
import type { Workload } from '../../src/program/workload.ts';
import {
  createWorkload as createRandomWorkload,
  organisationNamed,
  organisations,
  randomCoherencyJob,
} from '../../src/scenarios/random-coherency/index.ts';
import { Random } from '../../src/scenarios/random-coherency/random.ts';
import { machineOf } from '../support/machine.ts';
import { createWorkload as createProgram, jobOf } from '../support/programs.ts';

interface Subject {
  readonly job: Job;
  readonly workload: Workload;
}

/** A kernel program with mappings, faults and flushes. */
function kernelProgram(name: string): Subject {
  const job = jobOf('mapping', platforms[name], Math.min(2, platforms[name].maxCpus));
  return { job, workload: createProgram(job.source.parameters) as Workload };
}

/** Everything that caches can do; in software mode the tester itself remembers what has been. */
function randomAccesses(name: string, accesses: number): Subject {
  const job = {
    ...randomCoherencyJob(organisationNamed(name), 'coherent', accesses, 3),
    maxSteps: 1_000_000,
    maxSeconds: 30,
  };
  return { job, workload: createRandomWorkload(job.source.parameters) as Workload };
}

const coherent = organisations.filter(({ modes }) => modes.includes('coherent')).map(({ name }) => name);

/** Regions of the machine's buffer that are not what they were. */
function changedRegions(machine: Machine, was: Uint8Array): string[] {
  const now = Buffer.from(machine.buffer);
  const before = Buffer.from(was.buffer);
  const regions = Machine.layout(machine.platform, machine.options);
  return regions
    .filter(({ name }) => !NEVER_READ.test(name))
    .filter(({ offsetBytes, sizeBytes }) => {
      const end = offsetBytes + sizeBytes;
      return now.compare(before, offsetBytes, end, offsetBytes, end) !== 0;
    })
    .map(({ name }) => name);
}

/** Runs at random until the end; returns the regions that a rewind has not brought back. */
function leftAfterRewind({ job, workload }: Subject, rounds: number): string[] {
  const lockstep = new Lockstep(job, workload);
  const { machine } = lockstep;
  machine.state.events = new EventLog();
  const rewind = new Rewind(machine);
  const was = new Uint8Array(machine.buffer).slice();
  for (let round = 1; round <= rounds; round++) {
    lockstep.start();
    const scheduler = new RandomWalk(round);
    while (lockstep.takeFrom(scheduler) === undefined) machine.state.events.clear();
    expect(changedRegions(machine, was)).toContain('shadow.version');
    rewind.restore();
    const left = changedRegions(machine, was);
    if (left.length > 0) return left;
  }
  return [];
}

/** One run: its events and what came of it. */
function replay(execution: Execution, choose: (enabled: readonly number[], step: number) => number) {
  execution.restart();
  const choices: number[] = [];
  while (execution.outcome === undefined) {
    const enabled = execution.enabled.slice(0, execution.enabledCount);
    const choice = choose(enabled, choices.length);
    choices.push(choice);
    execution.take(choice);
  }
  const { events } = execution;
  return { choices, events: events.words.slice(0, events.length), result: execution.result() };
}

function expectSameTwice({ job, workload }: Subject): void {
  const execution = new Execution(job, workload, { walk: 5, prefetch: 5, evict: 5 });
  const random = new Random(11);
  const first = replay(execution, (enabled) => enabled[random.below(enabled.length)]);
  // Something else in between, of which nothing may be left.
  replay(execution, (enabled) => enabled[random.below(enabled.length)]);
  const second = replay(execution, (_, step) => first.choices[step]);
  expect(first.events.length).toBeGreaterThan(0);
  expect(Buffer.from(second.events.buffer).equals(Buffer.from(first.events.buffer))).toBe(true);
  expect(second.result).toEqual(first.result);
}

describe('rewinding', () => {
  it.each(Object.keys(platforms))('%s: brings everything back after a kernel has run', (name) => {
    expect(leftAfterRewind(kernelProgram(name), 3)).toEqual([]);
  });

  it.each(coherent)('%s: brings everything back after random accesses', (name) => {
    expect(leftAfterRewind(randomAccesses(name, 300), 2)).toEqual([]);
  });

  it('brings back TLB entries that were there before', () => {
    const machine = machineOf(platforms.neoverse, 1);
    machine.poke(0x3000, 0x1000_0000);
    bootTouched(machine, 0, { va: 0x4000_0000, ptePa: 0x3000 });
    const rewind = new Rewind(machine);
    const was = new Uint8Array(machine.buffer).slice();
    machine.tlb.localStep(machine.state.cpus[0], TLBI_ALL, 0, 1, 0);
    expect(changedRegions(machine, was)).toContain('cpu0.tlb2.entries');
    rewind.restore();
    expect(changedRegions(machine, was)).toEqual([]);
  });

  it('refuses a machine whose caches hold something', () => {
    const machine = machineOf(platforms.neoverse, 1);
    machine.port.load(machine.state.cpus[0], 0x3000, 0x3000, 4, 0);
    expect(() => new Rewind(machine)).toThrow('outer must be empty');
  });

  it('refuses a machine that threads share', () => {
    expect(() => new Rewind(machineOf(platforms.sun4m, 1, { threaded: true }))).toThrow('threads');
  });
});

describe('the same choices after each other', () => {
  it.each(Object.keys(platforms))('%s: are the same run of a kernel', (name) => {
    expectSameTwice(kernelProgram(name));
  });

  it.each(coherent)('%s: are the same run of random accesses', (name) => {
    expectSameTwice(randomAccesses(name, 200));
  });
});
