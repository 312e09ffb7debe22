import { describe, expect, it } from 'vitest';
import { Checker } from '../../../src/checker/checker.ts';
import type { AddressSpace } from '../../../src/kernel/address-space.ts';
import { FlushOrder } from '../../../src/kernel/flush/flush-order.ts';
import { READ_WRITE, USED } from '../../../src/kernel/kernel.ts';
import { PTE } from '../../../src/machine/attributes.ts';
import { platforms } from '../../../src/platforms/index.ts';
import { changed, cpusOf, machineOf } from '../../support/machine.ts';

const VA = 0x4000_0000;
const NEXT = VA + 0x1000;
const KERNEL_VA = 0xc100_0000;
const [OLD, NEW] = [0x8000 | READ_WRITE, 0x9000 | READ_WRITE];
const READ_ONLY = 0x8000 | USED;

const NOT_FLUSHED_BEFORE = 0;
const NOT_FLUSHED_AFTER = 1;

function spaceAt(root: number): AddressSpace {
  return { name: `space at ${root}`, root } as AddressSpace;
}

const [space, other] = [0x1000, 0x2000].map(spaceAt);

/** Steps of kernel code by name, and what the rule says of them, in order. */
function desk(platform: string, change: Parameters<typeof changed>[1] = () => {}) {
  const machine = machineOf(changed(platforms[platform], change), 1, { checked: true });
  const checker = new Checker(machine.state, { keepGoing: true });
  const [cpu] = cpusOf(machine);
  const order = new FlushOrder(machine, checker);
  const broken: number[] = [];
  checker.onFinding = ({ kind, detail }) => {
    expect(kind).toBe('flush-order');
    broken.push(detail ?? -1);
  };
  return {
    broken,
    order,
    cpu,
    cache: (va = VA, pages = 1) => order.cacheFlushed(space, va, pages),
    change: (old: number, entry: number, va = VA) => order.entryChanges(cpu, space, va, old, entry),
    tlb: (va = VA, pages = 1) => order.tlbFlushed(space, va, pages),
    rely: (va = VA) => order.relied(cpu, space, va),
  };
}

describe('where a flush needs the mapping', () => {
  it('accepts cache, table, TLB', () => {
    const { cache, change, tlb, rely, broken } = desk('hypersparc');
    cache();
    change(OLD, 0);
    tlb();
    rely();
    expect(broken).toEqual([]);
  });

  it.each([
    ['the page goes', 0],
    ['it is replaced', NEW],
  ])('misses the cache flush before %s', (_, entry) => {
    const { change, tlb, cache, rely, broken } = desk('hypersparc');
    change(OLD, entry);
    tlb();
    cache();
    rely();
    expect(broken).toEqual([NOT_FLUSHED_BEFORE]);
  });

  it('does not ask for one where the page stays and loses rights', () => {
    const { change, tlb, rely, broken } = desk('hypersparc');
    change(OLD, READ_ONLY);
    tlb();
    rely();
    expect(broken).toEqual([]);
  });

  it('asks for one flush a change', () => {
    const { cache, change, tlb, rely, broken } = desk('hypersparc');
    cache();
    change(OLD, NEW);
    change(NEW, 0);
    tlb();
    rely();
    expect(broken).toEqual([NOT_FLUSHED_BEFORE]);
  });

  it('knows of flushes of ranges, of a space and of everything', () => {
    const { cache, change, tlb, rely, order, broken } = desk('hypersparc');
    cache(VA, 2);
    change(OLD, 0, NEXT);
    tlb(VA, 2);
    rely(NEXT);
    order.cacheFlushedAll(space);
    change(OLD, 0);
    order.tlbFlushedAll(space);
    rely();
    order.cacheFlushedAll(null);
    change(OLD, 0);
    order.tlbFlushedAll(null);
    rely();
    expect(broken).toEqual([]);
    order.cacheFlushedAll(other);
    change(OLD, 0);
    expect(broken).toEqual([NOT_FLUSHED_BEFORE]);
  });

  describe('a flush of everything counts up to the TLB flush that follows', () => {
    const everything = [null, space] as const;
    const scopes = {
      'a page': (order: FlushOrder) => order.tlbFlushed(space, VA, 1),
      'a space': (order: FlushOrder) => order.tlbFlushedAll(space),
      everything: (order: FlushOrder) => order.tlbFlushedAll(null),
    };

    describe.each(Object.entries(scopes))('of %s', (_, flushTlb) => {
      it.each(everything)('after %o', (what) => {
        const { change, rely, order, broken } = desk('hypersparc');
        order.cacheFlushedAll(what);
        change(OLD, NEW);
        flushTlb(order);
        change(NEW, 0);
        flushTlb(order);
        rely();
        expect(broken).toEqual([NOT_FLUSHED_BEFORE]);
      });
    });

    it.each(everything)('but not of another page, or another space, after %o', (what) => {
      const { change, tlb, rely, order, broken } = desk('hypersparc');
      order.cacheFlushedAll(what);
      change(OLD, 0);
      tlb();
      order.tlbFlushedAll(other);
      rely();
      change(OLD, 0, NEXT);
      tlb(NEXT);
      rely(NEXT);
      expect(broken).toEqual([]);
    });

    it('and up to the page’s next change, or its next mapping', () => {
      const { change, order, broken } = desk('hypersparc');
      order.cacheFlushedAll(null);
      change(OLD, NEW);
      change(NEW, 0);
      expect(broken).toEqual([NOT_FLUSHED_BEFORE]);
      order.cacheFlushedAll(space);
      change(0, NEW, NEXT);
      change(NEW, 0, NEXT);
      expect(broken).toEqual([NOT_FLUSHED_BEFORE, NOT_FLUSHED_BEFORE]);
    });
  });

  it('forgets a flush of a space with the TLB flush that follows', () => {
    const { change, rely, order, broken } = desk('hypersparc');
    order.cacheFlushedAll(space);
    order.tlbFlushedAll(space);
    change(OLD, 0);
    order.tlbFlushedAll(space);
    rely();
    expect(broken).toEqual([NOT_FLUSHED_BEFORE]);
  });
});

