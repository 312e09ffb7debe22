import { describe, expect, it } from 'vitest';
import { PTE } from '../../src/machine/attributes.ts';
import { type Cpu, type Fault, SegmentationFault, type Steps, type Vectors } from '../../src/machine/cpu.ts';
import { EVENT, EVENT_WORDS, EventLog } from '../../src/machine/events.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { KERNEL_BASE, type PlatformInput } from '../../src/machine/platform.ts';
import { COUNT } from '../../src/machine/registers.ts';
import { TLBI_ALL } from '../../src/machine/tlb.ts';
import {
  broadcasting,
  complete,
  cpusOf,
  letter,
  Mapper,
  machineOf,
  tiny,
  vectorsWith,
} from '../support/machine.ts';

const PA = 0x1000;
const VA = 0x40_0000;
/** Of another colour in a cache of two. */
const OTHER_VA = 0x40_1000;
const CLEAN = { clean: true, invalidate: false };
const INVALIDATE = { clean: false, invalidate: true };
const BOTH = { clean: true, invalidate: true };

type Change = (p: PlatformInput) => void;

/** Two CPUs with VA mapped to PA, in address space 1. */
function mapped(change: Change = () => {}, bits: number = PTE.WRITE | PTE.EXECUTE) {
  // Tables are read from memory: what a test writes there is what the walker sees.
  const machine = machineOf(
    tiny((p) => {
      p.mmu.walkerReads = 'memory';
      p.mmu.pageTables = 'uncached';
      change(p);
    }),
  );
  const mapper = new Mapper(machine);
  const entry = mapper.map(VA, PA, bits);
  const cpus = cpusOf(machine);
  for (const cpu of cpus) complete(cpu.setContext(mapper.root, 1));
  return { machine, mapper, entry, cpus, a: cpus[0], b: cpus[1] };
}

/** Two colours. */
const aliasing: Change = (p) => {
  p.l1d = { sizeBytes: 16384, ways: 2, organisation: 'vipt', aliasPolicy: 'unmanaged' };
  p.l1i = { ...p.l1i, sizeBytes: 16384, organisation: 'vipt' };
};

const virtualTags =
  (asidTagged: boolean, unmapped: 'fault' | 'tags' = 'tags'): Change =>
  (p) => {
    p.l1d = { ...p.l1d, organisation: 'vivt', asidTagged, aliasPolicy: 'flush' };
    p.l1i = { ...p.l1i, organisation: 'vivt', asidTagged, snooped: false, fillsFrom: 'unification' };
    p.maintenance.unmapped = unmapped;
  };

const unmap = (machine: Machine, cpu: Cpu, entry: number) => {
  machine.poke(entry, 0);
  complete(cpu.tlbiLocal(TLBI_ALL, 0, 0, 0));
};

const counted = (cpu: Cpu, name: keyof typeof COUNT) => cpu.hw.counters[COUNT[name]];
const lineOf = (cache: Cpu['hw']['l1d'], pa: number) => letter(cache, pa);

/** Lets a CPU's fault handler do something. */
function handling(cpu: Cpu, fault: (fault: Fault) => boolean): Fault[] {
  const seen: Fault[] = [];
  const vectors: Vectors = {
    ...vectorsWith(),
    *fault(_, f) {
      seen.push(f);
      return fault(f);
    },
  };
  cpu.vectors = vectors as Cpu['vectors'];
  return seen;
}

