/** What the hardware does ahead of a guest's program: walks that nobody waits for, and instructions fetched ahead. */
import { describe, expect, it } from 'vitest';
import { PTE } from '../../src/machine/attributes.ts';
import type { Cpu } from '../../src/machine/cpu.ts';
import type { Machine } from '../../src/machine/machine.ts';
import type { PlatformInput } from '../../src/machine/platform.ts';
import { COUNT } from '../../src/machine/registers.ts';
import { ENTRY, TLBI_ALL, TLBI_IPA, TLBI_VMID_STAGE1 } from '../../src/machine/tlb.ts';
import { asidOfTag, vmidOfTag } from '../../src/machine/tlb-tag.ts';
import { entryOf, guestOn, STAGE2_RIGHTS, tinyGuests } from '../support/guests.ts';
import { complete, cpusOf, Mapper, machineOf, vectorsWith } from '../support/machine.ts';

const VA = 0x0040_0000;
const [IPA, FRAME, OTHER] = [0x5000, 0x9000, 0xa000];
const RIGHTS = PTE.WRITE | PTE.EXECUTE;

interface Lab {
  readonly machine: Machine;
  readonly cpu: Cpu;
  readonly stage1: Mapper;
  readonly stage2: Mapper;
  /** Enters the guest of VMID 3, ASID 1. */
  enter(): void;
  /** What the data and instruction TLBs hold, as "vmid.asid page". */
  held(): string[];
}

function labOf(change: (p: PlatformInput) => void = () => {}): Lab {
  const machine = machineOf(
    tinyGuests((p) => {
      p.agents = ['walk'];
      p.mmu.tlb.instruction = { entries: 8, ways: 8 };
      change(p);
    }),
    1,
  );
  const stage1 = new Mapper(machine, 0x20000);
  const stage2 = new Mapper(machine, 0x30000);
  stage1.map(VA, IPA, RIGHTS);
  stage2.map(IPA, FRAME, STAGE2_RIGHTS);
  for (const page of [0x20000, 0x21000]) stage2.map(page, page, STAGE2_RIGHTS);
  machine.poke(FRAME, 9);
  machine.poke(OTHER, 10);
  machine.agents.speculation = [VA];
  const [cpu] = cpusOf(machine);
  // Whoever faults, it is no speculation.
  cpu.vectors = vectorsWith();
  const enter = () =>
    complete(
      cpu.enterGuest(entryOf(stage2.root, { vmid: 3, registers: { ...guestOn, rootIpa: stage1.root } })),
    );
  const held = () =>
    cpu.hw.tlbs.flatMap(({ entries: e }) => {
      const list: string[] = [];
      for (let at = 0; at < e.length; at += ENTRY.WORDS) {
        const tag = e[at + ENTRY.ASID];
        if (e[at] >= 0) list.push(`${vmidOfTag(tag)}.${asidOfTag(tag)} 0x${e[at].toString(16)}`);
      }
      return list;
    });
  return { machine, cpu, stage1, stage2, enter, held };
}

/** Number of the walk agent's action on CPU 0 for VA, or -1 if it has none. */
const walkOf = ({ machine, cpu }: Lab) => machine.agents.enabledFrom('walk', cpu.hw, 1, 1);

function walk(lab: Lab): void {
  const action = walkOf(lab);
  expect(action).toBeGreaterThan(0);
  lab.machine.agents.perform(action);
}

