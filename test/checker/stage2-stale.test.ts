import { describe, expect, it } from 'vitest';
import { Checker } from '../../src/checker/checker.ts';
import { explain } from '../../src/checker/explain.ts';
import { PTE } from '../../src/machine/attributes.ts';
import { type Cpu, SegmentationFault, type Steps } from '../../src/machine/cpu.ts';
import type { PlatformInput } from '../../src/machine/platform.ts';
import { TLBI_GUESTS, TLBI_IPA, TLBI_VA, TLBI_VMID, TLBI_VMID_STAGE1 } from '../../src/machine/tlb.ts';
import { entryOf, guestOn, STAGE2_RIGHTS, tinyGuests } from '../support/guests.ts';
import { complete, cpusOf, Mapper, machineOf } from '../support/machine.ts';

const VA = 0x0040_0000;
const IPA = 0x5000;
const FRAME = 0x9000;

/** A guest of VMID 3 that has used VA, in a machine that is checked; it runs. */
function running(change: (p: PlatformInput) => void = () => {}, mmuOn = true) {
  const platform = tinyGuests(change);
  const machine = machineOf(platform, 1, { checked: true });
  const stage1 = new Mapper(machine, 0x20000);
  const stage2 = new Mapper(machine, 0x30000);
  stage1.map(VA, IPA, PTE.WRITE);
  for (const page of [0x20000, 0x21000]) stage2.map(page, page, STAGE2_RIGHTS);
  const leaf = stage2.map(IPA, FRAME, STAGE2_RIGHTS);
  const checker = new Checker(machine.state, { keepGoing: true });
  machine.state.check = checker;
  const [cpu] = cpusOf(machine);
  const registers = { ...guestOn, rootIpa: stage1.root, mmuOn };
  const entry = entryOf(stage2.root, { vmid: 3, registers });
  complete(cpu.enterGuest(entry));
  const va = mmuOn ? VA : IPA;
  complete(cpu.store(va, 1));
  return { platform, machine, checker, cpu, entry, leaf, va, stage1 };
}

function findingsOf({ machine, platform }: ReturnType<typeof running>) {
  return Checker.findings(machine.state).kept.map((finding) => ({
    finding,
    said: explain(finding, platform),
  }));
}

/** The host takes the page away with the given invalidates, says that it is gone, and the guest uses it. */
function unmapped(
  invalidates: readonly (readonly [kind: number, address: number])[],
  change: (p: PlatformInput) => void = () => {},
  mmuOn = true,
) {
  const on = running(change, mmuOn);
  const { cpu, checker, leaf, va } = on;
  complete(cpu.exitGuest());
  complete(cpu.storePhysical(leaf, 0));
  for (const [kind, address] of invalidates) complete(cpu.tlbiLocal(kind, address, 1, 3));
  checker.contract(cpu, leaf);
  complete(cpu.enterGuest(on.entry));
  expectFaultOr(() => complete(cpu.load(va)));
  return on;
}

function expectFaultOr(access: () => void): void {
  try {
    access();
  } catch (error) {
    if (!(error instanceof SegmentationFault)) throw error;
  }
}

const text = (on: ReturnType<typeof running>) => {
  const [{ said }] = findingsOf(on);
  return [said.title, ...said.lines.map(({ label, text: each }) => `${label}: ${each}`)].join('\n');
};

