import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { STAGE2_RAM } from '../../src/hypervisor/boot-vm.ts';
import { isHidden, stage2Levels } from '../../src/hypervisor/stage2-table.ts';
import { frameAddress, PTE } from '../../src/machine/attributes.ts';
import type { Cpu, Steps } from '../../src/machine/cpu.ts';
import { PAGE_BYTES } from '../../src/machine/platform.ts';
import { platforms } from '../../src/platforms/index.ts';
import { endOf, type GuestRoom, runGuests, withGuests } from '../support/hypervisor.ts';

/** Runs one CPU's program, which must end without a finding. */
function alone(platform: (typeof withGuests)[number], program: (cpu: Cpu, room: GuestRoom) => Steps): void {
  expect(endOf(runGuests({ platform, programs: [program], pages: 4 }).result)).toBe('clean');
}

describe.each(withGuests)('stage-2 tables of $name', (platform) => {
  it('cut an address into all of its bits', () => {
    const levels = stage2Levels(platform);
    const bits = levels.reduce((sum, { mask }) => sum + Math.log2(mask + 1), 0);
    expect([bits, levels[levels.length - 1].shift]).toEqual([20, 0]);
  });

  it('are read by software as they were laid out', () => {
    alone(platform, function* (cpu, { host: { vms }, layout, dataIpa }) {
      const [{ slots }] = layout.vms;
      const { ipa, frames } = slots[0];
      for (const [page, frame] of frames.entries()) {
        expect(yield* vms[0].translate(cpu, ipa + page * PAGE_BYTES + 8)).toBe(frame + 8);
      }
      expect(yield* vms[0].translate(cpu, ipa + frames.length * PAGE_BYTES)).toBe(-1);
      expect(dataIpa[0]).toBeGreaterThanOrEqual(ipa);
    });
  });

  it('are built where an address has no table yet', () => {
    alone(platform, function* (cpu, { host: { vms, kernel } }) {
      const far = 0x2345_6000;
      expect(yield* vms[0].translate(cpu, far)).toBe(-1);
      const frame = yield* kernel.frames.allocate(cpu);
      yield* vms[0].mapIpa(cpu, far, frame, STAGE2_RAM);
      expect(yield* vms[0].translate(cpu, far + 4)).toBe(frame + 4);
      expect(yield* vms[0].unmapIpa(cpu, far)).toEqual([frame]);
      expect(yield* vms[0].unmapIpa(cpu, far)).toEqual([]);
    });
  });
});

it('hides a leaf with all that it says, and brings it back once', () => {
  alone(platforms.neoverse, function* (cpu, { host: { vms }, dataIpa: [ipa] }) {
    const { table } = vms[0];
    const before = yield* table.read(cpu, ipa);
    yield* vms[0].hideIpa(cpu, ipa, 1);
    const hidden = yield* table.read(cpu, ipa);
    expect([isHidden(hidden), frameAddress(hidden)]).toEqual([true, frameAddress(before)]);
    expect(yield* vms[0].translate(cpu, ipa)).toBe(-1);
    expect(yield* vms[0].revealIpa(cpu, ipa)).toBe(true);
    expect(yield* table.read(cpu, ipa)).toBe(before);
    expect(yield* vms[0].revealIpa(cpu, ipa)).toBe(false);
  });
});

it('takes single rights away', () => {
  alone(platforms.neoverse, function* (cpu, { host: { vms }, dataIpa: [ipa] }) {
    const before = yield* vms[0].table.read(cpu, ipa);
    yield* vms[0].protectIpa(cpu, ipa, 2, PTE.WRITE);
    expect(yield* vms[0].table.read(cpu, ipa)).toBe((before & ~PTE.WRITE) >>> 0);
  });
});

/** What is done to one of four pages. */
const operations = fc.array(
  fc.record({
    page: fc.integer({ min: 0, max: 3 }),
    what: fc.constantFrom('map', 'unmap', 'hide', 'reveal', 'replace'),
  }),
  { maxLength: 12 },
);

it('agrees with a map, whatever is done to its pages', () => {
  fc.assert(
    fc.property(operations, fc.constantFrom('neoverse', 'cortex-a15', 'riscv-h'), (list, name) => {
      alone(platforms[name], function* (cpu, { host: { vms, kernel }, dataIpa: [ipa] }) {
        const model = new Map<number, { frame: number; hidden: boolean }>();
        for (let page = 0; page < 4; page++) {
          const frame = yield* vms[0].translate(cpu, ipa + page * PAGE_BYTES);
          model.set(page, { frame, hidden: false });
        }
        for (const { page, what } of list) {
          const at = ipa + page * PAGE_BYTES;
          const now = model.get(page);
          if (what === 'map' && !now) {
            const frame = yield* kernel.frames.allocate(cpu);
            yield* vms[0].mapIpa(cpu, at, frame, STAGE2_RAM);
            model.set(page, { frame, hidden: false });
          } else if (what === 'unmap') {
            expect(yield* vms[0].unmapIpa(cpu, at)).toEqual(now ? [now.frame] : []);
            model.delete(page);
          } else if (what === 'hide') {
            yield* vms[0].hideIpa(cpu, at, 1);
            if (now) now.hidden = true;
          } else if (what === 'reveal') {
            expect(yield* vms[0].revealIpa(cpu, at)).toBe(now?.hidden ?? false);
            if (now) now.hidden = false;
          } else if (what === 'replace') {
            const frame = yield* kernel.frames.allocate(cpu);
            expect(yield* vms[0].replaceIpa(cpu, at, frame, STAGE2_RAM)).toBe(now?.frame ?? -1);
            model.set(page, { frame, hidden: false });
          }
          for (let each = 0; each < 4; each++) {
            const one = model.get(each);
            const expected = !one || one.hidden ? -1 : one.frame;
            expect(yield* vms[0].translate(cpu, ipa + each * PAGE_BYTES)).toBe(expected);
          }
        }
      });
    }),
    { numRuns: 40 },
  );
});

it('needs a platform that has stage 2', () => {
  expect(() => stage2Levels(platforms.sun4m)).toThrow(/sun4m has no stage 2: use a platform with/);
});
