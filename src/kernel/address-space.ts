/**
 * Address spaces: a root table, an ASID, the CPUs that have run it, and what is mapped where. The
 * struct lives in simulated memory; what never changes is kept in the handle.
 */
import type { Cpu, Steps } from '../machine/cpu.ts';
import type { BootMemory } from './boot-memory.ts';
import type { SpinLock } from './spin-lock.ts';

export interface AddressSpace {
  readonly name: string;
  readonly root: number;
  readonly asid: number;
  readonly lock: SpinLock;
  /** Line with the mask of CPUs that have run it (two words). */
  readonly cpuMaskPa: number;
  /** Table of mapped areas: MAX_AREAS times start page, end page (exclusive; 0: unused), permissions. */
  readonly areasPa: number;
}

const MAX_AREAS = 8;

/** An area's permissions: PTE bits. */
export interface Area {
  readonly slot: number;
  readonly startPage: number;
  readonly endPage: number;
  readonly permissions: number;
}

export function laySpace(boot: BootMemory, name: string, asid: number, lock: SpinLock): AddressSpace {
  return {
    name,
    root: boot.pages(rootPages(boot)),
    asid,
    lock,
    cpuMaskPa: boot.line(),
    areasPa: boot.bytes(MAX_AREAS * 12, boot.machine.platform.lineBytes),
  };
}

/** A root table may be larger than a page (ARMv6: 16 KB). */
function rootPages(boot: BootMemory): number {
  const { levels, entryBytes } = boot.machine.platform.mmu;
  return Math.max(1, ((1 << levels[0].bits) * entryBytes) >> 12);
}

/** The area that holds a page, or undefined. The space's lock is held. */
export function* findArea(
  cpu: Cpu,
  space: AddressSpace,
  page: number,
  uncached: boolean,
): Steps<Area | undefined> {
  for (let slot = 0; slot < MAX_AREAS; slot++) {
    const at = space.areasPa + slot * 12;
    const endPage = yield* cpu.loadPhysical(at + 4, 4, uncached);
    if (endPage <= page) continue;
    const startPage = yield* cpu.loadPhysical(at, 4, uncached);
    if (startPage > page) continue;
    return { slot, startPage, endPage, permissions: yield* cpu.loadPhysical(at + 8, 4, uncached) };
  }
  return undefined;
}

/** Everything that is mapped. The space's lock is held. */
export function* allAreas(cpu: Cpu, space: AddressSpace, uncached: boolean): Steps<Area[]> {
  const areas: Area[] = [];
  for (let slot = 0; slot < MAX_AREAS; slot++) {
    const at = space.areasPa + slot * 12;
    const endPage = yield* cpu.loadPhysical(at + 4, 4, uncached);
    if (endPage === 0) continue;
    const startPage = yield* cpu.loadPhysical(at, 4, uncached);
    areas.push({ slot, startPage, endPage, permissions: yield* cpu.loadPhysical(at + 8, 4, uncached) });
  }
  return areas;
}

/** Writes an area; an `endPage` of 0 removes it. The space's lock is held. */
export function* writeArea(cpu: Cpu, space: AddressSpace, area: Area, uncached: boolean): Steps {
  const at = space.areasPa + area.slot * 12;
  yield* cpu.storePhysical(at, area.startPage, 4, uncached);
  yield* cpu.storePhysical(at + 8, area.permissions, 4, uncached);
  yield* cpu.storePhysical(at + 4, area.endPage, 4, uncached);
}

/** A slot for a new area. @throws Error when all are taken */
export function* freeAreaSlot(cpu: Cpu, space: AddressSpace, uncached: boolean): Steps<number> {
  for (let slot = 0; slot < MAX_AREAS; slot++) {
    if ((yield* cpu.loadPhysical(space.areasPa + slot * 12 + 4, 4, uncached)) === 0) return slot;
  }
  throw new Error(`${space.name}: more than ${MAX_AREAS} mapped areas`);
}

/** CPUs that have run the space. */
export function* ranOn(cpu: Cpu, space: AddressSpace, uncached: boolean): Steps<number[]> {
  const cpus: number[] = [];
  for (let word = 0; word * 32 < cpu.machine.options.cpus; word++) {
    const mask = yield* cpu.loadPhysical(space.cpuMaskPa + word * 4, 4, uncached);
    for (let bit = 0; bit < 32; bit++) if ((mask >>> bit) & 1) cpus.push(word * 32 + bit);
  }
  return cpus;
}

/** CPUs other than this one that have run the space. */
export function* ranElsewhere(cpu: Cpu, space: AddressSpace, uncached: boolean): Steps<number[]> {
  return (yield* ranOn(cpu, space, uncached)).filter((index) => index !== cpu.index);
}
