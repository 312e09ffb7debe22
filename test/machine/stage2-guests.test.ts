import { describe, expect, it } from 'vitest';
import { PTE } from '../../src/machine/attributes.ts';
import {
  type Cpu,
  type Fault,
  type GuestEntry,
  SegmentationFault,
  type Stage2Fault,
  type Trap,
  type Vectors,
} from '../../src/machine/cpu.ts';
import type { Machine } from '../../src/machine/machine.ts';
import type { PlatformInput } from '../../src/machine/platform.ts';
import { COUNT, CTL } from '../../src/machine/registers.ts';
import { entryOf, guestOn, STAGE2_RIGHTS, tinyGuests } from '../support/guests.ts';
import { complete, cpusOf, letter, Mapper, machineOf, runPrograms, vectorsWith } from '../support/machine.ts';

const VA = 0x0040_0000;
const [EXIT, ENTRY] = [1009, 2003];
const FLAT = { ...guestOn, mmuOn: false };

interface Guest {
  readonly machine: Machine;
  readonly cpu: Cpu;
  readonly entry: GuestEntry;
  readonly stage2: Mapper;
  readonly stage1: Mapper;
}

/** A guest whose tables are at the same intermediate as physical addresses, and VA at IPA 0x5000, frame 0x9000. */
function guestOf(change: (p: PlatformInput) => void = () => {}, machineOptions = {}): Guest {
  const platform = tinyGuests((p) => {
    p.costs.guestExitCycles = EXIT;
    p.costs.guestEntryCycles = ENTRY;
    change(p);
  });
  const machine = machineOf(platform, 1, machineOptions);
  return laidOut(machine);
}

function laidOut(machine: Machine): Guest {
  const stage1 = new Mapper(machine, 0x20000);
  const stage2 = new Mapper(machine, 0x30000);
  stage1.map(VA, 0x5000, PTE.WRITE | PTE.EXECUTE);
  stage2.map(0x5000, 0x9000, STAGE2_RIGHTS);
  for (const page of [0x20000, 0x21000]) stage2.map(page, page, STAGE2_RIGHTS);
  const [cpu] = cpusOf(machine);
  const entry = entryOf(stage2.root, { registers: { ...guestOn, rootIpa: stage1.root } });
  return { machine, cpu, entry, stage1, stage2 };
}

function enter({ cpu, entry }: Guest, change: Partial<GuestEntry> = {}): void {
  complete(cpu.enterGuest({ ...entry, ...change }));
}

/** Vectors that note what they are called with; what they do is `repair`. */
function noting(calls: object[], repair: (cpu: Cpu) => void = () => {}): Vectors {
  const handler = function* (cpu: Cpu, what: object) {
    calls.push({ ...what, inGuest: cpu.inGuest });
    repair(cpu);
    return true;
  };
  return {
    ...vectorsWith(),
    stage2Fault: handler as NonNullable<Vectors['stage2Fault']>,
    guestFault: handler as NonNullable<Vectors['guestFault']>,
    *trap(cpu: Cpu, trap: Trap) {
      calls.push({ ...trap, inGuest: cpu.inGuest });
    },
  };
}