describe.each(['hypersparc', 'arm926', 'r4000', 'sun4c', 'x86-64'])('on %s', (platform) => {
  it('the TLB flush comes after the change', () => {
    const { cache, change, tlb, rely, broken } = desk(platform);
    tlb();
    cache();
    change(OLD, 0);
    rely();
    expect(broken).toEqual([NOT_FLUSHED_AFTER]);
  });

  it('a cache flush is none of the TLB', () => {
    const { cache, change, rely, broken } = desk(platform);
    cache();
    change(OLD, 0);
    cache();
    rely();
    expect(broken).toEqual([NOT_FLUSHED_AFTER]);
  });

  it('nor is a TLB flush of another page or space', () => {
    const { cache, change, tlb, rely, order, broken } = desk(platform);
    cache();
    change(OLD, 0);
    tlb(NEXT);
    order.tlbFlushedAll(other);
    rely();
    expect(broken).toEqual([NOT_FLUSHED_AFTER]);
  });

  it('what only grows, or was not valid, needs no flush', () => {
    const { change, rely, broken } = desk(platform);
    change(0, NEW);
    change(READ_ONLY, OLD);
    change(OLD & ~PTE.ACCESSED, OLD);
    rely();
    expect(broken).toEqual([]);
  });

  it('what is settled is not asked about again', () => {
    const { cache, change, rely, broken } = desk(platform);
    cache();
    change(OLD, 0);
    rely();
    rely();
    expect(broken).toEqual([NOT_FLUSHED_AFTER]);
  });
});

describe('a page of the kernel’s is the same in every space', () => {
  const kernelDesk = (kernelMappings: 'global' | 'per-context') => {
    const { cpu, order, broken } = desk('hypersparc', (p) => {
      p.mmu.kernelMappings = kernelMappings;
    });
    order.cacheFlushedAll(null);
    order.entryChanges(cpu, space, KERNEL_VA, OLD, 0);
    return { order, broken, rely: () => order.relied(cpu, other, KERNEL_VA) };
  };

  it.each(['global', 'per-context'] as const)('a flush of it reaches all contexts: %s', (kernelMappings) => {
    const { order, broken, rely } = kernelDesk(kernelMappings);
    order.tlbFlushed(null, KERNEL_VA, 1);
    rely();
    expect(broken).toEqual([]);
  });

  it('and one of a single context only where its translation is global', () => {
    for (const [kernelMappings, expected] of [
      ['global', []],
      ['per-context', [NOT_FLUSHED_AFTER]],
    ] as const) {
      const { order, broken, rely } = kernelDesk(kernelMappings);
      order.tlbFlushed(other, KERNEL_VA, 1);
      rely();
      expect(broken).toEqual(expected);
    }
  });

  it('a flush of a whole space leaves it', () => {
    const { order, broken, rely } = kernelDesk('global');
    order.tlbFlushedAll(space);
    rely();
    expect(broken).toEqual([NOT_FLUSHED_AFTER]);
  });
});

describe('where lines are found without the mapping', () => {
  it.each(['arm926', 'arm1136', 'r4000pc', 'sun4c', 'x86-64'])(
    'the cache may be flushed last on %s',
    (name) => {
      const { cache, change, tlb, rely, broken } = desk(name);
      change(OLD, NEW);
      tlb();
      cache();
      rely();
      expect(broken).toEqual([]);
    },
  );
});
