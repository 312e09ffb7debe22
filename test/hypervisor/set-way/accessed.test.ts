import { describe, expect, it } from 'vitest';
import { forgetAccessed, noteAccessed } from '../../../src/hypervisor/set-way/accessed.ts';
import type { SetWayEmulation } from '../../../src/hypervisor/set-way/emulation.ts';
import { stage2EntryAddress, stage2Levels } from '../../../src/hypervisor/stage2-table.ts';
import { bootFrameOf } from '../../../src/hypervisor/vm-layout.ts';
import { frameAddress, PTE } from '../../../src/machine/attributes.ts';
import { PAGE_BYTES } from '../../../src/machine/platform.ts';
import { GUEST_VA } from '../../support/hypervisor.ts';
import { type GuestAt, runEmulated } from '../../support/set-way.ts';

let faults: number[] = [];
const tracking: SetWayEmulation = {
  policy: {},
  *setWay() {},
  *fault(cpu, held, { ipa }) {
    faults.push(ipa - (ipa % PAGE_BYTES));
    return yield* noteAccessed(cpu, held, ipa);
  },
};

/** Which of the guest's data pages the walker finds now. */
function* used({ cpu, vm, room }: GuestAt, pages: number) {
  const { platform } = cpu.machine;
  const valid: number[] = [];
  for (let page = 0; page < pages; page++) {
    let [entry, table] = [0, vm.layout.root];
    for (const level of stage2Levels(platform)) {
      const ptePa = stage2EntryAddress(platform, level, table, room.dataIpa[0] + page * PAGE_BYTES);
      entry = yield* vm.table.entry(cpu, ptePa);
      if ((entry & PTE.VALID) === 0) break;
      table = frameAddress(entry);
    }
    if ((entry & PTE.VALID) !== 0) valid.push(page);
  }
  return valid;
}

describe('pages that a guest has used', () => {
  it('are those that it has used since they were forgotten, and each faults once', () => {
    const seen: number[][] = [];
    faults = [];
    const result = runEmulated({
      emulation: tracking,
      pages: 4,
      programs: [
        function* (at) {
          const load = (page: number) => at.guest(() => at.cpu.load(GUEST_VA + page * PAGE_BYTES) as never);
          seen.push(yield* used(at, 4));
          yield* forgetAccessed(at.cpu, at);
          seen.push(yield* used(at, 4));
          yield* load(2);
          yield* load(2);
          seen.push(yield* used(at, 4));
          yield* load(0);
          seen.push(yield* used(at, 4));
          yield* forgetAccessed(at.cpu, at);
          yield* load(3);
          seen.push(yield* used(at, 4));
        },
      ],
    });
    expect(result.outcome).toBe('finished');
    expect(seen).toEqual([[0, 1, 2, 3], [], [2], [0, 2], [3]]);
    const data = faults.filter((ipa) => faults.indexOf(ipa) === faults.lastIndexOf(ipa));
    // Tables of the guest fault in both stretches, its data pages in the one in which they are used.
    expect(data).toHaveLength(3);
  });

  it('are there for a CPU that comes second, and are not if there is no such page', () => {
    const found: boolean[] = [];
    runEmulated({
      emulation: tracking,
      programs: [
        function* (at) {
          const [page] = at.room.dataIpa;
          yield* forgetAccessed(at.cpu, at);
          for (const ipa of [page, page, 0x1000]) found.push(yield* noteAccessed(at.cpu, at, ipa));
        },
      ],
    });
    expect(found).toEqual([true, true, false]);
  });

  it('can be taken away while they are hidden, and do not come back', () => {
    const frames: number[][] = [];
    expect(() =>
      runEmulated({
        emulation: tracking,
        programs: [
          function* (at) {
            const [page] = at.room.dataIpa;
            yield* forgetAccessed(at.cpu, at);
            frames.push(yield* at.vm.unmapIpa(at.cpu, page));
            frames.push([bootFrameOf(at.vm.layout, page)]);
            yield* at.guest(() => at.cpu.load(GUEST_VA) as never);
          },
        ],
      }),
    ).toThrow(/translation fault on a load/);
    expect(frames[0]).toEqual(frames[1]);
  });

  it('are in memory for an IOMMU that looks there', () => {
    const roots: number[] = [];
    for (const inMemory of [false, true]) {
      runEmulated({
        emulation: tracking,
        programs: [
          function* (at) {
            yield* forgetAccessed(at.cpu, at, { inMemory });
            const { root } = at.vm.layout;
            // IPAs begin at 2 GB, and an entry of the root is for one.
            roots.push(at.room.machine.peek(root + 2 * at.cpu.machine.platform.mmu.entryBytes) & PTE.VALID);
          },
        ],
      });
    }
    expect(roots).toEqual([PTE.VALID, 0]);
  });
});