describe('entering and leaving a guest', () => {
  it('charges each, and gives the host its context back', () => {
    const guest = guestOf();
    const { cpu } = guest;
    const host = new Mapper(guest.machine, 0x28000);
    host.map(VA, 0x7000);
    guest.machine.poke(0x7000, 7);
    guest.machine.poke(0x9000, 9);
    complete(cpu.setContext(host.root, 3));
    expect(complete(cpu.load(VA))).toBe(7);
    const before = cpu.clock;
    enter(guest);
    expect(cpu.clock - before).toBe(ENTRY);
    expect(cpu.inGuest).toBe(true);
    expect(complete(cpu.load(VA))).toBe(9);
    const then = cpu.clock;
    expect(complete(cpu.exitGuest())).toEqual(guest.entry.registers);
    expect(cpu.clock - then).toBe(EXIT);
    expect(cpu.inGuest).toBe(false);
    // Its entry is still there: no walk.
    const walks = cpu.hw.counters[COUNT.walks];
    expect(complete(cpu.load(VA))).toBe(7);
    expect(cpu.hw.counters[COUNT.walks]).toBe(walks);
    expect(cpu.hw.ctl[CTL.ASID]).toBe(3);
  });

  const wrong: [what: string, change: Partial<GuestEntry>, message: RegExp][] = [
    ['VMID 0', { vmid: 0 }, /VMID 0 .* use 1 to 255/],
    ['a VMID of nine bits', { vmid: 256 }, /use 1 to 255/],
    ['a table beyond memory', { stage2Root: 1 << 20 }, /use a page of memory/],
    ['a table within a page', { stage2Root: 0x30010 }, /use a page of memory/],
    ['an ASID of nine bits', { registers: { ...guestOn, asid: 256 } }, /use 0 to 255/],
    [
      'a root table within a page',
      { registers: { ...guestOn, rootIpa: 0x20010 } },
      /root table of a guest at 0x20010; use a page below 4 GB/,
    ],
    [
      'a root table above 4 GB',
      { registers: { ...guestOn, rootIpa: 2 ** 32 } },
      /root table of a guest at 0x100000000; use a page below 4 GB/,
    ],
  ];
  it.each(wrong)('refuses %s', (_, change, message) => {
    const guest = guestOf();
    expect(() => enter(guest, change)).toThrow(message);
  });

  it('refuses what the platform or the moment does not allow', () => {
    const guest = guestOf((p) => {
      if (p.virtualization) p.virtualization.forcedWriteBack = false;
    });
    const { cpu } = guest;
    expect(() => enter(guest, { forcedWriteBack: true })).toThrow(/no forced write-back/);
    expect(() => complete(cpu.exitGuest())).toThrow(/no guest runs/);
    expect(() => cpu.guestContext(0, 0)).toThrow(/no guest runs/);
    expect(() => cpu.dropGuest()).toThrow(/no exit is being handled/);
    enter(guest);
    expect(() => enter(guest)).toThrow(/runs: exitGuest first/);
    expect(() => complete(cpu.setContext(0, 1))).toThrow(/use guestContext/);
    expect(() => complete(cpu.setCaches(false))).toThrow(/use guestControl/);
    const bare = cpusOf(
      machineOf(
        tinyGuests((p) => {
          delete p.virtualization;
        }),
        1,
      ),
    )[0];
    expect(() => complete(bare.enterGuest(guest.entry))).toThrow(/no stage 2/);
  });

  it('changes a guest that runs', () => {
    const guest = guestOf();
    const { cpu, machine } = guest;
    const other = new Mapper(machine, 0x38000);
    for (const page of [0x20000, 0x21000]) other.map(page, page, STAGE2_RIGHTS);
    other.map(0x5000, 0xa000, STAGE2_RIGHTS);
    machine.poke(0xa000, 10);
    enter(guest);
    expect(complete(cpu.load(VA))).toBe(0);
    cpu.changeGuest({ stage2Root: other.root, vmid: 2 });
    expect(complete(cpu.load(VA))).toBe(10);
    expect(cpu.guestEntry?.vmid).toBe(2);
  });
});

