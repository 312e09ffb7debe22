import { describe, expect, it } from 'vitest';
import { PTE } from '../../src/machine/attributes.ts';
import type { Cpu } from '../../src/machine/cpu.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { COUNT } from '../../src/machine/registers.ts';
import {
  ENTRY,
  TLBI_ALL,
  TLBI_ASID,
  TLBI_GUESTS,
  TLBI_IPA,
  TLBI_VA,
  TLBI_VA_ALL_ASIDS,
  TLBI_VMID,
  TLBI_VMID_STAGE1,
} from '../../src/machine/tlb.ts';
import { asidOfTag, vmidOfTag } from '../../src/machine/tlb-tag.ts';
import { entryOf, guestOn, STAGE2_RIGHTS, tinyGuests } from '../support/guests.ts';
import { broadcasting, complete, cpusOf, Mapper, machineOf } from '../support/machine.ts';

const VA = 0x0040_0000;
const GLOBAL_VA = 0x0040_1000;
const IPA = 0x5000;

/** Both CPUs have run guest 1 with ASIDs 1 and 2, guest 2 with ASID 1, and the host with ASID 1; all by the same tables. */
function filled(): { machine: Machine; cpus: Cpu[]; stage1: Mapper; stage2: Mapper } {
  const platform = tinyGuests((p) => {
    broadcasting(false)(p);
    p.mmu.tlb.data = { entries: 32, ways: 32 };
    p.mmu.walkCache = { entries: 16, asidTagged: true };
    p.virtualization = { ...p.virtualization!, stage2Fences: 'broadcast', ipaCache: { entries: 32 } };
  });
  const machine = machineOf(platform, 2);
  const stage1 = new Mapper(machine, 0x20000);
  const stage2 = new Mapper(machine, 0x30000);
  stage1.map(VA, IPA);
  stage1.map(GLOBAL_VA, 0x6000, PTE.GLOBAL);
  for (const page of [IPA, 0x6000, 0x20000, 0x21000]) stage2.map(page, page, STAGE2_RIGHTS);
  const cpus = cpusOf(machine);
  for (const cpu of cpus) {
    for (const [vmid, asid] of [
      [1, 1],
      [1, 2],
      [2, 1],
    ]) {
      const registers = { ...guestOn, asid, rootIpa: stage1.root };
      complete(cpu.enterGuest(entryOf(stage2.root, { vmid, registers })));
      complete(cpu.load(VA));
      complete(cpu.load(GLOBAL_VA));
      complete(cpu.exitGuest());
    }
    complete(cpu.setContext(stage1.root, 1));
    complete(cpu.load(VA));
    complete(cpu.load(GLOBAL_VA));
  }
  return { machine, cpus, stage1, stage2 };
}

/** What a CPU holds, as "vmid.asid page"; * for no ASID. */
function held({ hw }: Cpu): string[] {
  const e = hw.dtlb.entries;
  const list: string[] = [];
  for (let at = 0; at < e.length; at += ENTRY.WORDS) {
    if (e[at] < 0) continue;
    const asid = asidOfTag(e[at + ENTRY.ASID]);
    const name = e[at] === VA >>> 12 ? 'own' : 'global';
    list.push(`${vmidOfTag(e[at + ENTRY.ASID])}.${asid < 0 ? '*' : asid} ${name}`);
  }
  return list.sort();
}

/** VMIDs that a CPU remembers stage 2 of, for the page at IPA. */
function remembered({ hw }: Cpu): number[] {
  return [1, 2].filter((vmid) => hw.ipaCache?.lookup(vmid, IPA >>> 12));
}

const walked = ({ hw }: Cpu) =>
  [0x1_0001, 0x1_0002, 0x2_0001, 1].filter((tag) =>
    tag < 0x1_0000 ? hw.walkCache?.lookup(VA >>> 12, tag) : hw.walkCache?.lookupGuest(VA >>> 12, tag),
  );

const ALL = ['0.* global', '0.1 own', '1.* global', '1.1 own', '1.2 own', '2.* global', '2.1 own'];
const WALKS = [0x1_0001, 0x1_0002, 0x2_0001, 1];
const without = (list: readonly string[], pattern: RegExp) => list.filter((name) => !pattern.test(name));

