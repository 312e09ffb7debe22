import { describe, expect, it } from 'vitest';
import { ASID_RULE } from '../../../src/checker/asid-rules.ts';
import { arm64Bitmap } from '../../../src/kernel/asid/arm64-bitmap.ts';
import type { AsidInvariants, AsidUse } from '../../../src/kernel/asid/asid-invariants.ts';
import { mips } from '../../../src/kernel/asid/mips.ts';
import { bootTouched } from '../../../src/kernel/boot-user.ts';
import { PTE } from '../../../src/machine/attributes.ts';
import type { Cpu } from '../../../src/machine/cpu.ts';
import { CTL } from '../../../src/machine/registers.ts';
import { neoverse } from '../../../src/platforms/neoverse.ts';
import { runTagged, type TaggedProgram, type TaggedRoom } from '../../support/tagged.ts';

/** What a CPU does by hand. Spaces 0 and 1 run at first, with numbers 1 and 2; of each CPU the TLB holds its own. */
type Act = (cpu: Cpu, room: TaggedRoom, invariants: AsidInvariants) => void;

/** CPUs act in turn, again and again as long as there is anything to do. @returns rules that were broken */
function broken(
  acts: readonly (readonly [cpu: number, act: Act])[],
  kind = arm64Bitmap as typeof mips | typeof arm64Bitmap,
): number[] {
  let turn = 0;
  const program: TaggedProgram = function* (cpu, room) {
    while (turn < acts.length) {
      yield* cpu.compute(1);
      if (turn >= acts.length || acts[turn][0] !== cpu.index) continue;
      const { invariants } = room;
      if (!invariants) throw new Error('the run is not checked');
      acts[turn++][1](cpu, room, invariants);
    }
  };
  const programs = [program, program];
  const run = { platform: neoverse, programs, numbers: [1, 2, 3, 0], asids: 3 };
  const { result } = runTagged(kind as typeof mips, run);
  expect(result.error).toBeUndefined();
  expect(result.findings.every((finding) => finding.kind === 'invariant')).toBe(true);
  return result.findings.map(({ detail }) => detail);
}

/** A space begins to run; its register holds the number unless something else is said. */
function enters(space: number, number: number, change: Partial<AsidUse> & { register?: number } = {}): Act {
  return (cpu, { spaces }, invariants) => {
    const { register = number, ...use } = change;
    cpu.hw.ctl[CTL.ASID] = register;
    const usual = { id: 0x100 | number, currentPa: 0, mask: 0xff, isExclusive: false };
    invariants.enters(cpu, { space: spaces[space], number, ...usual, ...use });
  };
}

const leaves: Act = (cpu, _, invariants) => invariants.leaves(cpu);

/** Leaves a translation of a space's page in the TLB under a number. */
function leftOver(space: number, number: number): Act {
  return (cpu, { machine, pages }) => {
    cpu.hw.ctl[CTL.ASID] = number;
    bootTouched(machine, cpu.index, pages[space]);
  };
}

describe('a number is in use by one address space', () => {
  it('of a generation', () => {
    expect(
      broken([
        [0, enters(2, 3)],
        [0, leaves],
        [0, enters(3, 3)],
      ]),
    ).toEqual([ASID_RULE.SHARED]);
    expect(
      broken([
        [0, enters(2, 3)],
        [0, leaves],
        [0, enters(2, 3)],
      ]),
    ).toEqual([]);
    expect(
      broken([
        [0, enters(2, 3)],
        [0, leaves],
        [0, enters(3, 3, { id: 0x203 })],
      ]),
    ).toEqual([]);
  });

  it('over all CPUs', () => {
    expect(
      broken([
        [0, enters(2, 3)],
        [1, enters(3, 3)],
      ]),
    ).toEqual([ASID_RULE.SHARED]);
    expect(
      broken([
        [0, enters(2, 3)],
        [1, enters(2, 3)],
      ]),
    ).toEqual([]);
  });

  it('or on each CPU', () => {
    expect(
      broken(
        [
          [0, enters(2, 3)],
          [1, enters(3, 3)],
        ],
        mips,
      ),
    ).toEqual([]);
    expect(
      broken(
        [
          [0, enters(2, 3)],
          [0, leaves],
          [0, enters(3, 3)],
        ],
        mips,
      ),
    ).toEqual([ASID_RULE.SHARED]);
  });

  it('whatever the generation, where others are not stopped at a rollover', () => {
    const later = { id: 0x203, isExclusive: true };
    expect(
      broken([
        [0, enters(2, 3)],
        [1, enters(3, 3, later)],
      ]),
    ).toEqual([ASID_RULE.SHARED]);
    expect(
      broken([
        [0, enters(2, 3)],
        [0, leaves],
        [1, enters(3, 3, later)],
      ]),
    ).toEqual([]);
    expect(
      broken([
        [0, enters(2, 3)],
        [1, enters(2, 3, later)],
      ]),
    ).toEqual([]);
  });

  it('where numbers have no generation, only as far as the TLB knows', () => {
    const plain = { id: -1 };
    expect(
      broken([
        [0, enters(2, 3, plain)],
        [0, leaves],
        [0, enters(3, 3, plain)],
      ]),
    ).toEqual([]);
  });
});

describe('the register holds the number of the space that runs', () => {
  it('as it was handed out', () => {
    expect(broken([[0, enters(2, 3, { register: 2 })]])).toEqual([ASID_RULE.NOT_OWN]);
  });

  it('as the space has it now', () => {
    const own =
      (register: number): Act =>
      (cpu, room, invariants) =>
        enters(0, 1, { register, currentPa: room.spaces[0].contextPa })(cpu, room, invariants);
    expect(broken([[0, own(1)]])).toEqual([]);
    expect(broken([[0, own(3)]])).toEqual([ASID_RULE.NOT_OWN]);
  });
});

describe('nothing is left of another space under the number', () => {
  it('in the TLB of this CPU', () => {
    expect(
      broken([
        [0, leftOver(3, 3)],
        [0, enters(2, 3)],
      ]),
    ).toEqual([ASID_RULE.LEFT_OVER]);
    expect(
      broken([
        [0, leftOver(2, 3)],
        [0, enters(2, 3)],
      ]),
    ).toEqual([]);
    expect(
      broken([
        [0, leftOver(3, 2)],
        [0, enters(2, 3)],
      ]),
    ).toEqual([]);
    expect(
      broken([
        [1, leftOver(3, 3)],
        [0, enters(2, 3)],
      ]),
    ).toEqual([]);
  });

  it('other than what is global', () => {
    const global: Act = (cpu, { machine, pages }) => {
      const { ptePa } = pages[3];
      machine.poke(ptePa, machine.peek(ptePa) | PTE.GLOBAL);
      bootTouched(machine, cpu.index, pages[3]);
    };
    expect(
      broken([
        [0, global],
        [0, enters(2, 3)],
      ]),
    ).toEqual([]);
  });

  it('in its walk cache', () => {
    const table =
      (space: number, number: number): Act =>
      (cpu, { spaces }) =>
        cpu.hw.walkCache?.insert(0x4_0000, 512, number, 1, spaces[space].tables[1], 0);
    expect(
      broken([
        [0, table(3, 3)],
        [0, enters(2, 3)],
      ]),
    ).toEqual([ASID_RULE.LEFT_OVER_TABLE]);
    expect(
      broken([
        [0, table(2, 3)],
        [0, enters(2, 3)],
      ]),
    ).toEqual([]);
    expect(
      broken([
        [0, table(3, 2)],
        [0, enters(2, 3)],
      ]),
    ).toEqual([]);
  });
});