describe('what traps', () => {
  it('set/way, as the host, for an exit and an entry', () => {
    const guest = guestOf();
    const { cpu } = guest;
    const calls: object[] = [];
    cpu.vectors = noting(calls);
    enter(guest, { traps: { setWay: true } });
    const before = cpu.clock;
    const operation = { clean: true, invalidate: true };
    complete(cpu.guestSetWay('l1d', 1, 0, operation));
    expect(calls).toEqual([{ kind: 'set-way', level: 'l1d', set: 1, way: 0, operation, inGuest: false }]);
    expect(cpu.clock - before).toBe(EXIT + ENTRY);
    expect(cpu.inGuest).toBe(true);
  });

  it('nothing that it is not told to; set/way then acts, an invalidate as clean and invalidate', () => {
    const guest = guestOf();
    const { cpu, machine } = guest;
    enter(guest, { traps: { control: true } });
    complete(cpu.store(VA, 5));
    expect(letter(cpu.hw.l1d, 0x9000)).toBe('M');
    const slot = cpu.hw.l1d.findPhysical(0x9000 >>> 4, -1);
    const before = cpu.clock;
    const [set, way] = [Math.floor(slot / 2), slot % 2];
    complete(cpu.guestSetWay('l1d', set, way, { clean: false, invalidate: true }));
    expect(cpu.clock - before).toBeLessThan(EXIT);
    expect(letter(cpu.hw.l1d, 0x9000)).toBe('I');
    expect(machine.peek(0x9000)).toBe(5);
  });

  it('by address an invalidate keeps what is dirty, too, and the host’s does not', () => {
    const guest = guestOf();
    const { cpu, machine } = guest;
    enter(guest);
    complete(cpu.store(VA, 5));
    complete(cpu.maintainVirtual(VA, { clean: false, invalidate: true }, 'coherency'));
    expect(machine.peek(0x9000)).toBe(5);
    complete(cpu.store(VA, 6));
    complete(cpu.exitGuest());
    complete(cpu.maintainPhysical(0x9000, { clean: false, invalidate: true }, 'coherency'));
    expect(machine.peek(0x9000)).toBe(5);
  });

  it('the guest’s registers: what it wrote comes into force, unless the handler says otherwise', () => {
    const guest = guestOf();
    const { cpu } = guest;
    const calls: object[] = [];
    cpu.vectors = noting(calls);
    enter(guest, { traps: { control: true } });
    const { registers } = guest.entry;
    complete(cpu.guestControl({ mmuOn: true, cachesOn: false }));
    const after = { ...registers, cachesOn: false };
    expect(calls).toEqual([{ kind: 'control', before: registers, after, inGuest: false }]);
    expect(cpu.guestEntry?.registers).toEqual(after);
    cpu.vectors = {
      ...vectorsWith(),
      *trap(on: Cpu) {
        on.changeGuest({ traps: {} });
        return registers;
      },
    } as Vectors;
    complete(cpu.guestContext(0x1000, 9));
    expect(cpu.guestEntry?.registers).toEqual(registers);
    expect(cpu.guestEntry?.traps.control).toBe(false);
    cpu.vectors = vectorsWith();
    complete(cpu.guestContext(registers.rootIpa, 9));
    expect(cpu.guestEntry?.registers.asid).toBe(9);
  });
});

describe('a fault', () => {
  it('of stage 2 goes to the host, is charged an exit and an entry, and the access goes on', () => {
    const guest = guestOf();
    const { cpu, machine, stage2 } = guest;
    const entry = stage2.entryAt(0x5000);
    machine.poke(entry, 0);
    const calls: object[] = [];
    cpu.vectors = noting(calls, () => machine.poke(entry, 0x9000 | STAGE2_RIGHTS | PTE.VALID));
    // Table words that the walker has read are in the cache: uncached walks see the poke.
    enter(guest, { registers: FLAT });
    machine.platform.mmu.walkerReads = 'memory';
    complete(cpu.store(0x5004, 1));
    const want = {
      ipa: 0x5004,
      va: 0x5004,
      write: true,
      fetch: false,
      kind: 'translation',
      tableRead: false,
    };
    expect(calls).toEqual([{ ...want, inGuest: false }]);
    expect(machine.peek(0x9004)).toBe(1);
  });

  it('of stage 2 while a table of stage 1 is read names that table', () => {
    const guest = guestOf();
    const { cpu, machine, stage2 } = guest;
    machine.poke(stage2.entryAt(0x21000), 0);
    const seen: Stage2Fault[] = [];
    cpu.vectors = {
      ...vectorsWith(),
      *stage2Fault(_: Cpu, fault: Stage2Fault) {
        seen.push(fault);
        return false;
      },
    } as Vectors;
    enter(guest);
    expect(() => complete(cpu.store(VA + 4, 1))).toThrow(SegmentationFault);
    const [ipa, va] = [0x21000, VA + 4];
    expect(seen).toEqual([{ ipa, va, write: false, fetch: false, kind: 'translation', tableRead: true }]);
  });

  it('of stage 2 while the walker sets a bit in the guest’s table is one of a write to it', () => {
    const guest = guestOf((p) => {
      p.mmu.accessedDirty = 'hardware';
    });
    const { cpu, stage1, stage2 } = guest;
    stage2.map(0x21000, 0x21000, PTE.ACCESSED);
    const seen: Stage2Fault[] = [];
    const entry = stage2.entryAt(0x21000);
    cpu.vectors = {
      ...vectorsWith(),
      *stage2Fault(on: Cpu, fault: Stage2Fault) {
        seen.push(fault);
        yield* on.storePhysical(entry, 0x21000 | STAGE2_RIGHTS | PTE.VALID);
        for (const kind of [7, 6]) yield* on.tlbiLocal(kind, 0x21000, 1, 1);
        return true;
      },
    } as Vectors;
    enter(guest);
    complete(cpu.load(VA));
    const ipa = stage1.entryAt(VA);
    expect(seen).toEqual([{ ipa, va: VA, write: true, fetch: false, kind: 'permission', tableRead: true }]);
    complete(cpu.exitGuest());
    expect(complete(cpu.loadPhysical(ipa)) & (PTE.ACCESSED | PTE.DIRTY)).toBe(PTE.ACCESSED);
    enter(guest);
    complete(cpu.store(VA, 1));
    complete(cpu.exitGuest());
    expect(complete(cpu.loadPhysical(ipa)) & PTE.DIRTY).toBe(PTE.DIRTY);
  });

  it('of stage 1 goes to the guest, and costs no exit', () => {
    const guest = guestOf();
    const { cpu } = guest;
    const calls: object[] = [];
    const seen: Fault[] = [];
    cpu.vectors = {
      ...noting(calls),
      *guestFault(on: Cpu, fault: Fault) {
        seen.push(fault);
        expect(on.inGuest).toBe(true);
        return false;
      },
    } as Vectors;
    enter(guest);
    const before = cpu.clock;
    expect(() => complete(cpu.load(VA + 0x1000))).toThrow(SegmentationFault);
    expect(seen).toEqual([{ va: VA + 0x1000, write: false, fetch: false, kind: 'translation' }]);
    expect(calls).toEqual([]);
    expect(cpu.clock - before).toBeLessThan(EXIT);
  });

  it('that a frame does not exist is a bus fault of the guest', () => {
    const guest = guestOf();
    const { cpu, stage2, stage1 } = guest;
    stage1.map(VA + 0x1000, 0x6000);
    stage2.map(0x6000, 0x100_0000, STAGE2_RIGHTS);
    enter(guest);
    expect(() => complete(cpu.load(VA + 0x1000))).toThrow(/bus fault/);
  });
});

