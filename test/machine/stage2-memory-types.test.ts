import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ATTRIBUTE_DEVICE, ATTRIBUTE_NORMAL, ATTRIBUTE_UNCACHED, PTE } from '../../src/machine/attributes.ts';
import type { MemoryTypes, Trap } from '../../src/machine/cpu.ts';
import { packMemoryTypes, unpackMemoryTypes, withMemoryType } from '../../src/machine/memory-types.ts';
import { COUNT } from '../../src/machine/registers.ts';
import { TLBI_ALL } from '../../src/machine/tlb.ts';
import { entryOf, guestOn, STAGE2_RIGHTS, tinyGuests } from '../support/guests.ts';
import { complete, cpusOf, Mapper, machineOf } from '../support/machine.ts';

const VA = 0x0040_0000;
const [N, U, D] = [ATTRIBUTE_NORMAL, ATTRIBUTE_UNCACHED, ATTRIBUTE_DEVICE];
const cached: MemoryTypes = [N, N, N];

/** A guest whose page at VA has an attribute, and one of stage 2 behind it. */
function guestWith(attribute: number, stage2Attribute: number, guestCaching: 'mair' | 'none') {
  const machine = machineOf(
    tinyGuests((p) => {
      if (p.virtualization) p.virtualization.guestCaching = guestCaching;
    }),
    1,
  );
  const stage1 = new Mapper(machine, 0x20000);
  const stage2 = new Mapper(machine, 0x30000);
  stage1.map(VA, 0x5000, PTE.WRITE | (attribute << PTE.ATTRIBUTE_SHIFT));
  stage2.map(0x5000, 0x9000, STAGE2_RIGHTS | (stage2Attribute << PTE.ATTRIBUTE_SHIFT));
  for (const page of [0x20000, 0x21000]) stage2.map(page, page, STAGE2_RIGHTS);
  const [cpu] = cpusOf(machine);
  const registers = { ...guestOn, rootIpa: stage1.root };
  return { machine, cpu, stage2, registers };
}

describe('the memory types of a guest', () => {
  it('say what the attributes of its own entries mean, and stage 2 stays the stricter', () => {
    const attributeOf = (stage1: number, stage2: number, types?: MemoryTypes) => {
      const { machine, cpu, stage2: tables, registers } = guestWith(stage1, stage2, 'mair');
      complete(cpu.enterGuest(entryOf(tables.root, { registers })));
      if (types) complete(cpu.guestMemoryTypes(types));
      complete(cpu.load(VA));
      return machine.translation.attributes;
    };
    expect(attributeOf(U, N)).toBe(U);
    expect(attributeOf(U, N, cached)).toBe(N);
    expect(attributeOf(D, N, cached)).toBe(N);
    expect(attributeOf(D, N, [N, N, U])).toBe(U);
    expect(attributeOf(N, N, [D, N, N])).toBe(D);
    expect(attributeOf(U, U, cached)).toBe(U);
    expect(attributeOf(U, D, cached)).toBe(D);
  });

  it('are none of the guest’s business where the platform does not ask it', () => {
    const { machine, cpu, stage2, registers } = guestWith(U, N, 'none');
    complete(cpu.enterGuest(entryOf(stage2.root, { registers: { ...registers, cachesOn: false } })));
    complete(cpu.load(VA));
    expect(machine.translation.attributes).toBe(N);
    complete(cpu.guestControl({ mmuOn: false, cachesOn: false }));
    complete(cpu.load(0x5000));
    expect(machine.translation.attributes).toBe(N);
    expect(cpu.hw.counters[COUNT.uncached]).toBe(0);
    expect(() => complete(cpu.guestMemoryTypes(cached))).toThrow(/no register of memory types/);
    const uncached = guestWith(N, U, 'none');
    complete(uncached.cpu.enterGuest(entryOf(uncached.stage2.root, { registers: uncached.registers })));
    complete(uncached.cpu.load(VA));
    expect(uncached.machine.translation.attributes).toBe(U);
  });

  it('mean nothing while translation is off, and nothing to entries that are in the TLB', () => {
    const { machine, cpu, stage2, registers } = guestWith(U, N, 'mair');
    complete(cpu.enterGuest(entryOf(stage2.root, { registers: { ...registers, memoryTypes: [U, U, U] } })));
    complete(cpu.guestControl({ mmuOn: false, cachesOn: true }));
    complete(cpu.load(0x5000));
    // What it is while translation is off no register says: a device's.
    expect(machine.translation.attributes).toBe(D);
    complete(cpu.guestControl({ mmuOn: true, cachesOn: true }));
    complete(cpu.load(VA));
    expect(machine.translation.attributes).toBe(U);
    complete(cpu.guestMemoryTypes(cached));
    complete(cpu.load(VA));
    expect(machine.translation.attributes).toBe(U);
    complete(cpu.tlbiLocal(TLBI_ALL, 0, 0, 0));
    complete(cpu.load(VA));
    expect(machine.translation.attributes).toBe(N);
  });

  it('trap with the other registers of the MMU, and are what the host makes of them', () => {
    const { machine, cpu, stage2, registers } = guestWith(U, N, 'mair');
    const traps: Trap[] = [];
    cpu.vectors = {
      *fault() {
        return false;
      },
      *interrupt() {},
      *refill() {
        return false;
      },
      *trap(_cpu, trap) {
        traps.push(trap);
        return trap.kind === 'control' ? { ...trap.after, memoryTypes: cached } : undefined;
      },
    };
    complete(cpu.enterGuest(entryOf(stage2.root, { registers, traps: { control: true } })));
    complete(cpu.guestMemoryTypes([N, U, D]));
    expect(traps).toMatchObject([{ kind: 'control', after: { rootIpa: registers.rootIpa } }]);
    complete(cpu.load(VA));
    expect(machine.translation.attributes).toBe(N);
    expect(complete(cpu.exitGuest())).toEqual({ ...registers, memoryTypes: cached });
  });

  it('refuse what is no type', () => {
    const { cpu, stage2, registers } = guestWith(N, N, 'mair');
    const entry = entryOf(stage2.root, { registers: { ...registers, memoryTypes: [N, 3, D] } });
    expect(() => complete(cpu.enterGuest(entry))).toThrow('memory type 3 of attribute 1: use 0 to 2');
  });

  it('are packed into a word and back, themselves as 0', () => {
    expect(packMemoryTypes([N, U, D])).toBe(0);
    expect(packMemoryTypes(undefined)).toBe(0);
    const type = fc.integer({ min: 0, max: 2 });
    const entry = fc.integer({ min: 0, max: 0xffff_ffff });
    fc.assert(
      fc.property(fc.tuple(type, type, type), entry, (types, bits) => {
        const word = packMemoryTypes(types);
        expect(unpackMemoryTypes(word) ?? [N, U, D]).toEqual(types);
        for (const [attribute, means] of types.entries()) {
          const clear = bits & ~(3 << PTE.ATTRIBUTE_SHIFT);
          const pte = clear | (attribute << PTE.ATTRIBUTE_SHIFT);
          expect(withMemoryType(pte, word)).toBe(clear | (means << PTE.ATTRIBUTE_SHIFT));
        }
      }),
    );
  });
});