describe('a page that the host has taken from a guest', () => {
  it('is gone after both invalidates, in their order, or one of the whole VMID, or of all guests', () => {
    const right = [
      [
        [TLBI_IPA, IPA],
        [TLBI_VMID_STAGE1, 0],
      ],
      [[TLBI_VMID, 0]],
      [[TLBI_GUESTS, 0]],
    ] as const;
    for (const invalidates of right) expect(findingsOf(unmapped(invalidates))).toEqual([]);
  });

  it('is a stale translation of stage 2 without any', () => {
    const on = unmapped([]);
    const [{ finding }] = findingsOf(on);
    expect(finding).toMatchObject({
      kind: 'stale-translation',
      stage: 2,
      ipa: IPA,
      diagnosis: 0,
      ptePa: on.leaf,
    });
    expect(text(on)).toContain(
      'a guest on CPU 0 used a translation of stage 2, the host’s, that had been taken away',
    );
    expect(text(on)).toContain('VMID 3, ASID 1');
    expect(text(on)).toContain(`intermediate 0x5000 and physical 0x9000`);
    expect(text(on)).toContain('no TLB invalidate for this page reached CPU 0 after the table was changed');
    expect(text(on)).toContain('remedy: a fence of both stages (HFENCE.GVMA) on each CPU that runs the VM');
  });

  it('is one after an invalidate by intermediate address alone, and the explanation says which is missing', () => {
    const on = unmapped([[TLBI_IPA, IPA]]);
    const [{ finding }] = findingsOf(on);
    expect(finding).toMatchObject({ kind: 'stale-translation', stage: 2, diagnosis: 4 });
    expect(text(on)).toContain('an invalidate of the VMID’s stage 1 and combined entries must follow');
  });

  it('is one after an invalidate of stage 1 alone: the CPU makes the entry again from what it remembers', () => {
    const on = unmapped([[TLBI_VMID_STAGE1, 0]]);
    // The tables of the guest have not moved: only the page’s own leaf is stale.
    const [{ finding }] = findingsOf(on);
    expect(finding).toMatchObject({ kind: 'stale-translation', stage: 2, diagnosis: 5 });
    expect(text(on)).toContain('what was made from both stages was invalidated');
  });

  it('is one after an invalidate by intermediate address that came before the change: it is remembered anew', () => {
    const on = running();
    const { cpu, checker, leaf, entry } = on;
    complete(cpu.exitGuest());
    for (const kind of [TLBI_IPA, TLBI_VMID_STAGE1]) complete(cpu.tlbiLocal(kind, IPA, 1, 3));
    complete(cpu.enterGuest(entry));
    complete(cpu.load(VA));
    complete(cpu.exitGuest());
    complete(cpu.storePhysical(leaf, 0));
    complete(cpu.tlbiLocal(TLBI_VMID_STAGE1, 0, 1, 3));
    checker.contract(cpu, leaf);
    complete(cpu.enterGuest(entry));
    complete(cpu.load(VA));
    const [{ finding }] = findingsOf(on);
    expect(finding).toMatchObject({ kind: 'stale-translation', stage: 2, diagnosis: 6 });
    expect(text(on)).toContain('before the table change was visible, and was remembered again');
    expect(text(on)).toContain('(DSB) between the table write and the invalidate by intermediate address');
  });

  it('is not explained by the invalidates of an earlier change', () => {
    const on = running();
    const { cpu, checker, leaf, entry, machine } = on;
    const was = machine.peek(leaf);
    const takeAway = function* (kinds: readonly number[]): Steps {
      yield* cpu.exitGuest();
      yield* cpu.storePhysical(leaf, 0);
      for (const kind of kinds) yield* cpu.tlbiLocal(kind, IPA, 1, 3);
      checker.contract(cpu, leaf);
      yield* cpu.enterGuest(entry);
    };
    complete(takeAway([TLBI_IPA, TLBI_VMID_STAGE1]));
    complete(cpu.exitGuest());
    complete(cpu.storePhysical(leaf, was));
    complete(cpu.enterGuest(entry));
    complete(cpu.load(VA));
    complete(takeAway([TLBI_VMID_STAGE1]));
    complete(cpu.load(VA));
    expect(findingsOf(on)[0].finding).toMatchObject({ stage: 2, diagnosis: 5 });
  });

  it('is explained by its own change when the entry has been written again since', () => {
    const on = running();
    const { cpu, checker, leaf, entry, machine } = on;
    const was = machine.peek(leaf);
    complete(cpu.exitGuest());
    complete(cpu.storePhysical(leaf, 0));
    complete(cpu.tlbiLocal(TLBI_IPA, IPA, 1, 3));
    checker.contract(cpu, leaf);
    complete(cpu.storePhysical(leaf, was));
    complete(cpu.enterGuest(entry));
    complete(cpu.load(VA));
    expect(findingsOf(on)[0].finding).toMatchObject({ stage: 2, diagnosis: 4, newest: 2 });
  });

  it('is gone after an invalidate of stage 1 alone where nothing is remembered of stage 2', () => {
    const noIpaCache = (p: PlatformInput) => {
      delete p.virtualization!.ipaCache;
    };
    expect(findingsOf(unmapped([[TLBI_VMID_STAGE1, 0]], noIpaCache))).toEqual([]);
  });

  it('is one of stage 2 for a guest whose own translation is off as well', () => {
    const on = unmapped([], () => {}, false);
    const [{ finding }] = findingsOf(on);
    expect(finding).toMatchObject({ kind: 'stale-translation', stage: 2, va: IPA });
    expect(text(on)).toContain('VMID 3, no ASID');
  });

  it('is a freed frame if it was given away without a promise', () => {
    const on = running();
    on.checker.frameFreed(FRAME >>> 12);
    complete(on.cpu.load(on.va));
    const [{ finding }] = findingsOf(on);
    expect(finding).toMatchObject({ kind: 'freed-frame', stage: 2 });
    expect(text(on)).toContain('a guest on CPU 0 reached a frame that had been freed');
  });

  it('is found where it held a table of the guest, and the walk used what the CPU remembers', () => {
    const on = running();
    const { cpu, checker, stage1, machine } = on;
    const second = stage1.entryAt(VA) & ~4095;
    const leaf = 0x31000 + (second >>> 12) * 4;
    expect(machine.peek(leaf) & ~4095).toBe(second);
    complete(cpu.exitGuest());
    complete(cpu.storePhysical(leaf, 0));
    complete(cpu.tlbiLocal(TLBI_VMID_STAGE1, 0, 1, 3));
    checker.contract(cpu, leaf);
    complete(cpu.enterGuest(on.entry));
    complete(cpu.load(VA));
    const [{ finding }] = findingsOf(on);
    expect(finding).toMatchObject({ kind: 'stale-translation', stage: 2, ptePa: leaf, diagnosis: 5 });
    expect(text(on)).toContain('the walker of CPU 0 read a table of the guest for virtual 0x400000');
  });
});