describe('a speculative walk of a guest', () => {
  it('leaves an entry of both stages that the guest uses without a walk of its own, and costs no time', () => {
    const lab = labOf();
    lab.enter();
    const { cpu } = lab;
    const before = cpu.clock;
    walk(lab);
    expect(cpu.clock).toBe(before);
    expect(lab.held()).toEqual(['3.1 0x400']);
    const walks = cpu.hw.counters[COUNT.walks];
    expect(complete(cpu.load(VA))).toBe(9);
    expect(cpu.hw.counters[COUNT.walks]).toBe(walks);
    expect(cpu.hw.ipaCache?.lookup(3, IPA >>> 12)).toBeDefined();
    // It has what it could want.
    expect(walkOf(lab)).toBe(-1);
  });

  it('is the guest’s while the guest runs, and the host’s when it does not', () => {
    const lab = labOf();
    const host = new Mapper(lab.machine, 0x28000);
    host.map(VA, 0x7000);
    complete(lab.cpu.setContext(host.root, 2));
    walk(lab);
    expect(lab.held()).toEqual(['0.2 0x400']);
    lab.enter();
    walk(lab);
    expect(lab.held().sort()).toEqual(['0.2 0x400', '3.1 0x400']);
  });

  it.each<[string, (lab: Lab) => void]>([
    ['stage 1 does not map', ({ machine, stage1 }) => machine.poke(stage1.entryAt(VA), 0)],
    ['stage 2 does not map', ({ machine, stage2 }) => machine.poke(stage2.entryAt(IPA), 0)],
    [
      'stage 2 maps without the access flag',
      ({ stage2 }) => stage2.map(IPA, FRAME, STAGE2_RIGHTS & ~PTE.ACCESSED),
    ],
    ['stage 2 maps to no memory', ({ stage2 }) => stage2.map(IPA, 0x100_0000, STAGE2_RIGHTS)],
    [
      'goes by a table that stage 2 does not map',
      ({ machine, stage2 }) => machine.poke(stage2.entryAt(0x21000), 0),
    ],
  ])('leaves nothing and faults nowhere for a page that %s', (_, spoil) => {
    const lab = labOf();
    spoil(lab);
    lab.enter();
    walk(lab);
    expect(lab.held()).toEqual([]);
    expect(lab.cpu.hw.counters[COUNT.faults]).toBe(0);
    expect(lab.cpu.inGuest).toBe(true);
  });

  it('sets no accessed bit in the guest’s table, and fills nothing without one', () => {
    const lab = labOf((p) => {
      p.mmu.accessedDirty = 'hardware';
    });
    lab.enter();
    walk(lab);
    expect(lab.held()).toEqual([]);
    expect(lab.machine.peek(lab.stage1.entryAt(VA)) & PTE.ACCESSED).toBe(0);
  });

  it('leaves an entry that forbids what the two stages together forbid', () => {
    const lab = labOf();
    lab.stage2.map(IPA, FRAME, PTE.ACCESSED);
    lab.enter();
    walk(lab);
    expect(complete(lab.cpu.load(VA))).toBe(9);
    expect(() => complete(lab.cpu.store(VA, 1))).toThrow(/permission/);
  });

  it('can bring back what an invalidate has removed, from what is remembered of stage 2', () => {
    const lab = labOf();
    const { cpu, machine } = lab;
    lab.enter();
    expect(complete(cpu.load(VA))).toBe(9);
    complete(cpu.exitGuest());
    complete(cpu.storePhysical(lab.stage2.entryAt(IPA), OTHER | STAGE2_RIGHTS | PTE.VALID));
    // The order that is wrong: stage 1 first.
    complete(cpu.tlbiLocal(TLBI_VMID_STAGE1, 0, 1, 3));
    lab.enter();
    machine.agents.perform(walkOf(lab));
    complete(cpu.exitGuest());
    complete(cpu.tlbiLocal(TLBI_IPA, IPA, 1, 3));
    lab.enter();
    expect(complete(cpu.load(VA))).toBe(9);
  });
});

describe('an instruction that a guest’s CPU has fetched ahead', () => {
  const ahead = (p: PlatformInput) => {
    p.l1i.fetchAhead = true;
  };

  it('is fetched through both stages, walk included, and runs until a context synchronization', () => {
    const lab = labOf(ahead);
    const { cpu } = lab;
    lab.enter();
    complete(cpu.fetchAhead(VA));
    expect(lab.held()).toEqual(['3.1 0x400']);
    complete(cpu.store(VA, 11));
    expect(complete(cpu.fetch(VA))).toBe(9);
    complete(cpu.isb());
    expect(complete(cpu.fetch(VA))).toBe(11);
  });

  it('is forgotten at an exit and at an entry', () => {
    for (const outside of [false, true]) {
      const lab = labOf(ahead);
      const { cpu } = lab;
      const host = new Mapper(lab.machine, 0x28000);
      host.map(VA, FRAME, RIGHTS);
      complete(cpu.setContext(host.root, 1));
      lab.enter();
      if (outside) complete(cpu.exitGuest());
      complete(cpu.fetchAhead(VA));
      complete(cpu.storePhysical(FRAME, 11));
      if (outside) lab.enter();
      else complete(cpu.exitGuest());
      // A step that is no context synchronization of its own.
      expect(complete(cpu.fetch(VA))).toBe(11);
    }
  });

  it('runs though stage 2 has moved its page and everything was invalidated', () => {
    const lab = labOf(ahead);
    const { cpu, stage2 } = lab;
    lab.enter();
    complete(cpu.fetchAhead(VA));
    const entry = stage2.entryAt(IPA);
    complete(cpu.storePhysical(entry, OTHER | STAGE2_RIGHTS | PTE.VALID));
    complete(cpu.tlbiLocal(TLBI_ALL, 0, 1, 0));
    expect(complete(cpu.fetch(VA))).toBe(9);
  });

  it.each<[string, (lab: Lab) => void]>([
    ['stage 2 does not map', ({ machine, stage2 }) => machine.poke(stage2.entryAt(IPA), 0)],
    ['stage 2 lets nobody execute', ({ stage2 }) => stage2.map(IPA, FRAME, PTE.WRITE | PTE.ACCESSED)],
    ['stage 1 lets nobody execute', ({ stage1 }) => stage1.map(VA, IPA, PTE.WRITE)],
    [
      'stage 2 says is a device’s',
      ({ stage2 }) => stage2.map(IPA, FRAME, STAGE2_RIGHTS | (2 << PTE.ATTRIBUTE_SHIFT)),
    ],
  ])('is none where %s, and nothing faults', (_, spoil) => {
    const lab = labOf(ahead);
    const { cpu } = lab;
    spoil(lab);
    lab.enter();
    const fetches = cpu.hw.counters[COUNT.l1iMisses];
    complete(cpu.fetchAhead(VA));
    expect(cpu.hw.counters[COUNT.l1iMisses]).toBe(fetches);
    expect(cpu.hw.counters[COUNT.faults]).toBe(0);
  });
});
