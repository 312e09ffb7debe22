import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SetWayEmulation } from '../../../src/hypervisor/set-way/emulation.ts';
import { flushGuest, type Preemption } from '../../../src/hypervisor/set-way/flush-guest.ts';
import { PAGE_BYTES } from '../../../src/machine/platform.ts';
import { runEmulated, still } from '../../support/set-way.ts';

const none: SetWayEmulation = { policy: {}, *setWay() {} };

/** Somebody always waits; the vCPU goes on here, or elsewhere. */
const preempted = (every: number, goesOn: boolean): Preemption => ({
  every,
  *pending() {
    return true;
  },
  *yields() {
    return goesOn;
  },
});

describe('flushGuest', () => {
  it.each(['cortex-a15', 'cortex-a53', 'neoverse'])('brings what is dirty to memory on %s', (name) => {
    let before: number[] = [];
    let after: number[] = [];
    runEmulated({
      emulation: none,
      platform: still(name),
      programs: [
        function* (at) {
          yield* at.dirty(7);
          before = at.inMemory();
          expect(yield* flushGuest(at.cpu, at)).toBe(-1);
          after = at.inMemory();
        },
      ],
    });
    // Each data page begins with 1, the number of the VM.
    expect([before, after]).toEqual([
      [1, 1, 1],
      [7, 7, 7],
    ]);
  });

  it('brings it from the caches of another CPU as well', () => {
    let before: number[] = [];
    let after: number[] = [];
    runEmulated({
      emulation: none,
      programs: [
        (at) => at.dirty(7),
        function* (at) {
          yield* at.after(0);
          before = at.inMemory();
          yield* flushGuest(at.cpu, at);
          after = at.inMemory();
        },
      ],
    });
    expect([before, after]).toEqual([
      [1, 1, 1],
      [7, 7, 7],
    ]);
  });

  it('leaves alone what an entry that is not valid leads to, and goes on where it was preempted', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 0, max: 4 })),
        fc.integer({ min: 1, max: 60 }),
        fc.boolean(),
        (hidden, every, goesOn) => {
          let after: number[] = [];
          let stretches = 0;
          let pages = 0;
          runEmulated({
            emulation: none,
            pages: 5,
            programs: [
              function* (at) {
                yield* at.dirty(9);
                for (const page of hidden) {
                  yield* at.vm.hideIpa(at.cpu, at.room.dataIpa[0] + page * PAGE_BYTES, 1);
                }
                const preemption = preempted(every, goesOn);
                for (let from = 0; from >= 0; stretches++) {
                  from = yield* flushGuest(at.cpu, at, { from, preemption });
                }
                after = at.inMemory();
                pages = at.vm.layout.slots[0].frames.length;
              },
            ],
          });
          expect(after).toEqual([0, 1, 2, 3, 4].map((page) => (hidden.includes(page) ? 1 : 9)));
          // What is skipped counts 1 and what is flushed 10: a stretch ends with the page that reaches `every`.
          const work = 10 * (pages - hidden.length) + hidden.length;
          if (goesOn) expect(stretches).toBe(1);
          else {
            expect(stretches - 1).toBeLessThanOrEqual(work / every);
            expect(stretches).toBeGreaterThanOrEqual(work / (every + 9));
          }
        },
      ),
      { numRuns: 12 },
    );
  });
});