describe('by virtual address', () => {
  it('walks on a TLB miss and cleans the line', () => {
    const { machine, a } = mapped(aliasing);
    complete(a.store(VA, 5));
    complete(a.tlbiLocal(TLBI_ALL, 0, 0, 0));
    const walks = counted(a, 'walks');
    complete(a.maintainVirtual(VA, CLEAN, 'coherency'));
    expect([machine.peek(PA), counted(a, 'walks') - walks]).toEqual([5, 1]);
    expect(lineOf(a.hw.l1d, PA)).toBe('E');
  });

  it('cleans a page that may only be read', () => {
    const { machine, a, entry } = mapped();
    complete(a.store(VA, 5));
    machine.poke(entry, PA | PTE.VALID);
    complete(a.tlbiLocal(TLBI_ALL, 0, 0, 0));
    complete(a.maintainVirtual(VA, BOTH, 'coherency'));
    expect([machine.peek(PA), lineOf(a.hw.l1d, PA)]).toEqual([5, 'I']);
  });

  it('acts on what older stores have left', () => {
    const { machine, a } = mapped((p) => {
      p.writeBufferEntries = 4;
    });
    complete(a.store(VA, 5));
    expect(a.hw.buffered).toBe(1);
    complete(a.maintainVirtual(VA, CLEAN, 'coherency'));
    expect([a.hw.buffered, machine.peek(PA)]).toEqual([0, 5]);
  });

  it('broadcast, reaches the same colour of another CPU, and no other', () => {
    const { machine, mapper, a, b } = mapped((p) => {
      aliasing(p);
      p.maintenance.byAddress = 'broadcast';
    });
    mapper.map(OTHER_VA, PA);
    complete(b.store(VA, 5));
    complete(a.maintainVirtual(OTHER_VA, CLEAN, 'coherency'));
    expect(machine.peek(PA)).toBe(0);
    complete(a.maintainVirtual(VA, CLEAN, 'coherency'));
    expect(machine.peek(PA)).toBe(5);
  });
});

describe('where nothing is mapped', () => {
  it('faults, after the kernel had its chance', () => {
    const { machine, a, entry } = mapped();
    complete(a.store(VA, 5));
    unmap(machine, a, entry);
    expect(() => complete(a.maintainVirtual(VA, CLEAN, 'coherency'))).toThrow(SegmentationFault);
    expect(machine.peek(PA)).toBe(0);
    const faults = handling(a, () => {
      machine.poke(entry, PA | PTE.VALID);
      return true;
    });
    complete(a.maintainVirtual(VA, CLEAN, 'coherency'));
    expect(faults).toEqual([{ va: VA, write: false, fetch: false, kind: 'translation' }]);
    expect(machine.peek(PA)).toBe(5);
  });

  it('is ignored where lines match by translation, and the kernel hears nothing', () => {
    const { machine, a, entry } = mapped((p) => {
      aliasing(p);
      p.maintenance.unmapped = 'ignored';
    });
    complete(a.fetch(VA));
    complete(a.store(VA, 5));
    unmap(machine, a, entry);
    const faults = handling(a, () => false);
    complete(a.maintainVirtual(VA, BOTH, 'coherency'));
    complete(a.invalidateFetch(VA));
    expect(faults).toEqual([]);
    // The line is still there, and still dirty.
    expect([machine.peek(PA), lineOf(a.hw.l1d, PA)]).toEqual([0, 'M']);
    machine.poke(entry, PA | PTE.VALID);
    complete(a.maintainVirtual(VA, BOTH, 'coherency'));
    expect([machine.peek(PA), lineOf(a.hw.l1d, PA)]).toEqual([5, 'I']);
  });

  it('a refill by software decides about being mapped', () => {
    const { machine, a, entry } = mapped((p) => {
      p.mmu.refill = 'software';
      p.maintenance.unmapped = 'ignored';
    });
    a.vectors = {
      ...vectorsWith(),
      refill: (cpu: Cpu): Steps<boolean> => cpu.refillFrom(entry, VA, false, true),
    } as unknown as Cpu['vectors'];
    complete(a.store(VA, 5));
    complete(a.storePhysical(entry, 0, 4, true));
    complete(a.tlbiLocal(TLBI_ALL, 0, 0, 0));
    complete(a.maintainVirtual(VA, CLEAN, 'coherency'));
    expect(machine.peek(PA)).toBe(0);
    complete(a.storePhysical(entry, PA | PTE.VALID, 4, true));
    complete(a.maintainVirtual(VA, CLEAN, 'coherency'));
    expect(machine.peek(PA)).toBe(5);
  });

  it('with virtual tags the line is found by its tag, and levels below by the line’s own address', () => {
    const { machine, a, entry } = mapped((p) => {
      virtualTags(true)(p);
      p.shared = { sizeBytes: 128, ways: 2 };
    });
    complete(a.store(VA, 5));
    unmap(machine, a, entry);
    const walks = counted(a, 'walks');
    complete(a.maintainVirtual(VA, BOTH, 'coherency'));
    const { shared } = machine.state;
    if (!shared) throw new Error('no shared cache');
    expect([machine.peek(PA), lineOf(a.hw.l1d, PA), lineOf(shared, PA)]).toEqual([5, 'I', 'I']);
    expect(counted(a, 'walks')).toBe(walks);
    // Nothing there: nothing happens.
    complete(a.maintainVirtual(VA, BOTH, 'coherency'));
  });

  it('the tag has the context of the CPU', () => {
    const { machine, mapper, a } = mapped(virtualTags(true));
    complete(a.store(VA, 5));
    complete(a.setContext(mapper.root, 2));
    complete(a.maintainVirtual(VA, BOTH, 'coherency'));
    expect(machine.peek(PA)).toBe(0);
    complete(a.setContext(mapper.root, 1));
    complete(a.maintainVirtual(VA, BOTH, 'coherency'));
    expect(machine.peek(PA)).toBe(5);
  });

  it('an instruction line goes by its tag too, or faults', () => {
    for (const unmapped of ['tags', 'fault'] as const) {
      const { machine, a, entry } = mapped(virtualTags(true, unmapped));
      complete(a.fetch(VA));
      unmap(machine, a, entry);
      const invalidate = () => complete(a.invalidateFetch(VA));
      if (unmapped === 'fault') expect(invalidate).toThrow(SegmentationFault);
      else invalidate();
      expect(lineOf(a.hw.l1i, PA)).toBe(unmapped === 'tags' ? 'I' : 'S');
    }
  });
});

