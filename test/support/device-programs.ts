/**
 * Processors and devices on the same lines, each with a word of its own that nobody else writes, so that all of it
 * must come out right however they interleave. A module of the kind that a job points to.
 */
import type { Job } from '../../src/hosts/job.ts';
import { PTE } from '../../src/machine/attributes.ts';
import { type Cpu, SegmentationFault, type Steps } from '../../src/machine/cpu.ts';
import { bootTable, Device } from '../../src/machine/device.ts';
import type { Machine } from '../../src/machine/machine.ts';
import type { Platform } from '../../src/machine/platform.ts';
import type { Parameters, Workload } from '../../src/program/workload.ts';

const LINE = 0x1000;
const DONE = 0x3000;
const TABLES = 0x10000;
const IO = 0x40_0000;
const ROUNDS = 200;
const VECTOR = 4;

/** Devices see the page of the line at IO. */
function layTables(machine: Machine): void {
  const { translation } = machine;
  let table = TABLES;
  for (let level = 0; level < translation.depth; level++) {
    const next = table + 4096;
    machine.poke(translation.entryAddress(table, level, IO), (next | PTE.VALID | PTE.TABLE) >>> 0);
    table = next;
  }
  machine.poke(translation.entryAddress(table, translation.depth, IO), (LINE | PTE.VALID | PTE.WRITE) >>> 0);
  for (const [device] of machine.state.devices.entries()) bootTable(machine, device, TABLES);
}

function check(got: number, expected: number): void {
  if (got !== expected) throw new Error(`a word changed behind its owner: got ${got}, expected ${expected}`);
}

function* process(cpu: Cpu): Steps {
  const { devices } = cpu.machine.state;
  const own = LINE + cpu.index * 4;
  for (let round = 0; round < ROUNDS; round++) {
    check(yield* cpu.loadPhysical(own), round);
    yield* cpu.storePhysical(own, round + 1);
    if (round % 16 === 0 && devices.length > 0)
      yield* cpu.invalidateIoTlb(0, round % 32 === 0 ? IO : undefined);
  }
  if (cpu.index > 0) return;
  for (const { index } of devices) {
    yield* cpu.waitUntil(DONE + index * 64, (value) => value === 1, { why: 'the device', uncached: true });
  }
  // Masked between the look and the sleep: an interrupt taken there would wake nobody afterwards.
  cpu.maskInterrupts();
  while (cpu.hw.notes[0] < devices.length) {
    yield* cpu.wfi();
    cpu.unmaskInterrupts();
    yield* cpu.compute(1);
    cpu.maskInterrupts();
  }
  cpu.unmaskInterrupts();
}

function* transfer(device: Device): Steps {
  const { cpu } = device;
  const { machine } = cpu;
  const base = machine.platform.dma.iommu ? IO : LINE;
  const own = base + cpu.index * 4;
  for (let round = 0; round < ROUNDS; round++) {
    check(yield* device.read(own), round);
    yield* device.write(own, round + 1);
    yield* device.read(base);
  }
  yield* cpu.storePhysical(DONE + cpu.index * 64, 1, 4, true);
  yield* cpu.dmb();
  yield* device.interrupt(0, VECTOR + device.number);
}

export function createWorkload(_: Parameters): Workload<null> {
  return {
    setup(machine) {
      layTables(machine);
      return null;
    },
    start: ({ cpu, machine }) => ({
      program: cpu.index < machine.state.processors.length ? process(cpu) : transfer(new Device(cpu)),
      vectors: {
        *interrupt(at) {
          at.hw.notes[0]++;
        },
        *fault(at, fault) {
          throw SegmentationFault.make(at.index, fault);
        },
        *refill() {
          return false;
        },
      },
    }),
    finish(machine) {
      const [first] = machine.state.cpus;
      for (const { index } of machine.state.cpus) {
        check(machine.port.load(first, LINE + index * 4, LINE + index * 4, 4, 0), ROUNDS);
      }
    },
  };
}

/** @param changes to the job */
export function deviceJob(
  platform: Platform,
  cpus: number,
  devices: number,
  changes: Partial<Job> = {},
): Job {
  return {
    platform,
    cpus,
    devices,
    source: { module: import.meta.url, parameters: {} },
    seed: 1,
    checked: true,
    quantumCycles: 10_000,
    maxSteps: 2_000_000,
    maxSeconds: 30,
    ...changes,
  };
}
