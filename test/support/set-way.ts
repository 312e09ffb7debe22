/** A guest of one vCPU with an emulation of set/way, on hosts whose caches write nothing back by themselves. */
import type { RunResult } from '../../src/hosts/job.ts';
import { emulationVectors, type Held, type SetWayEmulation } from '../../src/hypervisor/set-way/emulation.ts';
import { Vcpu } from '../../src/hypervisor/vcpu.ts';
import { VCPU } from '../../src/hypervisor/vm-layout.ts';
import type { Cpu, Steps, Vectors } from '../../src/machine/cpu.ts';
import { PAGE_BYTES, type Platform } from '../../src/machine/platform.ts';
import { platforms } from '../../src/platforms/index.ts';
import { GUEST_VA, type GuestRoom, runGuests } from './hypervisor.ts';
import { changed } from './machine.ts';

/** A platform that leaves what is dirty where it is. */
export function still(name: string): Platform {
  return changed(platforms[name], (p) => {
    p.agents = [];
  });
}

export interface GuestAt extends Held {
  readonly cpu: Cpu;
  readonly room: GuestRoom;
  /** Runs a program of the guest on this CPU. */
  guest(program: () => Steps): Steps;
  /** Waits until the vCPU has run on another CPU, and has left it. */
  after(cpu: number): Steps<unknown>;
  /** Stores into the first word of each of the guest's data pages. */
  dirty(value: number): Steps;
  /** What is in memory behind the first word of each. */
  inMemory(): number[];
}

export interface EmulatedRun {
  readonly emulation: SetWayEmulation;
  readonly programs: readonly ((at: GuestAt) => Steps)[];
  readonly pages?: number;
  readonly platform?: Platform;
}

/** @returns what the run came to @throws Error as the programs do */
export function runEmulated({ emulation, programs, pages = 3, platform }: EmulatedRun): RunResult {
  const rooms: GuestRoom[] = [];
  const hostOf = (cpu: unknown) => rooms[(cpu as Cpu).index].host;
  const vectors: Partial<Vectors> = {
    trap: (cpu, what) => emulationVectors(hostOf(cpu), emulation).trap!(cpu, what),
    ...(emulation.fault && {
      stage2Fault: (cpu, fault) => emulationVectors(hostOf(cpu), emulation).stage2Fault!(cpu, fault),
    }),
  };
  const { result } = runGuests({
    ...{ platform: platform ?? still('cortex-a53'), pages, numbers: [1], policy: emulation.policy, vectors },
    programs: programs.map((program) => (cpu, room) => {
      rooms[cpu.index] = room;
      return program(guestAt(cpu, room, pages));
    }),
  });
  if (result.error !== undefined) throw new Error(result.error);
  return result;
}

function guestAt(cpu: Cpu, room: GuestRoom, pages: number): GuestAt {
  const { host, machine, dataIpa } = room;
  const vm = host.vms[0];
  const vcpu = new Vcpu(host, vm.layout, 0);
  const [{ ipa, frames }] = vm.layout.slots;
  const first = (dataIpa[0] - ipa) / PAGE_BYTES;
  return {
    ...{ cpu, room, host, vm, vcpu },
    after: (other) =>
      cpu.waitUntil(vcpu.layout.pa + VCPU.LAST_CPU, (now) => now === other + 1, { why: 'the vCPU' }),
    guest: (program) => vcpu.runOn(cpu, program),
    dirty: (value) =>
      vcpu.runOn(cpu, function* () {
        for (let page = 0; page < pages; page++) yield* cpu.store(GUEST_VA + page * PAGE_BYTES, value);
        yield* cpu.dsb();
      }),
    inMemory: () => frames.slice(first, first + pages).map((frame) => machine.peek(frame)),
  };
}
