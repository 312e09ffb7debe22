import { describe, expect, it } from 'vitest';
import { ATTRIBUTE_DEVICE, ATTRIBUTE_NORMAL, ATTRIBUTE_UNCACHED, PTE } from '../../src/machine/attributes.ts';
import { COUNT } from '../../src/machine/registers.ts';
import { entryOf, guestOn, STAGE2_RIGHTS, tinyGuests } from '../support/guests.ts';
import { complete, cpusOf, Mapper, machineOf } from '../support/machine.ts';

const VA = 0x0040_0000;
const [N, U, D] = [ATTRIBUTE_NORMAL, ATTRIBUTE_UNCACHED, ATTRIBUTE_DEVICE];
const names = ['cacheable', 'uncached', 'device'];
const bitsOf = (attribute: number) => attribute << PTE.ATTRIBUTE_SHIFT;

/** What accesses of a guest with these attributes of both stages do. */
function attributesOf(
  one: number,
  two: number,
  options: { fwb?: boolean; mmuOn?: boolean; cachesOn?: boolean },
) {
  const { fwb = false, mmuOn = true, cachesOn = true } = options;
  const machine = machineOf(tinyGuests(), 1);
  const stage1 = new Mapper(machine, 0x20000);
  const stage2 = new Mapper(machine, 0x30000);
  stage1.map(VA, 0x5000, PTE.WRITE | PTE.EXECUTE | bitsOf(one));
  stage2.map(0x5000, 0x9000, STAGE2_RIGHTS | bitsOf(two));
  for (const page of [0x20000, 0x21000]) stage2.map(page, page, STAGE2_RIGHTS);
  const [cpu] = cpusOf(machine);
  const registers = { ...guestOn, rootIpa: stage1.root, mmuOn, cachesOn };
  complete(cpu.enterGuest(entryOf(stage2.root, { forcedWriteBack: fwb, registers })));
  const va = mmuOn ? VA : 0x5000;
  const uncached = cpu.hw.counters[COUNT.uncached];
  complete(cpu.load(va));
  const data = machine.translation.attributes;
  const reads = cpu.hw.counters[COUNT.uncached] - uncached;
  complete(cpu.fetch(va));
  return { data, fetch: machine.translation.attributes, uncachedReads: reads };
}

// Arm DDI 0487, pseudocode CombineS1S2Desc, as QEMU has it (target/arm/ptw.c): by hand, not by rule.
const table: [one: number, two: number, combined: number, forced: number][] = [
  [N, N, N, N],
  [N, U, U, U],
  [N, D, D, D],
  [U, N, U, N],
  [U, U, U, U],
  [U, D, D, D],
  [D, N, D, N],
  [D, U, D, D],
  [D, D, D, D],
];

describe('the attributes of two stages', () => {
  for (const [one, two, combined, forced] of table) {
    const both = `${names[one]} in stage 1 and ${names[two]} in stage 2`;
    it(`${both}: ${names[combined]}`, () => {
      const { data, fetch } = attributesOf(one, two, {});
      expect({ data, fetch }).toEqual({ data: combined, fetch: combined });
    });
    it(`${both} with forced write-back: ${names[forced]}`, () => {
      const { data, fetch } = attributesOf(one, two, { fwb: true });
      expect({ data, fetch }).toEqual({ data: forced, fetch: forced });
    });
  }

  // Arm DDI 0487, "The effects of disabling an address translation stage": data is Device-nGnRnE to stage 1, which with
  // forced write-back only an ordinary entry of stage 2 overrules.
  it('with the guest’s translation off: data is a device’s, fetches go by stage 2 alone', () => {
    for (const cachesOn of [true, false]) {
      const off = { mmuOn: false, cachesOn };
      expect(attributesOf(N, N, off)).toMatchObject({ data: D, fetch: N });
      expect(attributesOf(D, U, off)).toMatchObject({ data: D, fetch: U });
      expect(attributesOf(N, D, off)).toMatchObject({ data: D, fetch: D });
      expect(attributesOf(N, N, { ...off, fwb: true })).toMatchObject({ data: N, fetch: N });
      expect(attributesOf(N, U, { ...off, fwb: true })).toMatchObject({ data: D, fetch: U });
    }
  });

  it('with the guest’s caches off: data and the walks of its tables are not cached, fetches are', () => {
    expect(attributesOf(N, N, { cachesOn: false })).toEqual({ data: U, fetch: N, uncachedReads: 3 });
    expect(attributesOf(N, N, { cachesOn: true })).toEqual({ data: N, fetch: N, uncachedReads: 0 });
    // Forced write-back has the last word on walks as well.
    expect(attributesOf(N, N, { cachesOn: false, fwb: true })).toEqual({
      data: N,
      fetch: N,
      uncachedReads: 0,
    });
  });

  it('follow the guest’s control at once, also in a bulk run', () => {
    const machine = machineOf(tinyGuests(), 1);
    const stage2 = new Mapper(machine, 0x30000);
    const stage1 = new Mapper(machine, 0x20000);
    stage1.map(VA, 0x5000, PTE.WRITE);
    stage2.map(0x5000, 0x9000, STAGE2_RIGHTS);
    for (const page of [0x20000, 0x21000]) stage2.map(page, page, STAGE2_RIGHTS);
    const [cpu] = cpusOf(machine);
    const registers = { ...guestOn, rootIpa: stage1.root };
    complete(cpu.enterGuest(entryOf(stage2.root, { registers })));
    const trace = Uint32Array.from([VA, VA + 4, VA | 1, VA + 4]);
    const uncached = () => cpu.hw.counters[COUNT.uncached];
    complete(cpu.touch(trace));
    complete(cpu.touch(trace));
    expect(uncached()).toBe(0);
    complete(cpu.guestControl({ mmuOn: true, cachesOn: false }));
    complete(cpu.touch(trace));
    expect(uncached()).toBe(4);
    complete(cpu.guestControl({ mmuOn: true, cachesOn: true }));
    complete(cpu.touch(trace));
    expect(uncached()).toBe(4);
    // The host's own page at that address is another one.
    complete(cpu.exitGuest());
    const host = new Mapper(machine, 0x28000);
    host.map(VA, 0x7000, PTE.WRITE);
    complete(cpu.setContext(host.root, 1));
    complete(cpu.touch(Uint32Array.from([VA | 1])));
    expect(complete(cpu.loadPhysical(0x7000))).toBe(0);
    complete(cpu.touch(Uint32Array.from([0, VA | 1]), 1));
    expect(complete(cpu.loadPhysical(0x7000))).toBe(1);
    expect(complete(cpu.loadPhysical(0x9000))).toBe(2);
  });
});
