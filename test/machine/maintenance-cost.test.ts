import { describe, expect, it } from 'vitest';
import type { Reach } from '../../src/machine/memory-side.ts';
import type { PlatformInput } from '../../src/machine/platform.ts';
import { complete, cpusOf, machineOf, tiny } from '../support/machine.ts';

const PA = 0x1000;
const CLEAN = { clean: true, invalidate: false };
const cache = { sizeBytes: 128, ways: 2 };

/** Cycles that cleaning a dirty line by address costs. In `tiny` every cost is a prime of its own. */
function cleaning(
  change: (p: PlatformInput) => void,
  reach: Reach,
): { paid: number; costs: PlatformInput['costs'] } {
  const platform = tiny(change);
  const [cpu] = cpusOf(machineOf(platform, 1));
  complete(cpu.storePhysical(PA, 1));
  const began = cpu.clock;
  complete(cpu.maintainPhysical(PA, CLEAN, reach));
  return { paid: cpu.clock - began, costs: platform.costs };
}

describe('a write-back by maintenance costs the way to the level that takes the line', () => {
  it('memory, if there is nothing else', () => {
    const { paid, costs } = cleaning(() => {}, 'coherency');
    expect(paid).toBe(costs.maintenanceLineCycles + costs.memoryCycles);
  });

  it('a shared L2, and from there to memory if it is to be coherent', () => {
    const shared = (p: PlatformInput) => {
      p.shared = cache;
    };
    const near = cleaning(shared, 'unification');
    expect(near.paid).toBe(near.costs.maintenanceLineCycles + near.costs.sharedHitCycles);
    const far = cleaning(shared, 'coherency');
    expect(far.paid).toBe(near.paid + far.costs.memoryCycles);
  });

  it('a private L2, then the outer cache, then memory', () => {
    const { paid, costs } = cleaning((p) => {
      p.l2 = cache;
      p.outer = { ...cache, maintainedBy: 'address' };
    }, 'coherency');
    const { maintenanceLineCycles, l2HitCycles, outerHitCycles, memoryCycles } = costs;
    expect(paid).toBe(maintenanceLineCycles + l2HitCycles + outerHitCycles + memoryCycles);
  });

  it('an outer cache whose controller keeps it there', () => {
    const { paid, costs } = cleaning((p) => {
      p.outer = { ...cache, maintainedBy: 'controller' };
    }, 'coherency');
    expect(paid).toBe(costs.maintenanceLineCycles + costs.outerHitCycles);
  });

  it('by set and way the same: from the shared L2 to memory', () => {
    const platform = tiny((p) => {
      p.shared = cache;
      p.maintenance.setWayReachesShared = true;
    });
    const machine = machineOf(platform, 1);
    const [cpu] = cpusOf(machine);
    complete(cpu.storePhysical(PA, 1));
    complete(cpu.maintainPhysical(PA, { clean: true, invalidate: true }, 'unification'));
    const { setWayLineCycles, memoryCycles } = platform.costs;
    const began = cpu.clock;
    // 128 bytes in two ways of 16-byte lines: four sets.
    for (let set = 0; set < 4; set++) {
      for (let way = 0; way < 2; way++) complete(cpu.maintainSetWay('shared', set, way, CLEAN));
    }
    expect(cpu.clock - began).toBe(8 * setWayLineCycles + memoryCycles);
    expect(machine.peek(PA)).toBe(1);
  });
});
