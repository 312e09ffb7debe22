import { describe, expect, it } from 'vitest';
import type { AddressSpace } from '../../../src/kernel/address-space.ts';
import { bootInto, bootMap } from '../../../src/kernel/boot-process.ts';
import { flushesBySpace } from '../../../src/kernel/flush/cache-lines.ts';
import { READ_WRITE } from '../../../src/kernel/kernel.ts';
import type { Machine } from '../../../src/machine/machine.ts';
import type { Platform } from '../../../src/machine/platform.ts';
import { dataAliases } from '../../../src/machine/traits.ts';
import { platforms } from '../../../src/platforms/index.ts';
import { type KernelProgram, runKernel } from '../../support/kernel.ts';

const VA = 0x4001_5000;
const aliasing = Object.values(platforms).filter(dataAliases);

/** Runs a program in space 0, in which one page is mapped; space 1 has the same page and has never run. */
function runMapped(platform: Platform, program: KernelProgram): Machine {
  const { result, machine } = runKernel(platform, [program], {
    spaces: 2,
    prepare(boot, spaces) {
      for (const space of spaces) bootMap(boot, space, VA, 1, READ_WRITE);
      bootInto(boot.machine, 0, spaces[0]);
    },
  });
  expect([result.outcome, result.error]).toEqual(['finished', undefined]);
  return machine;
}

const frameOf = (machine: Machine, space: AddressSpace): number => {
  const { translation } = machine;
  let table = space.root;
  for (let level = 0; level < translation.depth; level++) {
    table = machine.peek(translation.entryAddress(table, level, VA)) & ~0xfff;
  }
  return machine.peek(translation.entryAddress(table, translation.depth, VA)) & ~0xfff;
};

const isCached = (machine: Machine, pa: number): boolean => {
  const { l1d } = machine.state.cpus[0];
  return (
    l1d.findPhysical(pa >>> machine.state.lineShift, -1) >= 0 ||
    l1d.pa.includes(pa >>> machine.state.lineShift)
  );
};

const hasTranslation = (machine: Machine, { asid }: AddressSpace): boolean => {
  const tag = machine.translation.hasAsids ? asid : 0;
  return machine.state.cpus[0].dtlb.lookup(VA >>> 12, tag) >= 0;
};

describe.each(aliasing)('the cache flushes of $name', (platform) => {
  it('leave the translation of the page alone', () => {
    runMapped(platform, function* (cpu, { kernel, spaces: [space], machine }) {
      yield* cpu.load(VA);
      yield* kernel.caches.page(cpu, space, VA, frameOf(machine, space));
      expect(hasTranslation(machine, space)).toBe(true);
      expect(isCached(machine, frameOf(machine, space))).toBe(false);
    });
  });

  it('put no translation into a TLB that flushes of the address space do not reach', () => {
    runMapped(platform, function* (cpu, { kernel, spaces: [, other], machine }) {
      yield* kernel.caches.page(cpu, other, VA, frameOf(machine, other));
      yield* kernel.caches.pages(cpu, other, VA, 1);
      expect(hasTranslation(machine, other)).toBe(false);
    });
  });

  it('of an address space spare the kernel’s lines where the machine can tell', () => {
    runMapped(platform, function* (cpu, { kernel, spaces: [space], lines, machine }) {
      yield* cpu.load(VA);
      yield* cpu.loadPhysical(lines[0]);
      yield* kernel.caches.everything(cpu, space);
      expect(isCached(machine, frameOf(machine, space))).toBe(false);
      expect(isCached(machine, lines[0])).toBe(flushesBySpace(platform));
      yield* cpu.loadPhysical(lines[0]);
      yield* kernel.caches.everything(cpu, null);
      expect(isCached(machine, lines[0])).toBe(false);
    });
  });
});

it('where nothing aliases no flush of the data cache takes a step', () => {
  for (const platform of Object.values(platforms).filter((one) => !dataAliases(one))) {
    runMapped(platform, function* (cpu, { kernel, spaces: [space] }) {
      yield* cpu.load(VA);
      const began = cpu.clock;
      yield* kernel.caches.everything(cpu, space);
      yield* kernel.caches.page(cpu, space, VA, 0);
      yield* kernel.caches.kernelPage(cpu, 0);
      expect(cpu.clock).toBe(began);
    });
  }
});
