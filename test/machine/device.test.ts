import { describe, expect, it } from 'vitest';
import type { Cpu, Steps } from '../../src/machine/cpu.ts';
import { bootTable, Device, DeviceFault } from '../../src/machine/device.ts';
import type { Machine } from '../../src/machine/machine.ts';
import type { Platform, PlatformInput } from '../../src/machine/platform.ts';
import { CTL } from '../../src/machine/registers.ts';
import { Rewind } from '../../src/machine/rewind.ts';
import { TLBI_ALL } from '../../src/machine/tlb.ts';
import {
  advance,
  broadcasting,
  complete,
  cpusOf,
  letter,
  Mapper,
  machineOf,
  runPrograms,
  tiny,
  vectorsWith,
} from '../support/machine.ts';

const PA = 0x1000;
/** Devices use physical addresses, and are snooped. */
const direct = tiny((p) => {
  p.dma = { snooped: true, iommu: false };
});
const IO = 0x40_0000;

interface Lab {
  readonly machine: Machine;
  readonly a: Cpu;
  readonly b: Cpu;
  readonly device: Device;
}

/** Two processors and a device. */
function lab(dma: Partial<Platform['dma']>, change: (p: PlatformInput) => void = () => {}): Lab {
  const platform = tiny((p) => {
    p.dma = { snooped: true, iommu: false, ...dma };
    change(p);
  });
  const machine = machineOf(platform, 3, { devices: 1, checked: true });
  const [a, b, last] = cpusOf(machine);
  return { machine, a, b, device: new Device(last) };
}

const behindIommu = (dma: Partial<Platform['dma']> = {}, change?: (p: PlatformInput) => void) => {
  const all = lab({ iommu: true, ...dma }, change);
  const tables = new Mapper(all.machine);
  bootTable(all.machine, 0, tables.root);
  return { ...all, tables };
};

const read = (device: Device, pa = PA, bytes = 4) => complete(device.read(pa, bytes));
const write = (device: Device, value: number, pa = PA, bytes = 4) => complete(device.write(pa, value, bytes));
const load = (cpu: Cpu, pa = PA) => complete(cpu.loadPhysical(pa));
const store = (cpu: Cpu, value: number, pa = PA) => complete(cpu.storePhysical(pa, value));
const lettersOf = (cpus: readonly Cpu[]) => cpus.map(({ hw }) => letter(hw.l1d, PA)).join('');

function faultOf(steps: Steps<unknown>): string {
  try {
    complete(steps);
  } catch (error) {
    if (error instanceof DeviceFault) return error.message;
    throw error;
  }
  return 'none';
}

describe('a machine with devices', () => {
  it('has so many of its CPUs as processors, and the rest as devices', () => {
    const { machine, a } = lab({});
    expect([machine.state.processors.length, machine.state.devices.length]).toEqual([2, 1]);
    expect(() => new Device(a)).toThrow("CPU 0 is no device: give the machine 'devices'");
  });

  it('may have as many processors as the platform, and devices besides', () => {
    const platform = tiny((p) => {
      p.maxCpus = 2;
    });
    expect(machineOf(platform, 4, { devices: 2 }).state.processors.length).toBe(2);
    expect(() => machineOf(platform, 4, { devices: 1 })).toThrow('3 CPUs asked for');
    expect(() => machineOf(platform, 2, { devices: 2 })).toThrow('0 CPUs asked for');
    const large = tiny((p) => {
      p.maxCpus = 128;
    });
    expect(() => machineOf(large, 129, { devices: 1 })).toThrow('at most 128');
    expect(() => machineOf(large, 65, { threaded: true })).toThrow('at most 64 on threads');
  });

  it('sends them no broadcasts, of TLB invalidates or of maintenance', () => {
    const platform = tiny((p) => {
      broadcasting(true)(p);
      p.maintenance = { byAddress: 'broadcast', icache: 'broadcast', setWayReachesShared: false };
    });
    const machine = machineOf(platform, 3, { devices: 1 });
    const [a, b, device] = cpusOf(machine);
    complete(a.tlbiBroadcast(TLBI_ALL, 0, 1, 0));
    expect([b, device].map(({ hw }) => machine.tlb.unacted(hw))).toEqual([1, 0]);
    expect(a.hw.ctl[CTL.OUTSTANDING]).toBe(1);
  });

  it('lets no agent disturb them', () => {
    const { machine, device } = behindIommu({}, (p) => {
      p.agents = ['evict', 'prefetch', 'walk'];
    });
    machine.agents.speculation = [IO];
    for (const agent of ['evict', 'prefetch', 'walk'] as const) {
      expect(machine.agents.parameters(agent, device.cpu.hw)).toBe(0);
    }
  });
});

