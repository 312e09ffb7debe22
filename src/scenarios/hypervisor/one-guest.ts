/** What scenarios lay out that have one guest: a host with a VM, whose VMID is 1 when the run begins. */
import { BootVm, type VmOptions } from '../../hypervisor/boot-vm.ts';
import { type HypervisorLayout, layHypervisor } from '../../hypervisor/hypervisor.ts';
import type { Machine } from '../../machine/machine.ts';

/**
 * Lays the host and its guest out.
 * @param lay gives the guest its tables and registers; returns what the scenario's own layout has besides
 */
export function layOneGuest<T extends object>(
  machine: Machine,
  options: Omit<VmOptions, 'name'>,
  lay: (vm: BootVm) => T,
): { readonly host: HypervisorLayout } & T {
  const { layout, own } = layHypervisor(machine, { numbers: [1] }, (boot, lock) => {
    const vm = new BootVm(boot, lock('VM'), 0, { name: 'guest', ...options });
    const own = lay(vm);
    return { vms: [vm.finish()], own };
  });
  return { host: layout, ...own };
}