describe('an interrupt while a guest runs', () => {
  it('is handled by the host, in its context, and the guest goes on; both are charged', () => {
    const platform = tinyGuests((p) => {
      p.costs.guestExitCycles = EXIT;
      p.costs.guestEntryCycles = ENTRY;
    });
    let guest: Guest | undefined;
    const seen: { inGuest: boolean; asid: number; mmu: number }[] = [];
    const values: number[] = [];
    const clocks: number[] = [];
    const { result, machine } = runPrograms(
      platform,
      [
        function* (cpu) {
          const entry = guest?.entry as GuestEntry;
          yield* cpu.enterGuest(entry);
          clocks.push(cpu.clock);
          for (let i = 0; i < 30; i++) values.push(yield* cpu.load(VA + (i % 3) * 4));
          clocks.push(cpu.clock);
          yield* cpu.exitGuest();
        },
        function* (cpu) {
          yield* cpu.compute(1);
          yield* cpu.sendIpi(0, 4);
        },
      ],
      {
        setup(built) {
          guest = laidOut(built);
          built.poke(0x9000, 5);
        },
        vectors: () =>
          vectorsWith(function* (cpu) {
            seen.push({ inGuest: cpu.inGuest, asid: cpu.hw.ctl[CTL.ASID], mmu: cpu.hw.ctl[CTL.MMU_ON] });
            yield* cpu.compute(1);
          }),
      },
    );
    expect(result.outcome, result.error).toBe('finished');
    expect(seen).toEqual([{ inGuest: false, asid: 0, mmu: 0 }]);
    expect(values).toEqual(Array.from({ length: 30 }, (_, i) => (i % 3 === 0 ? 5 : 0)));
    expect(clocks[1] - clocks[0]).toBeGreaterThan(EXIT + ENTRY);
    expect(machine.state.cpus[0].counters[COUNT.interrupts]).toBe(1);
  });

  it('can end the guest: the host goes on when the handler returns', () => {
    const guest = guestOf();
    const { cpu } = guest;
    enter(guest);
    const vectors = vectorsWith(function* (on: Cpu) {
      expect(on.dropGuest()).toEqual(guest.entry.registers);
    });
    complete(cpu.interruptHandler(vectors, 1));
    expect(cpu.inGuest).toBe(false);
    expect(cpu.guestEntry).toBeNull();
    enter(guest);
    expect(complete(cpu.load(VA))).toBe(0);
  });
});
