import { describe, expect, it } from 'vitest';
import { BootVm } from '../../src/hypervisor/boot-vm.ts';
import { BootMemory } from '../../src/kernel/boot-memory.ts';
import { Cpu } from '../../src/machine/cpu.ts';
import { bootSharedTable, bootTable, Device, DeviceFault } from '../../src/machine/device.ts';
import { PAGE_BYTES } from '../../src/machine/platform.ts';
import type { Steps } from '../../src/machine/steps.ts';
import { platforms } from '../../src/platforms/index.ts';
import { complete, machineOf } from '../support/machine.ts';

/** A guest of four pages whose device, CPU 1, uses its stage-2 table. */
function guestWithDevice(name: string) {
  const machine = machineOf(platforms[name], 2, { devices: 1 });
  const lock = { pa: 0, ghost: 0, name: 'VM' };
  const vm = new BootVm(new BootMemory(machine), lock, 0, { name: 'VM', vcpus: 1, pages: 4 });
  const ipa = vm.pages(4);
  const { root } = vm.finish();
  const [cpu, deviceCpu] = [0, 1].map((index) => new Cpu(machine, index));
  return { machine, vm, ipa, root, cpu, device: new Device(deviceCpu) };
}

/** What a transfer returns, or the fault that it ends with. */
function outcome<T>(transfer: Steps<T>): T | string {
  try {
    return complete(transfer);
  } catch (error) {
    if (error instanceof DeviceFault) return error.kind;
    throw error;
  }
}

describe.each(['cortex-a53', 'neoverse', 'neoverse-v1'])(
  'a device that shares a stage-2 table on %s',
  (name) => {
    it('reaches the guest’s memory at the guest’s addresses', () => {
      const { machine, vm, ipa, root, device } = guestWithDevice(name);
      bootSharedTable(machine, 0, root);
      machine.poke(vm.paOf(ipa + 2 * PAGE_BYTES), 77);
      expect(outcome(device.read(ipa + 2 * PAGE_BYTES))).toBe(77);
      complete(device.write(ipa + PAGE_BYTES + 8, 5));
      expect(machine.peek(vm.paOf(ipa + PAGE_BYTES) + 8)).toBe(5);
    });

    it('keeps what it has looked up until its TLB is told, and faults on an entry that is not valid', () => {
      const { machine, vm, ipa, root, cpu, device } = guestWithDevice(name);
      bootSharedTable(machine, 0, root);
      machine.poke(vm.paOf(ipa), 3);
      expect(outcome(device.read(ipa))).toBe(3);
      machine.poke(vm.stage2Entry(ipa), 0);
      expect(outcome(device.read(ipa))).toBe(3);
      complete(cpu.invalidateIoTlb(0, ipa));
      expect(outcome(device.read(ipa))).toBe('translation');
      expect(outcome(device.read(ipa + PAGE_BYTES))).toBe(0);
      expect(outcome(device.read(0x1000))).toBe('translation');
    });

    it('goes back to a table of its own', () => {
      const { machine, ipa, root, device } = guestWithDevice(name);
      bootSharedTable(machine, 0, root);
      expect(outcome(device.read(ipa))).toBe(0);
      const boot = new BootMemory(machine);
      boot.pages(60);
      bootTable(machine, 0, boot.pages(1));
      expect(outcome(device.read(ipa + PAGE_BYTES))).toBe('translation');
    });
  },
);

describe('a device cannot share a stage-2 table', () => {
  it.each([
    ['cortex-a15', /no IOMMU/],
    ['sun4m', /no stage 2/],
  ])('on %s', (name, why) => {
    const machine = machineOf(platforms[name], 2, { devices: 1 });
    expect(() => bootSharedTable(machine, 0, 0x1000)).toThrow(why);
  });
});