describe('through the linear mapping', () => {
  it('misses a line of another colour', () => {
    const { machine, a } = mapped(aliasing);
    complete(a.store(VA, 5));
    // PA is an odd page, VA an even one.
    complete(a.maintainPhysical(PA, BOTH, 'coherency'));
    expect([machine.peek(PA), lineOf(a.hw.l1d, PA)]).toEqual([0, 'M']);
    complete(a.maintainVirtual(VA, BOTH, 'coherency'));
    expect(machine.peek(PA)).toBe(5);
  });

  it('finds an instruction line of its own colour only', () => {
    const { mapper, a } = mapped(aliasing);
    mapper.map(OTHER_VA, PA, PTE.EXECUTE);
    complete(a.fetch(VA));
    complete(a.invalidateFetchPhysical(PA));
    expect(lineOf(a.hw.l1i, PA)).toBe('S');
    complete(a.invalidateFetch(OTHER_VA));
    expect(lineOf(a.hw.l1i, PA)).toBe('S');
    complete(a.invalidateFetch(VA));
    expect(lineOf(a.hw.l1i, PA)).toBe('I');
    complete(a.fetch(OTHER_VA));
    complete(a.invalidateFetchPhysical(PA));
    expect(lineOf(a.hw.l1i, PA)).toBe('I');
  });

  it.each(['local', 'broadcast'] as const)('all instruction lines, %s', (icache) => {
    const { a, b } = mapped((p) => {
      p.maintenance.icache = icache;
    });
    for (const cpu of [a, b]) complete(cpu.fetch(VA));
    complete(a.invalidateFetchAll());
    expect([a, b].map((cpu) => lineOf(cpu.hw.l1i, PA))).toEqual(['I', icache === 'local' ? 'S' : 'I']);
  });
});