describe('what a CPU remembers of several guests', () => {
  it('is kept apart by VMID and ASID, global entries by VMID', () => {
    const { cpus } = filled();
    for (const cpu of cpus) {
      expect(held(cpu)).toEqual(ALL);
      expect(remembered(cpu)).toEqual([1, 2]);
      expect(walked(cpu)).toEqual(WALKS);
    }
  });

  it('is found by its own guest only: another one’s walks, though its ASID is the same', () => {
    const { machine, cpus, stage1 } = filled();
    const [cpu] = cpus;
    const other = new Mapper(machine, 0x38000);
    other.map(IPA, 0x9000, STAGE2_RIGHTS);
    other.map(0x6000, 0xa000, STAGE2_RIGHTS);
    for (const page of [0x20000, 0x21000]) other.map(page, page, STAGE2_RIGHTS);
    machine.poke(0x9000, 9);
    machine.poke(0xa000, 10);
    const registers = { ...guestOn, rootIpa: stage1.root };
    complete(cpu.enterGuest(entryOf(other.root, { vmid: 3, registers })));
    expect(complete(cpu.load(VA))).toBe(9);
    expect(complete(cpu.load(GLOBAL_VA))).toBe(10);
  });
});

interface Case {
  readonly name: string;
  readonly kind: number;
  readonly va?: number;
  readonly number?: number;
  /** Issued in a guest of this VMID. */
  readonly guest?: number;
  readonly gone: RegExp;
  readonly stage2: number[];
  readonly walks: number[];
}

const NONE = /^$/;
const cases: Case[] = [
  { name: 'host, everything', kind: TLBI_ALL, gone: /^0/, stage2: [1, 2], walks: WALKS.slice(0, 3) },
  {
    name: 'host, an ASID',
    kind: TLBI_ASID,
    number: 1,
    gone: /^0.1/,
    stage2: [1, 2],
    walks: WALKS.slice(0, 3),
  },
  {
    name: 'host, a page',
    kind: TLBI_VA,
    va: VA,
    number: 1,
    gone: /^0.1/,
    stage2: [1, 2],
    walks: WALKS.slice(0, 3),
  },
  { name: 'host, a VMID', kind: TLBI_VMID, number: 1, gone: /^1/, stage2: [2], walks: [0x2_0001, 1] },
  {
    name: 'host, stage 1 of a VMID',
    kind: TLBI_VMID_STAGE1,
    number: 1,
    gone: /^1/,
    stage2: [1, 2],
    walks: [0x2_0001, 1],
  },
  {
    name: 'host, an intermediate page',
    kind: TLBI_IPA,
    va: IPA,
    number: 1,
    gone: NONE,
    stage2: [2],
    walks: WALKS,
  },
  {
    name: 'host, another one',
    kind: TLBI_IPA,
    va: 0x6000,
    number: 1,
    gone: NONE,
    stage2: [1, 2],
    walks: WALKS,
  },
  { name: 'host, all guests', kind: TLBI_GUESTS, gone: /^[12]/, stage2: [], walks: [1] },
  {
    name: 'guest, everything',
    kind: TLBI_ALL,
    guest: 1,
    gone: /^1/,
    stage2: [1, 2],
    walks: [0x2_0001, 1],
  },
  {
    name: 'guest, an ASID',
    kind: TLBI_ASID,
    number: 1,
    guest: 1,
    gone: /^1.1/,
    stage2: [1, 2],
    walks: [0x1_0002, 0x2_0001, 1],
  },
  {
    name: 'guest, a page',
    kind: TLBI_VA,
    va: VA,
    number: 1,
    guest: 1,
    gone: /^1.1/,
    stage2: [1, 2],
    walks: [0x1_0002, 0x2_0001, 1],
  },
  {
    name: 'guest, a global page',
    kind: TLBI_VA,
    va: GLOBAL_VA,
    number: 2,
    guest: 1,
    gone: /^1.*global/,
    stage2: [1, 2],
    // The tables above it are those of the other page.
    walks: [0x1_0001, 0x2_0001, 1],
  },
  {
    name: 'guest, a page of all ASIDs',
    kind: TLBI_VA_ALL_ASIDS,
    va: VA,
    guest: 1,
    gone: /^1.*own/,
    stage2: [1, 2],
    walks: [0x2_0001, 1],
  },
];

