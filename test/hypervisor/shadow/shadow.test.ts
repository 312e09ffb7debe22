import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FindingKind } from '../../../src/checker/finding.ts';
import type { LineStep } from '../../../src/hypervisor/shadow/guest-lines.ts';
import { type GuestRam, layGuestRam } from '../../../src/hypervisor/shadow/guest-ram.ts';
import {
  type GuestTables,
  guestEntryOf,
  layGuestTables,
} from '../../../src/hypervisor/shadow/guest-tables.ts';
import type { ReadPlan } from '../../../src/hypervisor/shadow/guest-walk.ts';
import { ShadowTables } from '../../../src/hypervisor/shadow/shadow-tables.ts';
import { ShadowVm } from '../../../src/hypervisor/shadow/shadow-vm.ts';
import type { BootMemory } from '../../../src/kernel/boot-memory.ts';
import { bootEntryOf, bootInto } from '../../../src/kernel/boot-process.ts';
import { unlessFaulting } from '../../../src/kernel/boot-user.ts';
import { coherencyHandler } from '../../../src/kernel/coherency-exception.ts';
import { layKernel, READ_WRITE, USED } from '../../../src/kernel/kernel.ts';
import { layTables } from '../../../src/kernel/page-table.ts';
import { CLEAN, FLUSH, INVALIDATE } from '../../../src/machine/cache-maintenance.ts';
import type { Cpu, Steps } from '../../../src/machine/cpu.ts';
import type { Machine } from '../../../src/machine/machine.ts';
import { colours, PAGE_BYTES, type Platform } from '../../../src/machine/platform.ts';
import { CTL } from '../../../src/machine/registers.ts';
import { colourOf } from '../../../src/machine/traits.ts';
import { platformByName, platforms } from '../../../src/platforms/index.ts';
import { runKernel } from '../../support/kernel.ts';
import { machineOf } from '../../support/machine.ts';

const all = Object.values(platforms);
const named = (name: string) => platformByName(name) ?? expect.fail(name);
const GUEST_PAGE = 0x2000_0000;
const PAGES = 16;
const PLAIN: ReadPlan = { reader: 'linear', before: [] };

interface GuestDesk {
  readonly vm: ShadowVm;
  readonly ram: GuestRam;
  readonly tables: GuestTables;
  readonly machine: Machine;
}

/** A guest whose address `GUEST_PAGE` has tables and nothing mapped, and whose spare page has a shadow entry. */
function withGuest(
  platform: Platform,
  program: (cpu: Cpu, desk: GuestDesk) => Steps,
  plan = PLAIN,
  user = 0,
  guest = 1,
  kinds: readonly FindingKind[] = [],
): void {
  let ram: GuestRam | undefined;
  let tables: GuestTables | undefined;
  const body = function* (
    cpu: Cpu,
    { kernel, spaces: [emulator, shadow], machine }: Parameters<Parameters<typeof runKernel>[1][number]>[1],
  ): Steps {
    if (!ram || !tables) throw new Error('no guest');
    const shadowTables = new ShadowTables(kernel, shadow, null, {});
    const vm = new ShadowVm(kernel, { emulator, shadow, ram, tables }, shadowTables, plan);
    cpu.vectors = {
      fault: (by, fault) => vm.fault(by as Cpu, fault),
      interrupt: (by, vector) => kernel.interrupt(by as Cpu, vector),
      refill: (by, fault) => kernel.refill(by as Cpu, fault),
      coherencyException: (by, fault) => coherencyHandler(by as Cpu, fault),
    };
    yield* program(cpu, { vm, ram, tables, machine });
  };
  const { result } = runKernel(platform, [body], {
    spaces: 2,
    prepare(boot, [emulator, shadow]) {
      ram = layGuestRam(boot, emulator, PAGES, { user, guest }, READ_WRITE);
      tables = layGuestTables(boot.machine, ram, GUEST_PAGE, 2);
      layTables(boot, shadow.root, GUEST_PAGE, 2);
      layTables(boot, shadow.root, ram.guestVa, PAGES);
      const entry = (ram.frame + tables.freeGpa + READ_WRITE) >>> 0;
      boot.machine.poke(bootEntryOf(boot.machine, shadow, ram.guestVa + tables.freeGpa), entry);
      bootInto(boot.machine, 0, emulator);
    },
  });
  const outcome = kinds.length > 0 ? 'finding' : 'finished';
  expect([result.outcome, result.error]).toEqual([outcome, undefined]);
  expect(result.findings.map(({ kind }) => kind)).toEqual(kinds);
}

