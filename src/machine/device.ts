/**
 * A bus master: the last `devices` of a machine's CPUs transfer memory by themselves and have no caches. To hosts
 * and schedules a device is a CPU with a program, so its transfers come between everything else. Registers that
 * drivers and devices share are words that both read and write past the caches.
 */
import { frameAddress, PTE } from './attributes.ts';
import type { Cpu, WaitOptions } from './cpu.ts';
import { NO_MEMORY, setTable } from './device-port.ts';
import { EVENT } from './events.ts';
import type { Machine } from './machine.ts';
import { PAGE_SHIFT } from './platform.ts';
import { CTL } from './registers.ts';
import { STEP, type Steps } from './steps.ts';
import { type FaultKind, FORBIDDEN } from './translation.ts';
import { levelShapes, type WalkResult } from './walk-steps.ts';

/** Thrown into a device's program: its address translates to nothing, or not for this. */
export class DeviceFault extends Error {
  readonly ioAddress: number;
  readonly write: boolean;
  readonly kind: FaultKind;

  constructor(device: number, ioAddress: number, write: boolean, kind: FaultKind) {
    super(`device ${device}: ${kind} fault on a ${write ? 'write' : 'read'} at 0x${ioAddress.toString(16)}`);
    this.name = 'DeviceFault';
    this.ioAddress = ioAddress;
    this.write = write;
    this.kind = kind;
  }
}

export class Device {
  /** What a device has in common with processors: time, waits, IPIs. Its accesses go past the caches. */
  readonly cpu: Cpu;
  /** From 0: what reports call it. */
  readonly number: number;
  private readonly machine: Machine;

  /** @throws Error if the CPU is not one of the machine's devices */
  constructor(cpu: Cpu) {
    const { processors } = cpu.machine.state;
    this.number = cpu.index - processors.length;
    if (this.number < 0) throw new Error(`CPU ${cpu.index} is no device: give the machine 'devices'`);
    this.cpu = cpu;
    this.machine = cpu.machine;
  }

  /**
   * Reads memory: one step, and those of a walk.
   * @param ioAddress a physical address, or one that the device's table translates; a multiple of `sizeBytes`
   * @param sizeBytes 1, 2 or 4
   * @throws DeviceFault
   */
  *read(ioAddress: number, sizeBytes = 4): Steps<number> {
    const { machine, cpu } = this;
    this.begin();
    for (;;) {
      yield STEP;
      const got = machine.devices.readStep(cpu.hw, ioAddress, sizeBytes);
      if (got >= 0) return got;
      yield* this.resolve(ioAddress, got, false);
    }
  }

  /** Writes memory; arguments as `read`. It is visible to whoever snoops, or reads memory, when it returns. */
  *write(ioAddress: number, value: number, sizeBytes = 4): Steps {
    const { machine, cpu } = this;
    this.begin();
    for (;;) {
      yield STEP;
      const done = machine.devices.writeStep(cpu.hw, ioAddress, value, sizeBytes);
      if (done >= 0) return;
      yield* this.resolve(ioAddress, done, true);
    }
  }

  /** Interrupts a processor. */
  interrupt(processor: number, vector: number): Steps {
    return this.cpu.sendIpi(processor, vector);
  }

  /** Waits until a register, a word that the driver writes past the caches, satisfies `until`. */
  waitFor(pa: number, until: (value: number) => boolean, options: WaitOptions): Steps<number> {
    return this.cpu.waitUntil(pa, until, { ...options, uncached: true });
  }

  /** What the kernel has promised until now holds for this transfer. */
  private begin(): void {
    const { state } = this.machine;
    state.events?.push(EVENT.BEGIN, this.cpu.index, 0, 0, 0);
    this.cpu.hw.ctl[CTL.ACCESS_EPOCH] = state.epoch;
  }

  private *resolve(ioAddress: number, code: number, write: boolean): Steps {
    const kind = yield* this.reason(ioAddress, code);
    if (kind) throw new DeviceFault(this.number, ioAddress, write, kind);
  }

