import { describe, expect, it } from 'vitest';
import { withoutUncachedTypes } from '../../../src/hypervisor/guest-memory/memory-type-trap.ts';
import { Vcpu } from '../../../src/hypervisor/vcpu.ts';
import type { Cpu, MemoryTypes, Steps, Trap } from '../../../src/machine/cpu.ts';
import { platforms } from '../../../src/platforms/index.ts';
import { endOf, type GuestRoom, runGuests } from '../../support/hypervisor.ts';

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

describe('a vCPU', () => {
  it('keeps its memory types while it is out', () => {
    const seen: (MemoryTypes | undefined)[] = [];
    const look = function* (cpu: Cpu): Steps {
      yield* cpu.isb();
      seen.push(cpu.guestEntry?.registers.memoryTypes);
    };
    const program = function* (cpu: Cpu, { host, layout }: GuestRoom): Steps {
      const vcpu = new Vcpu(host, layout.vms[0], 0);
      yield* vcpu.runOn(cpu, () => look(cpu));
      yield* vcpu.runOn(cpu, () => cpu.guestMemoryTypes([0, 2, 1]));
      yield* vcpu.runOn(cpu, () => look(cpu));
      yield* vcpu.runOn(cpu, () => cpu.guestMemoryTypes([0, 1, 2]));
      yield* vcpu.runOn(cpu, () => look(cpu));
    };
    const { result } = runGuests({ platform: platforms['cortex-a53'], programs: [program] });
    expect(endOf(result)).toBe('clean');
    // What says that each means itself says nothing.
    expect(seen).toEqual([undefined, [0, 2, 1], undefined]);
  });
});
