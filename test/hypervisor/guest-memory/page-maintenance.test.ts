import { describe, expect, it } from 'vitest';
import {
  COHERENT_PAGE,
  forgetInstructions,
  maintainPage,
  maintainRange,
  UNTOUCHED_PAGE,
} from '../../../src/hypervisor/guest-memory/page-maintenance.ts';
import { CLEAN, FLUSH } from '../../../src/machine/cache-maintenance.ts';
import { PAGE_BYTES, type Platform } from '../../../src/machine/platform.ts';
import { COUNT } from '../../../src/machine/registers.ts';
import { withGuests } from '../../support/hypervisor.ts';
import { changed, complete, cpusOf, machineOf } from '../../support/machine.ts';

const FRAME = 0x8000;

/** Two CPUs, the second of which has stored to the first and the last word of a frame and fetched the first. */
function used(platform: Platform) {
  const machine = machineOf(platform, 2);
  const [first, second] = cpusOf(machine);
  for (const [i, pa] of [FRAME, FRAME + PAGE_BYTES - 4].entries()) complete(second.storePhysical(pa, i + 1));
  complete(second.dsb());
  // With the MMU off addresses are physical.
  complete(second.fetch(FRAME));
  const line = FRAME >>> machine.state.lineShift;
  const has = {
    data: () => second.hw.l1d.lookup(FRAME, line, 0) >= 0,
    code: () => second.hw.l1i.lookup(FRAME, line, 0) >= 0,
    inMemory: () => [FRAME, FRAME + PAGE_BYTES - 4].map((pa) => machine.state.memory[pa >>> 2]),
  };
  return { machine, first, has };
}

describe.each(withGuests)('maintenance of guest memory on $name', (platform) => {
  it('cleans to memory what another CPU has dirty, and drops it if it is to', () => {
    const cleaned = used(platform);
    expect(cleaned.has.inMemory()).toEqual([0, 0]);
    complete(maintainRange(cleaned.first, FRAME, PAGE_BYTES, CLEAN));
    expect([cleaned.has.inMemory(), cleaned.has.data()]).toEqual([[1, 2], true]);
    const flushed = used(platform);
    complete(maintainRange(flushed.first, FRAME, PAGE_BYTES, FLUSH));
    expect([flushed.has.inMemory(), flushed.has.data()]).toEqual([[1, 2], false]);
  });

  it('is one operation a line, and as far as the point of unification leaves memory as it was', () => {
    const { first, has } = used(platform);
    complete(maintainRange(first, FRAME, PAGE_BYTES, CLEAN, 'unification'));
    expect(first.hw.counters[COUNT.maintenance]).toBe(PAGE_BYTES / platform.lineBytes);
    expect(has.inMemory()).toEqual([0, 0]);
  });

  it('of a page does what its policy says, data perhaps only for a vCPU whose caches are off', () => {
    const none = used(platform);
    complete(maintainPage(none.first, FRAME, UNTOUCHED_PAGE, true));
    expect([none.has.inMemory(), none.has.code()]).toEqual([[0, 0], true]);
    const lazily = { ...COHERENT_PAGE, onlyWhileOff: true };
    const on = used(platform);
    complete(maintainPage(on.first, FRAME, lazily, false));
    expect(on.has.inMemory()).toEqual([0, 0]);
    complete(maintainPage(on.first, FRAME, lazily, true));
    expect(on.has.inMemory()).toEqual([1, 2]);
  });

  it('takes instructions from the caches that the platform’s invalidates reach', () => {
    const { first, has } = used(platform);
    complete(forgetInstructions(first, FRAME));
    expect(has.code()).toBe(platform.maintenance.icache === 'local');
  });
});

describe('maintenance that would miss a cache', () => {
  it('is refused', () => {
    const local = changed(withGuests[0], (p) => {
      p.maintenance.byAddress = 'local';
    });
    const [cpu] = cpusOf(machineOf(local, 1));
    expect(() => complete(maintainRange(cpu, FRAME, PAGE_BYTES, CLEAN))).toThrow(/would miss other caches/);
  });
});
