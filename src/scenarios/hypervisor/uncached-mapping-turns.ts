/** Who does what to a page that a guest maps uncached, and in which order. */
import type { GuestMemory } from '../../hypervisor/guest-memory/guest-memory.ts';
import { maintainRange } from '../../hypervisor/guest-memory/page-maintenance.ts';
import type { Vcpu } from '../../hypervisor/vcpu.ts';
import { ATTRIBUTE_DEVICE, ATTRIBUTE_NORMAL, ATTRIBUTE_UNCACHED } from '../../machine/attributes.ts';
import { CLEAN, FLUSH, INVALIDATE, type LineOperation } from '../../machine/cache-maintenance.ts';
import { type Cpu, noSteps, type Steps } from '../../machine/cpu.ts';
import { isSnooped, speculates } from '../flush/dma-facts.ts';
import { readWord, writeWord } from '../flush/dma-transfers.ts';
import { bringIn, evict } from '../flush/own-time.ts';
import type { Turn } from '../flush/turns.ts';
import type { MappingVariant, Subject } from './uncached-mapping-variant.ts';

/** CPUs: the emulator, in whose process the guest's memory is; the one that the vCPU runs on. A device comes last. */
const [EMULATOR, VCPU_CPU] = [0, 1];

/** The page by all of its names: addresses of its first byte. */
export interface SharedPage {
  readonly ipa: number;
  readonly pa: number;
  /** Virtual addresses of the guest's, with and without caching. */
  readonly cachedVa: number;
  readonly uncachedVa: number;
  /** What the device calls it. */
  readonly ioAddress: number;
}

export class MappingTurns {
  private readonly cpu: Cpu;
  private readonly vcpu: Vcpu;
  private readonly memory: GuestMemory;
  private readonly page: SharedPage;
  private readonly variant: MappingVariant;
  private readonly lines: number;
  private isOn = false;

  constructor(
    cpu: Cpu,
    vcpu: Vcpu,
    memory: GuestMemory,
    page: SharedPage,
    { variant, lines }: { readonly variant: MappingVariant; readonly lines: number },
  ) {
    this.cpu = cpu;
    this.vcpu = vcpu;
    this.memory = memory;
    this.page = page;
    this.variant = variant;
    this.lines = lines;
  }

  /** The turns of the variant's subject. */
  all(): Turn[] {
    const turns: Record<Subject, () => Turn[]> = {
      alone: () => this.alone(),
      'swapped-out': () => this.swappedOut(),
      streaming: () => this.streaming(),
      'frame-buffer': () => this.frameBuffer(),
      'assigned-device': () => this.assignedDevice(),
    };
    return [this.host(() => this.storeFromHost(0)), ...turns[this.variant.subject]()];
  }

  private alone(): Turn[] {
    const { uncachedVa } = this.page;
    return [
      this.guest(() => this.store(uncachedVa, 0x100)),
      this.host(() => this.speculate()),
      this.guest(() => this.store(uncachedVa, 0x200)),
      this.host(() => this.evictAll()),
      this.guest(() => this.load(uncachedVa)),
    ];
  }

  private swappedOut(): Turn[] {
    const { uncachedVa, ipa } = this.page;
    return [
      this.guest(() => this.store(uncachedVa, 0x100)),
      this.host(() => this.speculate()),
      this.guest(() => this.store(uncachedVa, 0x200)),
      this.host(() => this.memory.unmap(this.cpu, ipa)),
      this.host(() => this.loadFromHost()),
    ];
  }

  private streaming(): Turn[] {
    const { uncachedVa, cachedVa } = this.page;
    const { cleansBefore, invalidatesAfter } = this.variant;
    return [
      this.guest(() => this.storeLoaded(cachedVa, 0x100)),
      this.guest(() => (cleansBefore === true ? this.maintain(cachedVa, FLUSH) : noSteps())),
      this.guest(() => this.load(uncachedVa)),
      this.host(() => this.speculate()),
      this.guest(() => this.store(uncachedVa, 0x200)),
      this.guest(() => (invalidatesAfter === true ? this.maintain(cachedVa, INVALIDATE) : noSteps())),
      this.guest(() => this.load(cachedVa)),
    ];
  }

  private frameBuffer(): Turn[] {
    const { uncachedVa, cachedVa, ipa } = this.page;
    const { isToldCoherent, beforeMmu } = this.variant;
    const mapped = isToldCoherent === true ? cachedVa : uncachedVa;
    const drawn = (value: number) =>
      beforeMmu === true
        ? this.guestOff(() => this.store(ipa, value))
        : this.guest(() => this.store(mapped, value));
    return [
      drawn(0x100),
      this.host(() => this.emulatorLooks()),
      drawn(0x200),
      this.host(() => this.emulatorLooks()),
      this.host(() => this.emulatorDraws(0x300)),
      this.guest(() => this.load(mapped)),
    ];
  }

