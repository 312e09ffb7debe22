import { describe, expect, it } from 'vitest';
import { GuestMemory, type GuestMemoryPolicy } from '../../../src/hypervisor/guest-memory/guest-memory.ts';
import { COHERENT_PAGE, UNTOUCHED_PAGE } from '../../../src/hypervisor/guest-memory/page-maintenance.ts';
import { Vcpu } from '../../../src/hypervisor/vcpu.ts';
import { bootFrameOf } from '../../../src/hypervisor/vm-layout.ts';
import { ATTRIBUTE_UNCACHED, attributesOf } from '../../../src/machine/attributes.ts';
import type { Cpu, GuestRegisters, Steps } from '../../../src/machine/cpu.ts';
import { COUNT } from '../../../src/machine/registers.ts';
import { endOf, GUEST_VA, type GuestRoom, runGuests, withGuests } from '../../support/hypervisor.ts';

const off: GuestRegisters = { rootIpa: 0, asid: 1, mmuOn: false, cachesOn: false };
const on: GuestRegisters = { ...off, mmuOn: true, cachesOn: true };
const platform = withGuests.find(({ name }) => name === 'cortex-a53') ?? withGuests[0];

interface Room extends GuestRoom {
  readonly memory: GuestMemory;
  readonly vcpu: Vcpu;
  /** Lines maintained so far. */
  readonly maintained: () => number;
}

/** Runs a host with one guest and one page of data, faults of stage 2 being the policy's affair. */
function withMemory(policy: GuestMemoryPolicy, program: (cpu: Cpu, room: Room) => Steps): void {
  let memory: GuestMemory | undefined;
  const { result } = runGuests({
    platform,
    vectors: { stage2Fault: (cpu, fault) => (memory ?? expect.fail()).fault(cpu as Cpu, fault) },
    programs: [
      function* (cpu, room): Steps {
        memory = new GuestMemory(room.host.vms[0], policy);
        const vcpu = new Vcpu(room.host, room.layout.vms[0], 0);
        yield* program(cpu, { ...room, memory, vcpu, maintained: () => cpu.hw.counters[COUNT.maintenance] });
      },
    ],
  });
  expect(endOf(result)).toBe('clean');
}

describe('guest memory', () => {
  it('that was taken away comes back page by page when the guest wants it', () => {
    withMemory({ atFault: UNTOUCHED_PAGE }, function* (cpu, { memory, vcpu, host, dataIpa }) {
      yield* memory.unmapAll(cpu);
      expect(yield* host.vms[0].translate(cpu, dataIpa[0])).toBe(-1);
      const faults = cpu.hw.counters[COUNT.faults];
      yield* vcpu.runOn(cpu, function* () {
        expect(yield* cpu.load(GUEST_VA)).toBe(1);
      });
      // The tables of stage 1 were gone as well.
      expect(cpu.hw.counters[COUNT.faults] - faults).toBeGreaterThan(1);
      expect(yield* host.vms[0].translate(cpu, dataIpa[0])).toBe(bootFrameOf(host.vms[0].layout, dataIpa[0]));
    });
  });

  it('is maintained when it is mapped, and flushed when it is taken away, if the policy says so', () => {
    const lines = 4096 / platform.lineBytes;
    withMemory({ atFault: COHERENT_PAGE, flushesAtUnmap: true }, function* (cpu, room) {
      const { memory, vcpu, dataIpa, maintained } = room;
      yield* memory.unmap(cpu, dataIpa[0] + 8);
      expect(maintained()).toBe(lines);
      yield* vcpu.runOn(cpu, function* () {
        yield* cpu.load(GUEST_VA);
      });
      // A VIPT instruction cache is emptied by one operation.
      expect(maintained()).toBe(2 * lines + 1);
    });
    withMemory({ atFault: UNTOUCHED_PAGE }, function* (cpu, { memory, vcpu, dataIpa, maintained }) {
      yield* memory.unmap(cpu, dataIpa[0]);
      yield* vcpu.runOn(cpu, function* () {
        yield* cpu.load(GUEST_VA);
      });
      expect(maintained()).toBe(0);
    });
  });

  it('is flushed as far as it is mapped when the guest’s caches go on or off, and at no other write', () => {
    withMemory({ atFault: UNTOUCHED_PAGE, flushesAtToggle: true }, function* (cpu, room) {
      const { memory, host, dataIpa, maintained } = room;
      const pages = host.vms[0].layout.slots[0].frames.length;
      const lines = 4096 / platform.lineBytes;
      yield* memory.toggled(cpu, { kind: 'control', before: off, after: { ...off, mmuOn: true } });
      yield* memory.toggled(cpu, { kind: 'control', before: on, after: { ...on, asid: 7 } });
      expect(maintained()).toBe(0);
      yield* memory.toggled(cpu, { kind: 'control', before: off, after: on });
      expect(maintained()).toBe(pages * lines);
      yield* memory.unmap(cpu, dataIpa[0]);
      yield* memory.toggled(cpu, { kind: 'control', before: on, after: off });
      expect(maintained()).toBe((2 * pages - 1) * lines);
    });
    withMemory({ atFault: UNTOUCHED_PAGE }, function* (cpu, { memory, maintained }) {
      yield* memory.toggled(cpu, { kind: 'control', before: off, after: on });
      expect(maintained()).toBe(0);
    });
  });

  it('is mapped with the attribute that the host wants it to have', () => {
    const policy: GuestMemoryPolicy = {
      atFault: UNTOUCHED_PAGE,
      attributeOf: () => ATTRIBUTE_UNCACHED,
    };
    withMemory(policy, function* (cpu, { memory, vcpu, host, dataIpa }) {
      yield* memory.unmap(cpu, dataIpa[0]);
      yield* vcpu.runOn(cpu, function* () {
        yield* cpu.load(GUEST_VA);
      });
      expect(attributesOf(yield* host.vms[0].table.read(cpu, dataIpa[0]))).toBe(ATTRIBUTE_UNCACHED);
    });
  });

  it('repairs no fault of another kind', () => {
    withMemory({ atFault: UNTOUCHED_PAGE }, function* (cpu, { memory, dataIpa }) {
      const fault = { ipa: dataIpa[0], va: GUEST_VA, write: true, fetch: false, tableRead: false } as const;
      expect(yield* memory.fault(cpu, { ...fault, kind: 'permission' })).toBe(false);
    });
  });
});
