import { describe, expect, it } from 'vitest';
import { Vcpu } from '../../src/hypervisor/vcpu.ts';
import { REQUEST, VCPU } from '../../src/hypervisor/vm-layout.ts';
import type { Cpu, Steps } from '../../src/machine/cpu.ts';
import { COUNT, CTL } from '../../src/machine/registers.ts';
import { platforms } from '../../src/platforms/index.ts';
import { endOf, GUEST_VA, type GuestRoom, runGuests, withGuests } from '../support/hypervisor.ts';
import { wordAt } from '../support/tagged.ts';

describe.each(withGuests)('a vCPU on $name', (platform) => {
  it('keeps its registers in memory while it is out, and takes them to another CPU', () => {
    const seen: (number | boolean)[] = [];
    const first = function* (cpu: Cpu, { host, layout }: GuestRoom): Steps {
      const vcpu = new Vcpu(host, layout.vms[0], 0);
      yield* vcpu.runOn(cpu, function* () {
        seen.push(cpu.inGuest, cpu.hw.ctl[CTL.VMID], cpu.hw.ctl[CTL.ASID]);
        expect(yield* cpu.load(GUEST_VA)).toBe(1);
        yield* cpu.store(GUEST_VA, 7);
        yield* cpu.guestContext(yield* readRoot(cpu, vcpu), 3);
      });
      seen.push(cpu.inGuest);
    };
    const second = function* (cpu: Cpu, { host, layout }: GuestRoom): Steps {
      const vcpu = new Vcpu(host, layout.vms[0], 0);
      yield* cpu.waitUntil(vcpu.layout.pa + VCPU.ASID, (asid) => asid === 3, {
        why: 'the vCPU',
        uncached: host.kernel.uncached,
      });
      yield* cpu.waitUntil(vcpu.layout.pa + VCPU.MODE, (mode) => mode === 0, {
        why: 'the vCPU to be out',
        uncached: host.kernel.uncached,
      });
      yield* vcpu.runOn(cpu, function* () {
        seen.push(cpu.hw.ctl[CTL.ASID]);
        expect(yield* cpu.load(GUEST_VA)).toBe(7);
      });
    };
    const { result, machine, layout } = runGuests({ platform, programs: [first, second], numbers: [5] });
    expect(endOf(result)).toBe('clean');
    expect(seen).toEqual([true, 5, 1, false, 3]);
    const [{ pa }] = layout.vms[0].vcpus;
    expect([wordAt(machine, pa + VCPU.LAST_CPU), wordAt(machine, pa + VCPU.MODE)]).toEqual([2, 0]);
    expect(machine.state.cpus[1].ctl[CTL.GUEST]).toBe(0);
  });

  it('leaves the guest for what it is asked to do, and goes on', () => {
    const done: number[] = [];
    const host = function* (cpu: Cpu, { host, layout }: GuestRoom): Steps {
      const [vcpu] = layout.vms[0].vcpus;
      yield* cpu.waitUntil(vcpu.pa + VCPU.MODE, (mode) => mode === 2, {
        why: 'the guest',
        uncached: host.kernel.uncached,
      });
      yield* host.fence.askVcpus(cpu, layout.vms[0]);
      // The vCPU has left the guest, and does not come back before it has done it.
      done.push(1);
      yield* cpu.storePhysical(layout.vms[0].lastRanPa[0], 99, 4, host.kernel.uncached);
    };
    const guest = function* (cpu: Cpu, { host, layout }: GuestRoom): Steps {
      const vcpu = new Vcpu(host, layout.vms[0], 0);
      const before = cpu.hw.counters[COUNT.tlbInvalidates];
      yield* vcpu.runOn(cpu, function* () {
        yield* cpu.waitUntil(layout.vms[0].lastRanPa[0], (word) => word === 99, {
          why: 'the host',
          uncached: host.kernel.uncached,
        });
        expect(yield* cpu.load(GUEST_VA)).toBe(1);
      });
      done.push(cpu.hw.counters[COUNT.tlbInvalidates] - before);
    };
    const { result, machine, layout } = runGuests({ platform, programs: [host, guest], numbers: [1] });
    expect(endOf(result)).toBe('clean');
    const flushes = platform.virtualization?.stage2Fences === 'local' ? 3 : 2;
    // For another vCPU that it might have followed, where it came from elsewhere, and for the request.
    expect(done).toEqual([1, flushes]);
    expect(wordAt(machine, layout.vms[0].vcpus[0].pa + VCPU.REQUESTS)).toBe(0);
  });
});

function* readRoot(cpu: Cpu, vcpu: Vcpu): Steps<number> {
  return cpu.machine.peek(vcpu.layout.pa + VCPU.ROOT);
}

it('flushes what another vCPU of its VM has left, and only then', () => {
  const flushes: number[] = [];
  const program = function* (cpu: Cpu, { host, layout }: GuestRoom): Steps {
    const [a, b] = [0, 1].map((index) => new Vcpu(host, layout.vms[0], index));
    for (const vcpu of [a, a, b, b, a]) {
      const before = cpu.hw.counters[COUNT.tlbInvalidates];
      yield* vcpu.runOn(cpu, function* () {
        yield* cpu.load(GUEST_VA);
      });
      flushes.push(cpu.hw.counters[COUNT.tlbInvalidates] - before);
    }
  };
  const { result } = runGuests({ platform: platforms.neoverse, programs: [program], vcpus: 2, numbers: [1] });
  expect([endOf(result), flushes]).toEqual(['clean', [1, 0, 1, 0, 1]]);
});

it('loses no control register that a trap was about when an interrupt takes it out meanwhile', () => {
  const seen: unknown[] = [];
  let asked: (() => Steps) | undefined;
  const guest = function* (cpu: Cpu, { host, layout }: GuestRoom): Steps {
    asked = () => host.fence.askVcpus(cpu, layout.vms[0], REQUEST.FENCE);
    const vcpu = new Vcpu(host, layout.vms[0], 0);
    yield* vcpu.runOn(cpu, function* () {
      yield* cpu.guestControl({ mmuOn: true, cachesOn: false });
      yield* cpu.load(GUEST_VA);
    });
    seen.push(
      cpu.machine.port.load(cpu.hw, vcpu.layout.pa + VCPU.CONTROL, vcpu.layout.pa + VCPU.CONTROL, 4, 0),
    );
  };
  const { result } = runGuests({
    platform: platforms.neoverse,
    programs: [guest],
    numbers: [1],
    policy: { traps: { control: true } },
    vectors: {
      *trap(cpu) {
        if (!asked) throw new Error('not started');
        yield* asked();
        yield* (cpu as Cpu).sendIpi(0, 1);
        for (let i = 0; i < 500 && cpu.guestEntry !== null; i++) yield* (cpu as Cpu).compute(1);
        seen.push(cpu.guestEntry === null);
      },
    },
  });
  // Without a guest after the interrupt; then bit 0 alone: its MMU is on and its caches are off.
  expect([endOf(result), seen]).toEqual(['clean', [true, 1]]);
});