describe('what is said of a guest’s translation', () => {
  it('has intermediate addresses above 2 GB, as guests have their memory there', () => {
    const HIGH = 0x8000_5000;
    const platform = tinyGuests();
    const [one, two] = [1, 2].map((stage) => {
      const machine = machineOf(platform, 1, { checked: true });
      const checker = new Checker(machine.state, { keepGoing: true });
      machine.state.check = checker;
      const stage1 = new Mapper(machine, 0x20000);
      const stage2 = new Mapper(machine, 0x28000);
      const entry = stage1.map(VA, HIGH, PTE.WRITE);
      for (const page of [0x20000, 0x21000]) stage2.map(page, page, STAGE2_RIGHTS);
      const leaf = stage2.map(HIGH, FRAME, STAGE2_RIGHTS);
      const [cpu] = cpusOf(machine);
      complete(cpu.enterGuest(entryOf(stage2.root, { registers: { ...guestOn, rootIpa: stage1.root } })));
      complete(cpu.load(VA));
      // The entry of stage 1 comes to lead elsewhere; that of stage 2 goes.
      const word = stage === 1 ? entry : leaf;
      complete(cpu.storePhysical(word, stage === 1 ? HIGH + 0x1000 + PTE.VALID : 0));
      checker.contract(cpu, word);
      complete(cpu.load(VA + 8));
      return Checker.findings(machine.state).kept[0];
    });
    expect(one).toMatchObject({ stage: 1, ipa: HIGH + 8, pte: HIGH + (PTE.VALID | PTE.WRITE) });
    const said = explain(one, platform).lines.map((line) => line.text);
    expect(said[1]).toContain(' 0x80005000, writable');
    expect(said[2]).toContain(' 0x80006000, read-only');
    expect(two).toMatchObject({ stage: 2, ipa: HIGH + 8 });
  });

  it('names the page of a block that the access went to', () => {
    const platform = tinyGuests((p) => {
      p.memoryBytes = 1 << 23;
    });
    const machine = machineOf(platform, 1, { checked: true });
    const checker = new Checker(machine.state, { keepGoing: true });
    machine.state.check = checker;
    const root = 0x28000;
    // 4 MB, of which the second half of memory is made.
    const leaf = root + (VA >>> 22) * 4;
    machine.poke(leaf, (1 << 22) | STAGE2_RIGHTS | PTE.VALID);
    const [cpu] = cpusOf(machine);
    complete(cpu.enterGuest(entryOf(root, { registers: { ...guestOn, mmuOn: false } })));
    complete(cpu.load(VA));
    complete(cpu.storePhysical(leaf, 0));
    checker.contract(cpu, leaf);
    complete(cpu.load(VA + 0x5008));
    const [finding] = Checker.findings(machine.state).kept;
    expect(finding).toMatchObject({ stage: 2, ipa: VA + 0x5008 });
  });
});

describe('a page that a guest has taken from itself', () => {
  function* taken(cpu: Cpu, checker: Checker, entry: number, kind: number | undefined): Steps {
    // What the guest writes, by way of the host's linear mapping: its tables are at the same physical addresses.
    yield* cpu.storePhysical(entry, 0);
    if (kind !== undefined) yield* cpu.tlbiLocal(kind, VA, 1, 1);
    checker.contract(cpu, entry);
  }

  it('is a stale translation of its own stage without an invalidate, and none with it', () => {
    for (const kind of [undefined, TLBI_VA]) {
      const on = running();
      const { cpu, checker, stage1 } = on;
      complete(taken(cpu, checker, stage1.entryAt(VA), kind));
      expectFaultOr(() => complete(cpu.load(VA)));
      if (kind !== undefined) {
        expect(findingsOf(on)).toEqual([]);
        continue;
      }
      const [{ finding }] = findingsOf(on);
      expect(finding).toMatchObject({ kind: 'stale-translation', stage: 1, diagnosis: 0 });
      expect(text(on)).toContain('a translation of the guest’s own stage 1, that had been taken away');
      expect(text(on)).toContain('VMID 3, ASID 1');
    }
  });

  it('stays for it if the host invalidates another VMID', () => {
    const on = running();
    const { cpu, checker, stage1 } = on;
    complete(cpu.exitGuest());
    complete(cpu.tlbiLocal(TLBI_VMID, 0, 1, 2));
    complete(cpu.storePhysical(stage1.entryAt(VA), 0));
    complete(cpu.tlbiLocal(TLBI_VMID, 0, 1, 2));
    complete(cpu.tlbiLocal(TLBI_VA, VA, 1, 1));
    checker.contract(cpu, stage1.entryAt(VA));
    complete(cpu.enterGuest(on.entry));
    complete(cpu.load(VA));
    expect(findingsOf(on)[0].finding).toMatchObject({ kind: 'stale-translation', stage: 1, diagnosis: 0 });
  });
});
