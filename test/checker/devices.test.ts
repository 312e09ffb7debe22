import { describe, expect, it } from 'vitest';
import { explain } from '../../src/checker/explain.ts';
import type { FindingRecord } from '../../src/checker/finding.ts';
import { cpuName, nameDevices } from '../../src/machine/cpu-names.ts';
import { bootTable, Device } from '../../src/machine/device.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { changed, type LabOptions, Mapper, type Program, runPrograms, tiny } from '../support/machine.ts';

const PA = 0x1000;
const REGISTER = 0x3000;
const IO = 0x40_0000;

const platformWith = (dma: { snooped: boolean; iommu: boolean }) =>
  tiny((p) => {
    p.dma = dma;
  });

const past = platformWith({ snooped: false, iommu: false });
const snooping = platformWith({ snooped: true, iommu: false });
const translating = platformWith({ snooped: true, iommu: true });

/** Runs the programs of two processors and of a device, in this order; what was found, and its explanation. */
function find(platform: typeof past, programs: readonly Program[], options: LabOptions = {}) {
  const { result } = runPrograms(platform, programs, { strict: true, devices: 1, ...options });
  const texts = result.findings.map((finding) => {
    const { title, lines } = explain(finding, platform, result.unfinished, result.processors);
    return Object.fromEntries([['title', title], ...lines.map(({ label, text }) => [label, text])]);
  });
  return { outcome: result.outcome, kinds: result.findings.map(({ kind }) => kind), text: texts[0] };
}

/** The driver writes a word and starts the device, which reads it. */
const send: readonly Program[] = [
  function* (cpu) {
    yield* cpu.storePhysical(PA, 5);
    yield* cpu.storePhysical(REGISTER, 1, 4, true);
  },
  function* () {},
  function* (cpu) {
    const device = new Device(cpu);
    yield* device.waitFor(REGISTER, (value) => value === 1, { why: 'the driver' });
    yield* device.read(PA);
  },
];

/** The driver has the word in its cache; the device writes it; the driver reads it. */
const receive: readonly Program[] = [
  function* (cpu) {
    yield* cpu.loadPhysical(PA);
    yield* cpu.storePhysical(REGISTER, 1, 4, true);
    yield* cpu.waitUntil(REGISTER, (value) => value === 2, { why: 'the device', uncached: true });
    yield* cpu.loadPhysical(PA);
  },
  function* () {},
  function* (cpu) {
    const device = new Device(cpu);
    yield* device.waitFor(REGISTER, (value) => value === 1, { why: 'the driver' });
    yield* device.write(PA, 5);
    yield* cpu.storePhysical(REGISTER, 2, 4, true);
  },
];

describe('a device that does not see the caches', () => {
  it('reads old data if the line was not cleaned', () => {
    const { kinds, text } = find(past, send);
    expect(kinds).toEqual(['device-old-data']);
    expect(text.title).toBe('device 0 read memory that was older than what had been stored');
    expect(text.culprit).toMatch(/^CPU 0 wrote version 1/);
    expect(text.missing).toBe(
      'a clean of the line to the point of coherency on CPU 0, before device 0 was told',
    );
    expect(text.remedy).toBe(
      'clean the line to the point of coherency on CPU 0, DSB, and only then tell device 0',
    );
  });

  it('says that an outer cache with a controller of its own must be cleaned as well', () => {
    const behind = changed(past, (p) => {
      p.outer = { sizeBytes: 1 << 16, ways: 8, maintainedBy: 'controller' };
    });
    const { text } = find(behind, send);
    expect(text.missing).toMatch(/then out of the outer cache through its controller/);
    expect(text.remedy).toMatch(/then out of the outer cache through its controller/);
  });

  it('leaves a stale copy if the line was not invalidated', () => {
    const { kinds, text } = find(past, receive);
    expect(kinds).toEqual(['stale-data']);
    expect(text.culprit).toMatch(/^device 0 wrote version 1/);
    expect(text.missing).toMatch(/^an invalidate of the line on CPU 0 after device 0 wrote it/);
    expect(text.remedy).toMatch(/^invalidate the line on CPU 0 when the transfer is done/);
  });

  it('is judged in strict runs only', () => {
    for (const programs of [send, receive]) expect(find(past, programs, { strict: false }).kinds).toEqual([]);
  });

  it('loses its write to a dirty line that is evicted later', () => {
    const { kinds, text } = find(past, [
      function* (cpu, machine) {
        yield* cpu.storePhysical(PA + 4, 1);
        yield* cpu.storePhysical(REGISTER, 1, 4, true);
        yield* cpu.waitUntil(REGISTER, (value) => value === 2, { why: 'the device', uncached: true });
        machine.caches.byAddressStep(cpu.hw, PA, PA, { clean: true, invalidate: false }, 'memory');
      },
      ...receive.slice(1),
    ]);
    expect(kinds).toEqual(['lost-write']);
    expect(text.culprit).toMatch(/^device 0 wrote/);
    expect(text.remedy).toMatch(/^clean or invalidate the line on CPU 0 before the transfer begins/);
  });
});