describe('a TLB invalidate', () => {
  for (const { name, kind, va = 0, number = 0, guest, gone, stage2, walks } of cases) {
    for (const reach of ['local', 'broadcast'] as const) {
      it(`${name}, ${reach}`, () => {
        const all = filled();
        const [cpu, target] = all.cpus;
        if (guest) {
          const registers = { ...guestOn, rootIpa: all.stage1.root };
          complete(cpu.enterGuest(entryOf(all.stage2.root, { vmid: guest, registers })));
        }
        complete(
          reach === 'local' ? cpu.tlbiLocal(kind, va, 1, number) : cpu.tlbiBroadcast(kind, va, 1, number),
        );
        for (const each of reach === 'local' ? [cpu] : [cpu, target]) {
          expect(held(each)).toEqual(without(ALL, gone));
          expect(remembered(each)).toEqual(stage2);
          expect(walked(each)).toEqual(walks);
        }
        if (reach === 'broadcast') return;
        expect(held(target)).toEqual(ALL);
        expect(remembered(target)).toEqual([1, 2]);
        expect(walked(target)).toEqual(WALKS);
      });
    }
  }

  it('of a guest leaves what was made with its translation off to those of the whole VMID', () => {
    const { cpus, stage2 } = filled();
    const [cpu] = cpus;
    const registers = { ...guestOn, mmuOn: false };
    complete(cpu.enterGuest(entryOf(stage2.root, { vmid: 1, registers })));
    complete(cpu.load(IPA));
    const walks = () => cpu.hw.counters[COUNT.walks];
    const before = walks();
    for (const kind of [TLBI_VA, TLBI_VA_ALL_ASIDS]) complete(cpu.tlbiLocal(kind, IPA, 1, 1));
    complete(cpu.load(IPA));
    expect(walks()).toBe(before);
    complete(cpu.tlbiLocal(TLBI_ALL, 0, 1, 0));
    complete(cpu.load(IPA));
    expect(walks()).toBe(before + 1);
  });

  it('of the host’s kinds is refused to a guest, to platforms without guests, and where fences are local', () => {
    const { cpus, stage2 } = filled();
    complete(cpus[0].enterGuest(entryOf(stage2.root)));
    expect(() => complete(cpus[0].tlbiLocal(TLBI_VMID, 0, 1, 1))).toThrow(
      /a guest has no invalidates by VMID/,
    );
    const [bare] = cpusOf(
      machineOf(
        tinyGuests((p) => {
          delete p.virtualization;
        }),
        1,
      ),
    );
    expect(() => complete(bare.tlbiLocal(TLBI_IPA, 0, 1, 1))).toThrow(/no stage 2 to invalidate/);
    const [local] = cpusOf(machineOf(tinyGuests(broadcasting(false)), 1));
    expect(() => complete(local.tlbiBroadcast(TLBI_VMID, 0, 1, 1))).toThrow(/use tlbiLocal on each/);
  });

  it('cancels a guest’s walk that it comes into', () => {
    const { machine, cpus, stage1, stage2 } = filled();
    const [cpu, other] = cpus;
    machine.platform.mmu.walkerReads = 'memory';
    complete(cpu.tlbiBroadcast(TLBI_GUESTS, 0, 1, 0));
    const registers = { ...guestOn, rootIpa: stage1.root };
    complete(cpu.enterGuest(entryOf(stage2.root, { registers })));
    const steps = cpu.load(VA);
    // To the step that would fill the TLB: two reads of stage 1, four of stage 2 for it, two for the leaf.
    for (let n = 0; cpu.hw.counters[COUNT.walkReads] < 8; n++) {
      expect(n).toBeLessThan(40);
      steps.next();
    }
    machine.poke(0x9000, 9);
    machine.poke(stage2.entryAt(IPA), 0x9000 | STAGE2_RIGHTS | PTE.VALID);
    complete(other.tlbiBroadcast(TLBI_VMID, 0, 1, 1));
    expect(complete(steps)).toBe(9);
  });
});