describe('by set and way', () => {
  it('cleans what sits there, and tells whose line it was', () => {
    const { machine, a } = mapped();
    complete(a.store(VA, 5));
    const { l1d } = a.hw;
    const slot = l1d.findPhysical(PA >>> 4, -1);
    const log = new EventLog();
    machine.state.events = log;
    complete(a.maintainSetWay('l1d', (slot / l1d.ways) | 0, slot % l1d.ways, BOTH));
    expect([machine.peek(PA), lineOf(l1d, PA)]).toEqual([5, 'I']);
    const maintained: number[] = [];
    for (let at = 0; at < log.length; at += EVENT_WORDS) {
      if (log.words[at] === EVENT.MAINTAIN) maintained.push(log.words[at + 2]);
    }
    expect(maintained).toContain(PA);
  });
});

describe('the outer cache', () => {
  const withController: Change = (p) => {
    p.outer = { sizeBytes: 128, ways: 2, maintainedBy: 'controller' };
    p.costs.outerLineCycles = 17;
  };

  it('with a controller is not reached by the CPU’s operations, and its controller reaches nothing else', () => {
    const { machine, a } = mapped(withController);
    const { outer } = machine.state;
    if (!outer) throw new Error('no outer cache');
    complete(a.store(VA, 5));
    complete(a.maintainOuter(PA, CLEAN));
    expect([lineOf(a.hw.l1d, PA), machine.peek(PA)]).toEqual(['M', 0]);
    complete(a.maintainVirtual(VA, CLEAN, 'coherency'));
    expect([lineOf(outer, PA), machine.peek(PA)]).toEqual(['M', 0]);
    const before = a.clock;
    complete(a.maintainOuter(PA, CLEAN));
    expect([lineOf(outer, PA), machine.peek(PA), a.clock - before]).toEqual(['S', 5, 17]);
    expect(lineOf(a.hw.l1d, PA)).toBe('E');
    complete(a.maintainOuter(PA, INVALIDATE));
    expect([lineOf(outer, PA), lineOf(a.hw.l1d, PA)]).toEqual(['I', 'E']);
  });

  it('is thrown away by an invalidate without clean', () => {
    const { machine, a } = mapped(withController);
    complete(a.store(VA, 5));
    complete(a.maintainVirtual(VA, BOTH, 'coherency'));
    complete(a.maintainOuter(PA, INVALIDATE));
    expect([machine.peek(PA), complete(a.load(VA))]).toEqual([0, 0]);
  });

  it('need not exist', () => {
    const { a } = mapped();
    const before = a.clock;
    complete(a.maintainOuter(PA, BOTH));
    expect(a.clock).toBe(before);
  });
});

describe('virtual tags of the kernel', () => {
  it.each(['global', 'per-context'] as const)('%s', (kernelMappings) => {
    const { mapper, a } = mapped((p) => {
      virtualTags(true)(p);
      p.mmu.kernelMappings = kernelMappings;
    });
    mapper.map(KERNEL_BASE, 0x2000);
    complete(a.loadPhysical(0x3010));
    complete(a.load(KERNEL_BASE + 0x10));
    complete(a.load(VA));
    const misses = counted(a, 'l1dMisses');
    complete(a.setContext(mapper.root, 2));
    complete(a.loadPhysical(0x3010));
    complete(a.load(KERNEL_BASE + 0x10));
    expect(counted(a, 'l1dMisses') - misses).toBe(kernelMappings === 'global' ? 0 : 2);
    complete(a.load(VA));
    expect(counted(a, 'l1dMisses') - misses).toBe(kernelMappings === 'global' ? 1 : 3);
  });
});

describe('a broadcast TLB invalidate', () => {
  it('is complete for a CPU that maintains only when it has', () => {
    const { machine, a, b } = mapped((p) => {
      broadcasting(true)(p);
    });
    complete(b.store(VA, 5));
    complete(a.tlbiBroadcast(TLBI_ALL, 0, 0, 0));
    complete(b.maintainVirtual(VA, CLEAN, 'coherency'));
    expect(machine.peek(PA)).toBe(5);
  });
});
