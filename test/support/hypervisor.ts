/** Programs of a few CPUs over a hypervisor with small VMs. */
import type { Checker } from '../../src/checker/checker.ts';
import type { RunResult } from '../../src/hosts/job.ts';
import { runLockstep } from '../../src/hosts/lockstep.ts';
import { RandomWalk } from '../../src/hosts/schedulers/random.ts';
import { BootVm } from '../../src/hypervisor/boot-vm.ts';
import {
  Hypervisor,
  type HypervisorLayout,
  type HypervisorPolicy,
  layHypervisor,
} from '../../src/hypervisor/hypervisor.ts';
import { USED } from '../../src/kernel/kernel.ts';
import { PTE } from '../../src/machine/attributes.ts';
import type { Cpu, Steps, Vectors } from '../../src/machine/cpu.ts';
import type { Machine } from '../../src/machine/machine.ts';
import { PAGE_BYTES, type Platform } from '../../src/machine/platform.ts';
import { platforms } from '../../src/platforms/index.ts';
import type { Workload } from '../../src/program/workload.ts';

/** Platforms that can run guests. */
export const withGuests: readonly Platform[] = Object.values(platforms).filter(
  ({ virtualization }) => virtualization !== undefined,
);

/** Where each guest maps its data pages. */
export const GUEST_VA = 0x4000_0000;

export interface GuestRoom {
  readonly machine: Machine;
  readonly host: Hypervisor;
  readonly layout: HypervisorLayout;
  readonly checker: Checker | null;
  /** By VM: intermediate address of its first data page. */
  readonly dataIpa: readonly number[];
}

export interface GuestRun {
  readonly platform: Platform;
  readonly programs: readonly ((cpu: Cpu, room: GuestRoom) => Steps)[];
  readonly vms?: number;
  readonly vcpus?: number;
  /** Data pages of each VM. */
  readonly pages?: number;
  readonly numbers?: readonly number[];
  readonly policy?: Partial<HypervisorPolicy>;
  readonly vectors?: Partial<Vectors>;
  readonly seed?: number;
}

/** Runs on lockstep; each VM has data pages whose every first word is the VM's index + 1. */
export function runGuests({
  platform,
  programs,
  vms = 1,
  vcpus = 1,
  pages = 1,
  numbers,
  policy = {},
  vectors = {},
  seed = 1,
}: GuestRun): { result: RunResult; machine: Machine; layout: HypervisorLayout } {
  let made: { machine: Machine; layout: HypervisorLayout } | undefined;
  const { vmids = 8 } = policy;
  const workload: Workload<{ layout: HypervisorLayout; own: number[] }> = {
    setup(machine) {
      const laid = layHypervisor(machine, { vmids, ...(numbers && { numbers }) }, (boot, lock) => {
        const own: number[] = [];
        const made = Array.from({ length: vms }, (_, index) => {
          const vm = new BootVm(boot, lock(`VM ${index}`), index, {
            name: `VM ${index}`,
            vcpus,
            pages: 10 + pages,
          });
          const root = vm.stage1Root();
          const ipa = vm.pages(pages);
          own.push(ipa);
          for (let page = 0; page < pages; page++) {
            const at = ipa + page * PAGE_BYTES;
            vm.mapStage1(root, GUEST_VA + page * PAGE_BYTES, at, USED | PTE.WRITE);
            machine.poke(vm.paOf(at), index + 1);
          }
          for (let vcpu = 0; vcpu < vcpus; vcpu++) vm.registers(vcpu, root, 1);
          return vm.finish();
        });
        return { vms: made, own };
      });
      made = { machine, layout: laid.layout };
      return laid;
    },
    start({ machine, cpu, checker, layout: { layout, own } }) {
      const host = new Hypervisor(machine, layout, checker, { vmids, ...policy });
      const program = programs[cpu.index](cpu, { machine, host, layout, checker, dataIpa: own });
      return { program, vectors: host.vectors(vectors) };
    },
  };
  const source = { module: import.meta.url, parameters: {} };
  const limits = { quantumCycles: 10_000, maxSteps: 1_000_000, maxSeconds: 60 };
  const job = { platform, cpus: programs.length, source, seed, checked: true, ...limits };
  const result = runLockstep(job, workload, new RandomWalk(seed));
  if (!made) throw new Error('the run was not set up');
  return { result, ...made };
}

/** What became of a run, for a comparison with 'clean'. */
export function endOf({ outcome, error, findings }: RunResult): string {
  if (error !== undefined) return error;
  return outcome === 'finished' ? 'clean' : `${outcome} ${findings[0]?.kind ?? ''}`;
}