const mapInGuest = ({ machine, ram, tables }: GuestDesk, va: number, entry: number) =>
  machine.poke(ram.frame + guestEntryOf(machine, ram, tables, va), entry >>> 0);

describe('the addresses of a guest’s memory', () => {
  it('differ in colour from the linear mapping by as much as is asked for', () => {
    const offset = fc.integer({ min: 0, max: 40 });
    fc.assert(
      fc.property(
        fc.constantFrom(...all),
        offset,
        offset,
        fc.integer({ min: 0, max: 9 }),
        (platform, user, guest, before) => {
          const machine = machineOf(platform, 1);
          layKernel(machine, ['emulator'], (boot: BootMemory, [emulator]) => {
            boot.pages(before);
            const ram = layGuestRam(boot, emulator, 4, { user, guest }, READ_WRITE);
            const mask = colours(platform.l1d) - 1;
            for (let gpa = 0; gpa < 4 * PAGE_BYTES; gpa += PAGE_BYTES) {
              const colour = (va: number) => colourOf(platform, va + gpa);
              expect(colour(ram.userVa)).toBe((colour(ram.frame) + user) & mask);
              expect(colour(ram.guestVa)).toBe((colour(ram.frame) + guest) & mask);
              const entry = machine.peek(bootEntryOf(machine, emulator, ram.userVa + gpa));
              expect(entry).toBe((ram.frame + gpa + READ_WRITE) >>> 0);
            }
          });
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe.each(all)('the walk of a guest’s tables on $name', (platform) => {
  it.each(['user', 'linear'] as const)('through the %s address', (reader) => {
    withGuest(
      platform,
      function* (cpu, desk) {
        expect(yield* desk.vm.walk.translate(cpu, GUEST_PAGE)).toBeUndefined();
      },
      { reader, before: [] },
    );
    withGuest(
      platform,
      function* (cpu, desk) {
        const { vm, tables } = desk;
        mapInGuest(desk, GUEST_PAGE, tables.freeGpa | USED);
        mapInGuest(desk, GUEST_PAGE + PAGE_BYTES, (PAGES * PAGE_BYTES) | USED);
        expect(yield* vm.walk.translate(cpu, GUEST_PAGE + 0x123)).toEqual({
          gpa: tables.freeGpa,
          bits: USED,
        });
        // Not the guest's memory, or no table at all.
        expect(yield* vm.walk.translate(cpu, GUEST_PAGE + PAGE_BYTES)).toBeUndefined();
        expect(yield* vm.walk.translate(cpu, 0x3000_0000)).toBeUndefined();
      },
      { reader, before: [] },
    );
  });
});

describe('maintenance of a guest’s line', () => {
  const memoryWord = (machine: Machine, pa: number) => machine.state.memory[pa >>> 2] >>> 0;

  /** What memory has of a word that the guest has dirty, after one operation by the host. */
  function afterwards(
    name: string,
    guest: number,
    step: LineStep,
    kinds: readonly FindingKind[] = [],
  ): number {
    let word = -1;
    withGuest(
      named(name),
      function* (cpu, { vm, ram, tables: { freeGpa }, machine }) {
        yield* vm.enter(cpu);
        yield* cpu.load(ram.guestVa + freeGpa);
        yield* cpu.store(ram.guestVa + freeGpa, 7);
        yield* cpu.dsb();
        yield* vm.exit(cpu);
        yield* vm.lines.maintain(cpu, freeGpa, 'user', step);
        word = memoryWord(machine, ram.frame + freeGpa);
      },
      PLAIN,
      0,
      guest,
      kinds,
    );
    return word;
  }

  it.each([
    ['reader', FLUSH, 0, 7, []],
    ['reader', FLUSH, 1, 0, []],
    ['reader', INVALIDATE, 0, 0, ['lost-write']],
    ['reader', INVALIDATE, 1, 0, []],
    ['guest', CLEAN, 0, 7, []],
    ['guest', CLEAN, 1, 7, []],
    ['guest-set', CLEAN, 0, 7, []],
    ['guest-set', CLEAN, 1, 7, []],
    ['outer', FLUSH, 0, 0, []],
  ] as const)(
    'by the %s on arm1136: %o at distance %i leaves %i in memory',
    (through, operation, guest, word, kinds) => {
      expect(afterwards('arm1136', guest, { through, operation }, kinds)).toBe(word);
    },
  );

  it('reaches the guest’s line by its own address on every kind of cache', () => {
    for (const { name } of all.filter(({ l2, shared, outer }) => !l2 && !shared && !outer)) {
      expect([name, afterwards(name, 1, { through: 'guest', operation: FLUSH })]).toEqual([name, 7]);
    }
  });

  it('finds the line of the guest clean already where nothing but a flush tells contexts apart', () => {
    expect(afterwards('arm926', 0, { through: 'outer', operation: CLEAN })).toBe(7);
  });
});

describe.each(all)('a guest on $name', (platform) => {
  it('has what its tables say, and no more', () => {
    withGuest(platform, function* (cpu, desk) {
      const { vm, ram, tables, machine } = desk;
      const { freeGpa } = tables;
      machine.poke(ram.frame + freeGpa + PAGE_BYTES + 8, 0xbeef);
      mapInGuest(desk, GUEST_PAGE, (freeGpa + PAGE_BYTES) | USED);
      yield* vm.enter(cpu);
      expect(vm.isInGuest(cpu)).toBe(true);
      expect(yield* cpu.load(GUEST_PAGE + 8)).toBe(0xbeef);
      expect(yield* unlessFaulting(cpu.store(GUEST_PAGE + 8, 1))).toBe(false);
      expect(yield* unlessFaulting(cpu.load(GUEST_PAGE + PAGE_BYTES))).toBe(false);
      expect(vm.isInGuest(cpu)).toBe(true);
      yield* vm.exit(cpu);
      // The emulator's own faults are not the guest's.
      expect(yield* unlessFaulting(cpu.load(GUEST_PAGE + 8))).toBe(false);
    });
  });

  it('has the new page after its TLB invalidate, and has what the host emulates for it', () => {
    withGuest(platform, function* (cpu, desk) {
      const { vm, ram, tables, machine } = desk;
      const { freeGpa } = tables;
      for (const n of [1, 2]) machine.poke(ram.frame + freeGpa + n * PAGE_BYTES, n);
      mapInGuest(desk, GUEST_PAGE, (freeGpa + PAGE_BYTES) | READ_WRITE);
      yield* vm.enter(cpu);
      expect(yield* vm.emulateLoad(cpu, GUEST_PAGE)).toBe(1);
      expect(yield* vm.emulateLoad(cpu, GUEST_PAGE + PAGE_BYTES)).toBeUndefined();
      expect(yield* cpu.load(GUEST_PAGE)).toBe(1);
      const entryPa = ram.frame + guestEntryOf(machine, ram, tables, GUEST_PAGE);
      yield* vm.emulateCacheFlush(cpu, GUEST_PAGE);
      yield* cpu.storePhysical(entryPa, (freeGpa + 2 * PAGE_BYTES) | READ_WRITE);
      yield* cpu.dsb();
      yield* vm.emulateTlbInvalidate(cpu, GUEST_PAGE);
      // Nothing to take away is nothing to do.
      yield* vm.emulateTlbInvalidate(cpu, GUEST_PAGE);
      yield* vm.emulateTlbInvalidate(cpu, 0x3000_0000);
      expect(yield* cpu.load(GUEST_PAGE)).toBe(2);
      expect(cpu.hw.ctl[CTL.ROOT] >>> 0).not.toBe(0);
    });
  });
});

it('a trap costs the guest entry and return', () => {
  const platform = named('arm1136');
  const { faultEntryCycles, faultExitCycles } = platform.costs;
  withGuest(platform, function* (cpu, { vm }) {
    yield* vm.enter(cpu);
    const began = cpu.clock;
    yield* vm.exit(cpu);
    yield* vm.enter(cpu);
    const switches = cpu.clock - began;
    const trapped = cpu.clock;
    yield* vm.trap(cpu, function* () {
      expect(vm.isInGuest(cpu)).toBe(false);
    });
    expect(cpu.clock - trapped).toBe(switches + faultEntryCycles + faultExitCycles);
  });
});
