import { describe, expect, it } from 'vitest';
import { withoutUncachedTypes } from '../../../src/hypervisor/guest-memory/memory-type-trap.ts';
import type { Trap } from '../../../src/machine/cpu.ts';
import { platforms } from '../../../src/platforms/index.ts';

const before = { rootIpa: 0x1000, asid: 2, mmuOn: false, cachesOn: false };
const trap: Trap = { kind: 'control', before, after: { ...before, memoryTypes: [0, 1, 2] } };

describe('the trap of MAIR', () => {
  it('makes everything cacheable where descriptors are long, and leaves the other registers alone', () => {
    const got = withoutUncachedTypes(platforms['cortex-a53'], trap);
    expect(got).toEqual({ ...before, memoryTypes: [0, 0, 0] });
  });

  it.each(['cortex-a15', 'riscv-h', 'cortex-a9'])('leaves all as it is on %s', (name) => {
    expect(withoutUncachedTypes(platforms[name], trap)).toBeUndefined();
  });

  it('has nothing to do with set and way', () => {
    const other: Trap = {
      ...{ kind: 'set-way', level: 'l1d', set: 0, way: 0 },
      operation: { clean: true, invalidate: true },
    };
    expect(withoutUncachedTypes(platforms['cortex-a53'], other)).toBeUndefined();
  });
});