  private assignedDevice(): Turn[] {
    const { uncachedVa, cachedVa, ioAddress } = this.page;
    // A device that looks into caches is described as coherent.
    const mapped = isSnooped(this.cpu.machine.platform) ? cachedVa : uncachedVa;
    return [
      this.guest(() => this.store(mapped, 0x100)),
      this.device((offset) => readWord(this.cpu, ioAddress + offset)),
      this.host(() => this.speculate()),
      this.device((offset) => writeWord(this.cpu, ioAddress + offset, 0x200)),
      this.guest(() => this.load(mapped)),
    ];
  }

  private host(act: () => Steps): Turn {
    return { who: EMULATOR, act };
  }

  /** The guest, with its MMU and caches on from its first such turn on. */
  private guest(act: () => Steps): Turn {
    return {
      who: VCPU_CPU,
      act: () => this.vcpu.runOn(this.cpu, () => this.onceOn(act)),
    };
  }

  private guestOff(act: () => Steps): Turn {
    return { who: VCPU_CPU, act: () => this.vcpu.runOn(this.cpu, act) };
  }

  private device(act: (offset: number) => Steps<unknown>): Turn {
    const turn = this;
    return {
      who: turn.cpu.machine.state.processors.length,
      *act() {
        for (const offset of turn.offsets()) yield* act(offset);
      },
    };
  }

  private *onceOn(act: () => Steps): Steps {
    const { cpu } = this;
    if (!this.isOn) {
      this.isOn = true;
      if (cpu.machine.platform.virtualization?.guestCaching !== 'none') {
        yield* cpu.guestMemoryTypes([ATTRIBUTE_NORMAL, ATTRIBUTE_UNCACHED, ATTRIBUTE_DEVICE]);
      }
      yield* cpu.guestControl({ mmuOn: true, cachesOn: true });
      yield* cpu.isb();
    }
    yield* act();
  }

  private *emulatorLooks(): Steps {
    const { emulator } = this.variant;
    if (emulator === 'both' || emulator === 'flush-before-read') yield* this.maintainFromHost(FLUSH);
    yield* this.loadFromHost();
  }

  private *emulatorDraws(value: number): Steps {
    yield* this.storeFromHost(value);
    const { emulator } = this.variant;
    if (emulator === 'both' || emulator === 'clean-after-write') yield* this.maintainFromHost(CLEAN);
  }

  private maintainFromHost(operation: LineOperation): Steps {
    const { cpu, page, lines } = this;
    return maintainRange(cpu, page.pa, lines * cpu.machine.platform.lineBytes, operation);
  }

  private *storeFromHost(value: number): Steps {
    const { cpu, page } = this;
    for (const offset of this.offsets()) {
      // Some caches allocate a line for a load only.
      yield* cpu.loadPhysical(page.pa + offset);
      yield* cpu.storePhysical(page.pa + offset, value);
    }
  }

  private *loadFromHost(): Steps {
    for (const offset of this.offsets()) yield* this.cpu.loadPhysical(this.page.pa + offset);
  }

  /** What the hardware may do at any time through the host's mapping. */
  private *speculate(): Steps {
    const { cpu, page } = this;
    if (!speculates(cpu.machine.platform)) return;
    for (const offset of this.offsets()) yield* bringIn(cpu, page.pa + offset);
  }

  private *evictAll(): Steps {
    for (const offset of this.offsets()) yield* evict(this.cpu, this.page.pa + offset);
  }

  private *store(va: number, value: number): Steps {
    for (const offset of this.offsets()) yield* this.cpu.store(va + offset, value + offset);
  }

  private *storeLoaded(va: number, value: number): Steps {
    for (const offset of this.offsets()) {
      yield* this.cpu.load(va + offset);
      yield* this.cpu.store(va + offset, value + offset);
    }
  }

  private *load(va: number): Steps {
    for (const offset of this.offsets()) yield* this.cpu.load(va + offset);
  }

  private *maintain(va: number, operation: LineOperation): Steps {
    for (const offset of this.offsets()) yield* this.cpu.maintainVirtual(va + offset, operation, 'coherency');
    yield* this.cpu.dsb();
  }

  private offsets(): number[] {
    const { lineBytes } = this.cpu.machine.platform;
    return Array.from({ length: this.lines }, (_, i) => i * lineBytes);
  }
}
