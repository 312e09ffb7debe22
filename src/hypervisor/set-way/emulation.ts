/**
 * What a hypervisor makes of a guest's operations by set and way, which trap (HCR_EL2.TSW). They cannot be carried out:
 * they name lines of the caches of one CPU, and the guest's CPU is virtual; lines go where they are used; system caches
 * do not heed them (Linux arch/arm64/kvm/mmu.c and Xen xen/arch/arm/p2m.c say so above kvm_set_way_flush and
 * p2m_set_way_flush; Arm DDI 0406C.c, B1.14.4). A guest may use them for nothing but emptying whole caches, so each
 * emulation that is right cleans and invalidates the guest's memory by address. They differ in when, and how much of it.
 *
 * An emulation has no state of its own: each host CPU has a copy, what they share is in the vCPU's line (VCPU) and in
 * the stage-2 table.
 */
import type { Cpu, Steps, Vectors } from '../../machine/cpu.ts';
import type { GuestRegisters, Stage2Fault, Trap } from '../../machine/faults.ts';
import type { HypervisorHost, HypervisorPolicy, LoadedVcpu } from '../host.ts';
import type { Vm } from '../vm.ts';
import { VCPU } from '../vm-layout.ts';

type SetWayTrap = Extract<Trap, { kind: 'set-way' }>;
type ControlTrap = Extract<Trap, { kind: 'control' }>;

/** A vCPU whose guest has done something, on the host CPU that has loaded it. */
export interface Held {
  readonly host: HypervisorHost;
  readonly vm: Vm;
  readonly vcpu: LoadedVcpu;
}

export interface SetWayEmulation {
  /** What the hypervisor does besides. */
  readonly policy: Partial<HypervisorPolicy>;
  setWay(cpu: Cpu, held: Held, trap: SetWayTrap): Steps;
  control?(cpu: Cpu, held: Held, trap: ControlTrap): Steps;
  /** @returns true if the access can be tried again */
  fault?(cpu: Cpu, held: Held, fault: Stage2Fault): Steps<boolean>;
}

/** Entry points of a hypervisor with this emulation, for `Hypervisor.vectors`. */
export function emulationVectors(host: HypervisorHost, emulation: SetWayEmulation): Partial<Vectors> {
  const { fault } = emulation;
  return {
    trap: (cpu, trap) => trapped(cpu as Cpu, heldBy(host), emulation, trap),
    ...(fault && {
      stage2Fault: (cpu: unknown, what: Stage2Fault) => fault.call(emulation, cpu as Cpu, heldBy(host), what),
    }),
  };
}

function heldBy(host: HypervisorHost): Held {
  const vcpu = host.loaded;
  if (vcpu === null) throw new Error('a guest has trapped, and no vCPU is loaded');
  return { host, vcpu, vm: host.vms[vcpu.vm.index] };
}

function* trapped(
  cpu: Cpu,
  held: Held,
  emulation: SetWayEmulation,
  trap: Trap,
  // biome-ignore lint/suspicious/noConfusingVoidType: as AccessVectors has it
): Steps<void | GuestRegisters> {
  if (trap.kind === 'set-way') yield* emulation.setWay(cpu, held, trap);
  else if (emulation.control) yield* emulation.control(cpu, held, trap);
}

/** SCTLR.M and SCTLR.C are both on (vcpu_has_cache_enabled). */
export const cachesEnabled = ({ mmuOn, cachesOn }: GuestRegisters): boolean => mmuOn && cachesOn;

/** Has the guest's next write of its registers to trap (TVM)? */
export function* trapsControl(cpu: Cpu, { host, vcpu }: Held): Steps<boolean> {
  return (yield* cpu.loadPhysical(vcpu.layout.pa + VCPU.TRAPS, 4, host.kernel.uncached)) !== 0;
}

/** Sets or clears TVM of this vCPU, for now and for wherever it goes on. */
export function* setTrapsControl(cpu: Cpu, { host, vcpu }: Held, on: boolean): Steps {
  yield* cpu.storePhysical(vcpu.layout.pa + VCPU.TRAPS, on ? 1 : 0, 4, host.kernel.uncached);
  // An interrupt may have taken the guest off this CPU; it is entered anew with what the word says.
  const entry = cpu.guestEntry;
  if (entry !== null) cpu.changeGuest({ traps: { ...entry.traps, control: on } });
}