describe('a transfer that processors snoop', () => {
  it('reads what is dirty in a cache, which keeps the line, and puts it nowhere', () => {
    const { machine, a, b, device } = lab({});
    store(a, 5);
    expect(read(device)).toBe(5);
    expect(lettersOf([a, b, device.cpu])).toBe('SII');
    expect(machine.peek(PA)).toBe(5);
  });

  it('leaves the owner its dirty line where the protocol has owners', () => {
    const { machine, a, device } = lab({}, (p) => {
      p.coherence = 'moesi';
    });
    store(a, 5);
    expect([read(device), lettersOf([a]), machine.peek(PA)]).toEqual([5, 'O', 0]);
  });

  it('reads behind the private caches what none of them has, and fills nothing there', () => {
    const { machine, device } = lab({}, (p) => {
      p.shared = { sizeBytes: 256, ways: 2 };
    });
    machine.poke(PA, 7);
    expect(read(device)).toBe(7);
    expect(machine.state.shared?.lookup(0, PA >>> machine.state.lineShift, 0)).toBe(-1);
  });

  it('writes some bytes, and takes the line away from all caches with what was dirty in it', () => {
    const { machine, a, b, device } = lab({});
    store(a, 0x1111_1111, PA + 4);
    load(b);
    write(device, 0xab, PA + 5, 1);
    expect(lettersOf([a, b, device.cpu])).toBe('III');
    expect(machine.peek(PA + 4)).toBe(0x1111_ab11);
    expect([load(a, PA + 4), load(b, PA + 4)]).toEqual([0x1111_ab11, 0x1111_ab11]);
  });

  it('opens monitors', () => {
    const { machine, a, device } = lab({});
    const tables = new Mapper(machine);
    tables.map(PA, PA);
    complete(a.setContext(tables.root, 1));
    complete(a.loadExclusive(PA));
    write(device, 1, PA + 4);
    expect(complete(a.storeExclusive(PA, 2))).toBe(false);
  });
});

describe.each([
  [
    'does not want to be snooped',
    (p: PlatformInput) => {
      p.dma = { snooped: false, iommu: false };
    },
  ],
  [
    'has no protocol to snoop with',
    (p: PlatformInput) => {
      p.coherence = 'none';
      p.l1i.snooped = false;
    },
  ],
])('a transfer on a machine that %s', (_, change) => {
  it('reads memory, whatever caches hold', () => {
    const { machine, a, device } = lab({}, change);
    store(a, 5);
    expect(read(device)).toBe(0);
    machine.caches.byAddressStep(a.hw, PA, PA, { clean: true, invalidate: false }, 'memory');
    expect(read(device)).toBe(5);
  });

  it('writes memory, whatever caches hold', () => {
    const { machine, a, device } = lab({}, change);
    load(a);
    write(device, 5);
    expect([machine.peek(PA), load(a)]).toEqual([5, 0]);
    machine.caches.byAddressStep(a.hw, PA, PA, { clean: false, invalidate: true }, 'memory');
    expect(load(a)).toBe(5);
  });
});

it('a transfer that nobody snoops goes past an outer cache', () => {
  const { machine, a, device } = lab({ snooped: false }, (p) => {
    p.outer = { sizeBytes: 256, ways: 2, maintainedBy: 'controller' };
  });
  store(a, 5);
  machine.caches.byAddressStep(a.hw, PA, PA, { clean: true, invalidate: true }, 'coherency');
  expect([load(a), read(device), machine.peek(PA)]).toEqual([5, 0, 0]);
});