it('a device that is snooped needs no maintenance', () => {
  for (const programs of [send, receive]) expect(find(snooping, programs).outcome).toBe('finished');
});

describe('a device behind an IOMMU', () => {
  const setup = (machine: Machine) => {
    const tables = new Mapper(machine);
    tables.map(IO, PA);
    bootTable(machine, 0, tables.root);
  };
  const ENTRY = 0x21000;

  /** The driver takes the page away and relies on it; with or without a word to the IOMMU. */
  const unmap = (invalidates: boolean): Program[] => [
    function* (cpu, _, checker) {
      yield* cpu.waitUntil(REGISTER, (value) => value === 1, { why: 'the device', uncached: true });
      yield* cpu.storePhysical(ENTRY, 0, 4, true);
      if (invalidates) yield* cpu.invalidateIoTlb(0, IO);
      checker?.contract(cpu, ENTRY);
      yield* cpu.storePhysical(REGISTER, 2, 4, true);
    },
    function* () {},
    function* (cpu) {
      const device = new Device(cpu);
      yield* device.read(IO);
      yield* cpu.storePhysical(REGISTER, 1, 4, true);
      yield* device.waitFor(REGISTER, (value) => value === 2, { why: 'the driver' });
      try {
        yield* device.read(IO);
      } catch {
        cpu.hw.notes[0] = 1;
      }
    },
  ];

  it('uses a translation that was taken away, if nobody invalidates it', () => {
    const { kinds, text } = find(translating, unmap(false), { setup });
    expect(kinds).toEqual(['stale-translation']);
    expect(text.title).toBe('device 0 used a translation that had been taken away');
    expect(text.copy).toMatch(/^an entry in the IOTLB of device 0/);
    expect(text.missing).toMatch(/^no IOTLB invalidate for this page reached device 0/);
    expect(text.remedy).toMatch(/^invalidate the IOTLB of device 0/);
    expect(find(translating, unmap(true), { setup }).outcome).toBe('finished');
  });
});

describe('the name of a CPU', () => {
  it('is that of a device from the first device on', () => {
    expect([cpuName(1, 2), cpuName(2, 2), cpuName(3, 2)]).toEqual(['CPU 1', 'device 0', 'device 1']);
  });

  it.each([
    ['CPU 2 waits for the answer of CPU 1', 'device 0 waits for the answer of CPU 1'],
    ['CPUs 0, 1, 3 wait', 'CPUs 0, 1, device 1 wait'],
    ['CPUs 1, 2 wait', 'CPU 1, device 0 wait'],
    ['CPU 1 and the CPU', 'CPU 1 and the CPU'],
  ])('is put into "%s"', (text, named) => {
    expect(nameDevices(text, 2)).toBe(named);
  });

  it('is in what a deadlock says', () => {
    const record = { kind: 'deadlock', cpu: 0, other: 1, detail: 2 } as FindingRecord;
    const stuck = [0, 1].map((cpu) => ({ cpu, waitingFor: `CPU ${1 - cpu}`, interruptsMasked: false }));
    const { title, lines } = explain(record, past, stuck, 1);
    expect(title).toBe('CPU 0 and device 0 wait for each other');
    expect(lines.map(({ text }) => text).slice(0, 2)).toEqual([
      'CPU 0 waits for device 0, interrupts enabled',
      'device 0 waits for CPU 0, interrupts enabled',
    ]);
  });
});

it('a stale instruction that was fetched ahead lacks a context synchronization', () => {
  const platform = tiny((p) => {
    p.l1i.fetchAhead = true;
  });
  const { kinds, text } = find(
    platform,
    [
      function* (cpu) {
        yield* cpu.fetchAhead(PA);
        yield* cpu.storePhysical(PA, 2);
        yield* cpu.fetch(PA);
      },
    ],
    { devices: 0 },
  );
  expect(kinds).toEqual(['stale-instruction']);
  expect(text.copy).toBe('version 0 of the word, from what CPU 0 had fetched ahead of running it');
  expect(text.missing).toBe('a context synchronization (ISB) on CPU 0 after the caches were maintained');
  expect(text.remedy).toMatch(/^a context synchronization on CPU 0/);
});
