import { describe, expect, it } from 'vitest';
import type { SetWayEmulation } from '../../../src/hypervisor/set-way/emulation.ts';
import type { Preemption } from '../../../src/hypervisor/set-way/flush-guest.ts';
import { ignoreSetWay, kvmSetWay } from '../../../src/hypervisor/set-way/kvm.ts';
import { populating } from '../../../src/hypervisor/set-way/populate.ts';
import { setWayToTheLetter } from '../../../src/hypervisor/set-way/to-the-letter.ts';
import { xenSetWay } from '../../../src/hypervisor/set-way/xen.ts';
import { VCPU } from '../../../src/hypervisor/vm-layout.ts';
import { flushBySetWay } from '../../../src/kernel/set-way.ts';
import { PAGE_BYTES } from '../../../src/machine/platform.ts';
import { GUEST_VA } from '../../support/hypervisor.ts';
import { changed } from '../../support/machine.ts';
import { type GuestAt, runEmulated, still } from '../../support/set-way.ts';

const FLUSH = { clean: true, invalidate: true };
const operation = ({ cpu, guest }: GuestAt) => guest(() => cpu.guestSetWay('l1d', 0, 0, FLUSH));
const caches = ({ cpu, guest }: GuestAt, on: boolean) =>
  guest(() => cpu.guestControl({ mmuOn: on, cachesOn: on }));
const word = ({ cpu, vcpu }: GuestAt, at: number) => cpu.loadPhysical(vcpu.layout.pa + at);

/** What is in memory after each step of a guest that stores a new value before each. */
function stepByStep(emulation: SetWayEmulation): { memory: number[]; traps: number[] } {
  const memory: number[] = [];
  const traps: number[] = [];
  runEmulated({
    emulation,
    pages: 1,
    programs: [
      function* (at) {
        const steps = [
          () => operation(at),
          () => operation(at),
          () => caches(at, false),
          () => caches(at, true),
          () => operation(at),
        ];
        for (const [i, step] of steps.entries()) {
          // With its caches off it stores to memory itself.
          if (i !== 3) yield* at.dirty(10 + i);
          yield* step();
          memory.push(at.inMemory()[0]);
          traps.push((yield* word(at, VCPU.TRAPS)) as number);
        }
      },
    ],
  });
  return { memory, traps };
}

describe('what flushes when', () => {
  const policy = {
    // The second operation is the rest of a loop; caches going off flush again, and so does a first one anew.
    memory: [10, 10, 12, 12, 14],
    traps: [1, 1, 1, 0, 1],
  };

  it('KVM: the first operation, and caches that go on or off', () => {
    expect(stepByStep(kvmSetWay)).toEqual(policy);
  });

  it.each(['all', 'accessed'] as const)('Xen, %s: the same policy', (pages) => {
    expect(stepByStep(xenSetWay({ pages }))).toEqual(policy);
  });

  it('nothing flushes where nothing is done', () => {
    expect(stepByStep(ignoreSetWay({ forcedWriteBack: false })).memory).toEqual([1, 1, 1, 1, 1]);
  });
});

describe('Xen, preempted', () => {
  const preemption: Preemption = {
    every: 1,
    *pending() {
      return true;
    },
    *yields(cpu) {
      return cpu.guestEntry === null;
    },
  };

  it('goes on before the vCPU enters the guest the next time', () => {
    const seen: [number[], number][] = [];
    runEmulated({
      emulation: xenSetWay({ pages: 'all', preemption }),
      programs: [
        function* (at) {
          yield* at.dirty(5);
          yield* operation(at);
          const first = (yield* word(at, VCPU.TO_FLUSH)) as number;
          seen.push([at.inMemory(), first]);
          yield* at.guest(() => at.cpu.compute(1));
          seen.push([at.inMemory(), (yield* word(at, VCPU.TO_FLUSH)) as number]);
        },
      ],
    });
    // One page is done, and the next to do is page 1, which is kept as 2.
    expect(seen).toEqual([
      [[1, 1, 1], 2],
      [[5, 5, 5], 0],
    ]);
  });
});

describe('Xen, with a device that shares the table', () => {
  it('refuses: the guest is told, and nothing is flushed or hidden', () => {
    let told = 0;
    let memory: number[] = [];
    let translated = -1;
    runEmulated({
      emulation: xenSetWay({ pages: 'accessed', sharesTable: true, undefined: () => told++ }),
      programs: [
        function* (at) {
          yield* at.dirty(5);
          yield* operation(at);
          yield* operation(at);
          memory = at.inMemory();
          translated = yield* at.vm.translate(at.cpu, at.room.dataIpa[0]);
        },
      ],
    });
    expect([told, memory]).toEqual([2, [1, 1, 1]]);
    expect(translated).toBeGreaterThan(0);
  });
});

describe('to the letter', () => {
  // So few lines that all can be named, and ways enough: pages and tables all begin in one set.
  const platform = changed(still('cortex-a53'), (p) => {
    p.l1d.sizeBytes = 8192;
    p.l1d.ways = 16;
    p.shared!.sizeBytes = 32768;
  });
  const sweep = (at: GuestAt) => at.guest(() => flushBySetWay(at.cpu));

  /** What is in memory when the guest has stored on CPU 0 and emptied the caches of the CPU that it is on then. */
  function emptied(emulation: SetWayEmulation, on: 0 | 1): number[] {
    let memory: number[] = [];
    const empties = function* (at: GuestAt) {
      yield* sweep(at);
      memory = at.inMemory();
    };
    runEmulated({
      ...{ emulation, platform },
      programs: [
        function* (at) {
          yield* at.dirty(5);
          if (on === 0) yield* empties(at);
        },
        function* (at) {
          if (on === 0) return;
          yield* at.after(0);
          yield* empties(at);
        },
      ],
    });
    return memory;
  }

  it('reaches the caches of the CPU that the vCPU is on, and no other', () => {
    expect(emptied(setWayToTheLetter(), 0)).toEqual([5, 5, 5]);
    expect(emptied(setWayToTheLetter(), 1)).toEqual([1, 1, 1]);
  });

  it('leaves nothing behind where caches are emptied as the vCPU leaves', () => {
    expect(emptied(setWayToTheLetter(true), 1)).toEqual([5, 5, 5]);
  });
});

describe('populate on demand', () => {
  it('gives a page when it is used first, and what is flushed is what has been given', () => {
    const valid: boolean[][] = [];
    runEmulated({
      emulation: populating(kvmSetWay),
      programs: [
        function* (at) {
          const [{ ipa, frames }] = at.vm.layout.slots;
          yield* at.vm.unmapIpa(at.cpu, ipa, frames.length);
          const state = function* () {
            const now: boolean[] = [];
            for (let page = 0; page < 3; page++) {
              now.push((yield* at.vm.translate(at.cpu, at.room.dataIpa[0] + page * PAGE_BYTES)) >= 0);
            }
            return now;
          };
          valid.push(yield* state());
          yield* at.guest(() => at.cpu.store(GUEST_VA + PAGE_BYTES, 3) as never);
          valid.push(yield* state());
          yield* operation(at);
          expect(at.inMemory()).toEqual([1, 3, 1]);
        },
      ],
    });
    expect(valid).toEqual([
      [false, false, false],
      [false, true, false],
    ]);
  });
});