describe('an IOMMU', () => {
  it('translates by a table in memory, which it does not look for in caches', () => {
    const { machine, a, device, tables } = behindIommu();
    machine.poke(PA, 9);
    const entry = tables.entryAt(IO);
    store(a, PA | 5, entry);
    expect(faultOf(device.read(IO))).toBe('device 0: translation fault on a read at 0x400000');
    machine.caches.byAddressStep(a.hw, entry, entry, { clean: true, invalidate: false }, 'memory');
    expect(read(device, IO)).toBe(9);
  });

  it('keeps a translation until a processor invalidates it', () => {
    const { machine, a, device, tables } = behindIommu();
    const entry = tables.map(IO, PA);
    machine.poke(PA, 1);
    machine.poke(0x2000, 2);
    expect(read(device, IO)).toBe(1);
    complete(a.storePhysical(entry, 0x2000 | 5, 4, true));
    expect(read(device, IO)).toBe(1);
    complete(a.invalidateIoTlb(0, IO + 4096));
    expect(read(device, IO)).toBe(1);
    complete(a.invalidateIoTlb(0, IO));
    expect(read(device, IO)).toBe(2);
    complete(a.storePhysical(entry, 0, 4, true));
    complete(a.invalidateIoTlb(0));
    expect(faultOf(device.read(IO))).toMatch('translation fault');
  });

  it('faults on what the table does not permit, or where no memory is', () => {
    const { device, tables, machine } = behindIommu();
    tables.map(IO, PA, 0);
    tables.map(IO + 4096, machine.platform.memoryBytes);
    expect(faultOf(device.write(IO, 1))).toBe('device 0: permission fault on a write at 0x400000');
    expect(read(device, IO)).toBe(0);
    expect(faultOf(device.read(IO + 4096))).toMatch('bus fault on a read');
    const { device: bare } = lab({});
    expect(faultOf(bare.read(machine.platform.memoryBytes))).toMatch('bus fault on a read');
  });

  it('faults on everything until it has a table, which a processor may give it', () => {
    const { machine, a, device } = lab({ iommu: true });
    const tables = new Mapper(machine);
    tables.map(IO, PA);
    expect(faultOf(device.read(IO))).toMatch('translation fault');
    complete(a.attachDevice(0, tables.root));
    expect(read(device, IO)).toBe(0);
  });

  it('starts a walk again if an invalidate comes meanwhile', () => {
    const { machine, a, device, tables } = behindIommu();
    const entry = tables.map(IO, PA);
    machine.poke(0x2000, 2);
    const walking = device.read(IO);
    // The access, the begin of the walk, two levels: what is left is the fill.
    expect(advance(walking, 5)).toBe(false);
    complete(a.storePhysical(entry, 0x2000 | 5, 4, true));
    complete(a.invalidateIoTlb(0, IO));
    expect(complete(walking)).toBe(2);
  });

  it('lets transfers be snooped or not, as without it', () => {
    for (const [snooped, seen] of [
      [true, 5],
      [false, 0],
    ] as const) {
      const { a, device, tables } = behindIommu({ snooped });
      tables.map(IO, PA);
      store(a, 5);
      expect(read(device, IO)).toBe(seen);
    }
  });
});

describe('the program of a device', () => {
  it('runs among those of processors: waits for a register, transfers, interrupts', () => {
    const REGISTER = 0x3000;
    const seen: number[] = [];
    const { result } = runPrograms(
      direct,
      [
        function* (cpu) {
          yield* cpu.storePhysical(PA, 41);
          yield* cpu.storePhysical(REGISTER, 1, 4, true);
          yield* cpu.wfi();
          seen.push(yield* cpu.loadPhysical(PA));
        },
        function* (cpu) {
          const device = new Device(cpu);
          yield* device.waitFor(REGISTER, (value) => value === 1, { why: 'the register' });
          yield* device.write(PA, (yield* device.read(PA)) + 1);
          yield* device.interrupt(0, 3);
        },
      ],
      {
        devices: 1,
        vectors: () =>
          vectorsWith(function* (_, vector) {
            seen.push(vector);
          }),
      },
    );
    expect([result.outcome, result.error, result.processors]).toEqual(['finished', undefined, 1]);
    expect(seen).toEqual([3, 42]);
  });

  it('wakes a processor that watches the line', () => {
    for (const snooped of [true, false]) {
      const platform = tiny((p) => {
        p.dma = { snooped, iommu: false };
      });
      const { result } = runPrograms(
        platform,
        [
          function* (cpu) {
            yield* cpu.waitUntil(PA, (value) => value === 5, { why: 'the device', uncached: !snooped });
          },
          (cpu) => new Device(cpu).write(PA, 5),
        ],
        { devices: 1 },
      );
      expect(result.outcome).toBe('finished');
    }
  });
});

it('a machine with a device goes back to where it was', () => {
  const { machine, a, device, tables } = behindIommu({ snooped: false });
  tables.map(IO, PA);
  const rewind = new Rewind(machine);
  const before = new Int32Array(machine.buffer).slice();
  write(device, 3, IO);
  complete(a.invalidateIoTlb(0, IO));
  read(device, IO);
  rewind.restore();
  expect(device.cpu.hw.dtlb.lookup(IO >>> 12, 0)).toBe(-1);
  expect(machine.peek(PA)).toBe(0);
  expect(new Int32Array(machine.buffer).every((word, i) => word === before[i])).toBe(true);
});
