/** Where the guests of `guest-abuse.ts` are in memory: the one that empties caches, and one for each other CPU. */
import { BootVm } from '../../../hypervisor/boot-vm.ts';
import { type HypervisorLayout, layHypervisor } from '../../../hypervisor/hypervisor.ts';
import { USED } from '../../../kernel/kernel.ts';
import { PTE } from '../../../machine/attributes.ts';
import type { Machine } from '../../../machine/machine.ts';
import { PAGE_BYTES, type Platform } from '../../../machine/platform.ts';
import { layMeeting, type MeetingLayout } from './meeting.ts';

export const abuseEmulations = ['kvm', 'xen-full', 'xen-accessed', 'to-the-letter', 'untrapped'] as const;
export type AbuseEmulation = (typeof abuseEmulations)[number];

export interface AbuseBench {
  readonly emulation: AbuseEmulation;
  /** Pages of the guest’s memory, its tables among them. */
  readonly memory: number;
  /** So many of them it has used since it began. */
  readonly resident: number;
  /** So many of those it uses between two times. */
  readonly accessed: number;
  readonly isPreemptible: boolean;
  readonly rounds: number;
}

/** More than an L1 holds. */
const BYSTANDER_PAGES = 16;

/** Pages of the tables of stage 1 that map so many pages from GUEST_RAM on, which is at the beginning of a table. */
export function tablePages({ mmu }: Platform, pages: number): number {
  let span = 1 << 20;
  let tables = 0;
  for (const { bits } of mmu.levels) {
    const each = Math.max(1, ((1 << bits) * mmu.entryBytes) / PAGE_BYTES);
    tables += each * Math.ceil(pages / span);
    span >>= bits;
  }
  return tables;
}

export interface AbuseLayout {
  readonly host: HypervisorLayout;
  readonly meeting: MeetingLayout;
  /** By VM: addresses of the pages that it uses, the same virtual and intermediate. */
  readonly used: readonly (readonly number[])[];
}

/** Lays a host with as many guests as it has CPUs out. */
export function layAbuse(
  machine: Machine,
  { memory, resident, accessed, emulation }: AbuseBench,
): AbuseLayout {
  const { cpus } = machine.options;
  const numbers = Array.from({ length: cpus }, (_, i) => i + 1);
  const { layout, own } = layHypervisor(machine, { numbers, vmids: cpus + 1 }, (boot, lock) => {
    const used: number[][] = [];
    const vms = numbers.map((_, index) => {
      const isAbuser = index === 0;
      const tables = tablePages(machine.platform, isAbuser ? memory : BYSTANDER_PAGES);
      const pages = isAbuser ? memory : tables + BYSTANDER_PAGES;
      const vm = new BootVm(boot, lock(`VM ${index}`), index, { name: `VM ${index}`, vcpus: 1, pages });
      const root = vm.stage1Root();
      const ipas = Array.from({ length: isAbuser ? accessed : BYSTANDER_PAGES }, () => vm.pages(1));
      for (const ipa of ipas) vm.mapStage1(root, ipa, ipa, USED | PTE.WRITE);
      vm.registers(0, root, 1);
      used.push(ipas);
      const made = vm.finish();
      if (isAbuser && emulation === 'kvm') {
        // KVM gives a page when it is used first.
        const { ipa, frames } = made.slots[0];
        for (let page = tables + resident; page < frames.length; page++) {
          machine.poke(vm.stage2Entry(ipa + page * PAGE_BYTES), 0);
        }
      }
      return made;
    });
    return { vms, own: { meeting: layMeeting(boot), used } };
  });
  return { host: layout, ...own };
}