  /** Why a transfer faults; undefined if it is to be tried again. */
  private *reason(ioAddress: number, code: number): Steps<FaultKind | undefined> {
    if (code === NO_MEMORY) return 'bus';
    if (code === FORBIDDEN) return 'permission';
    return this.cpu.hw.ctl[CTL.MMU_ON] === 0 ? 'translation' : yield* this.walk(ioAddress);
  }

  /** As a processor's walk, but from memory, and without accessed and dirty bits. */
  private *walk(ioAddress: number): Steps<FaultKind | undefined> {
    const { machine } = this;
    const { translation } = machine;
    const { hw } = this.cpu;
    if (hw.ctl[CTL.STAGE2_ROOT] !== 0) return yield* this.walkStage2(ioAddress);
    for (;;) {
      yield STEP;
      let { level, table } = translation.beginWalkStep(hw, ioAddress);
      let found: WalkResult;
      for (;;) {
        yield STEP;
        const ptePa = translation.entryAddress(table, level, ioAddress);
        found = machine.devices.readEntryStep(hw, ioAddress, ptePa);
        const isTable = (found.pte & PTE.TABLE) !== 0 && level < translation.depth;
        if ((found.pte & PTE.VALID) === 0 || !isTable) break;
        table = frameAddress(found.pte);
        level++;
        translation.noteTable(hw, ioAddress, level, table);
      }
      if (translation.isCancelled(hw)) continue;
      const isValid = (found.pte & PTE.VALID) !== 0;
      if (!isValid || !translation.frameExists(found.pte, translation.sizeOf(level))) {
        translation.endWalk(hw);
        return isValid ? 'bus' : 'translation';
      }
      yield STEP;
      if (translation.fillStep(hw, ioAddress, level, found, false)) return undefined;
    }
  }

  /** As `walk`, through a table of a guest's stage 2: its levels are its own, and nothing of them is remembered. */
  private *walkStage2(ipa: number): Steps<FaultKind | undefined> {
    const { machine } = this;
    const { translation, platform } = machine;
    const { hw } = this.cpu;
    const levels = levelShapes(platform.virtualization?.stage2Levels ?? []);
    for (;;) {
      yield STEP;
      translation.beginWalkStep(hw, ipa);
      let table = hw.ctl[CTL.STAGE2_ROOT] >>> 0;
      let level = 0;
      let found: WalkResult;
      for (;;) {
        yield STEP;
        const { shift, mask } = levels[level];
        const index = ((ipa >>> PAGE_SHIFT) >>> shift) & mask;
        found = machine.devices.readEntryStep(hw, ipa, table + index * platform.mmu.entryBytes);
        const isTable = (found.pte & PTE.TABLE) !== 0 && level < levels.length - 1;
        if ((found.pte & PTE.VALID) === 0 || !isTable) break;
        table = frameAddress(found.pte);
        level++;
      }
      if (translation.isCancelled(hw)) continue;
      const isValid = (found.pte & PTE.VALID) !== 0;
      if (!isValid || !translation.frameExists(found.pte, levels[level].shift)) {
        translation.endWalk(hw);
        return isValid ? 'bus' : 'translation';
      }
      yield STEP;
      if (translation.fillGuestStep(hw, ipa, levels[level].shift, found, false, null)) return undefined;
    }
  }
}

/**
 * Gives a device the table of a guest's stage 2 before anything runs: the guest drives the device by its own
 * addresses (as Xen on Arm does, iommu_use_hap_pt). @param device its number, from 0
 * @throws Error on a platform whose devices have no IOMMU, or that has no stage 2
 */
export function bootSharedTable(machine: Machine, device: number, stage2Root: number): void {
  const { name, dma, virtualization } = machine.platform;
  if (!dma.iommu) throw new Error(`${name}: devices have no IOMMU; use a platform with 'dma.iommu'`);
  if (!virtualization) throw new Error(`${name}: no stage 2; use a platform with 'virtualization'`);
  setTable(machine.state.devices[device], stage2Root, true);
}

/** Gives a device its table before anything runs. @param device its number, from 0 */
export function bootTable(machine: Machine, device: number, rootPa: number): void {
  setTable(machine.state.devices[device], rootPa);
}
