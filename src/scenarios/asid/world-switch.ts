/**
 * A host with two processes and a guest that uses the whole address space: whose translations are found by whom,
 * for each way of running the host's kernel. Every access must end in the frame of whoever makes it.
 */
import { ASID_RULE } from '../../checker/asid-rules.ts';
import type { Checker } from '../../checker/checker.ts';
import type { AddressSpace } from '../../kernel/address-space.ts';
import { layReservedRoot } from '../../kernel/asid/tagged-space.ts';
import { hasGlobalKernel, WorldSwitch, type Worlds } from '../../kernel/asid/world-switch.ts';
import type { BootMemory } from '../../kernel/boot-memory.ts';
import { type BootPage, bootEntryOf, bootInto, bootMap } from '../../kernel/boot-process.ts';
import { withoutPaging } from '../../kernel/boot-user.ts';
import { type Kernel, type KernelLayout, layKernel, properKernel, READ_WRITE } from '../../kernel/kernel.ts';
import { layTables } from '../../kernel/page-table.ts';
import { PTE } from '../../machine/attributes.ts';
import type { Cpu, Fault, Steps } from '../../machine/cpu.ts';
import type { Machine } from '../../machine/machine.ts';
import { KERNEL_BASE, PAGE_BYTES } from '../../machine/platform.ts';
import { COUNT, CTL } from '../../machine/registers.ts';
import { defineScenario } from '../define.ts';
import { choiceOf, variants } from './world-switch-variants.ts';

/** Figures that the program leaves in its notes: of the rounds after the first ones, which warm up. */
export const WORLD_NOTE = { ROUNDS: 0, CYCLES: 1, WALKS: 2 } as const;
/** World switches of a round: to the guest and back. */
export const SWITCHES_A_ROUND = 2;

const USER = 0x4000_0000;
/** Page that is mapped when it is used first, by the kernel; at the same address in every process. */
const LATE = USER + 0x0011_f000;
const KERNEL = KERNEL_BASE + 0x0100_0000;
const PROCESSES = 2;
const GUEST = PROCESSES;
const HOST_KERNEL = PROCESSES + 1;

interface Layout {
  readonly kernel: KernelLayout;
  readonly worlds: Worlds;
  /** By process, its late page. */
  readonly late: readonly BootPage[];
  /** By user, the pages that it uses: processes, guest, host's kernel. */
  readonly used: readonly (readonly number[])[];
}

export default defineScenario<Layout>({
  name: 'world-switch',
  title: 'A host and a guest that uses the whole address space take turns',
  source: '"Using non-Global mappings for kernel address space", linux-arm-kernel, November 2010',
  module: import.meta.url,
  variants,
  parameters: {
    pages: { title: 'pages each that process, kernel and guest use', default: 2, min: 0, max: 128 },
    rounds: { title: 'times to the guest and back', default: 4, min: 1, max: 10_000 },
    work: { title: 'cycles of other work between two switches', default: 0, min: 0, max: 10_000_000 },
  },
  cpus: 1,
  platform: 'cortex-a9',
  small: { parameters: { pages: 1, rounds: 2 } },

  setup(machine, settings) {
    const { design, overlaps } = choiceOf(settings.variant);
    const pages = Number(settings.pages);
    const names = [...Array.from({ length: PROCESSES }, (_, i) => `process ${i}`), 'guest'];
    const { kernel, prepared } = layKernel(machine, names, (boot, spaces) => {
      const used = placesOf(pages, overlaps);
      const processes = spaces.slice(0, PROCESSES);
      const late = processes.map((space, i) => bootProcess(boot, space, i, used[i]));
      bootKernelPages(boot, processes, used[HOST_KERNEL], hasGlobalKernel(design));
      bootPages(boot, spaces[GUEST], GUEST, used[GUEST]);
      return { late, used, reservedRoot: layReservedRoot(boot) };
    });
    const { reservedRoot, ...rest } = prepared;
    const worlds = { guest: kernel.spaces[GUEST], kernelAsid: names.length + 1, reservedRoot };
    for (const { index, ctl } of machine.state.processors) {
      bootInto(machine, index, kernel.spaces[0]);
      if (design.startsWith('kernel-asid')) ctl[CTL.ASID] = worlds.kernelAsid;
    }
    return { kernel, worlds, ...rest };
  },

  start({ machine, checker, cpu, layout }, settings) {
    const { design, flaw } = choiceOf(settings.variant);
    const kernel = properKernel(machine, layout.kernel, checker);
    const world = new WorldSwitch(kernel, design, layout.worlds, flaw);
    const host = new Host(kernel, world, layout, checker, Number(settings.work));
    const program = host.run(cpu, Number(settings.rounds));
    return {
      program,
      vectors: { ...withoutPaging(kernel), fault: (by, what) => host.fault(by as Cpu, what) },
    };
  },

  speculation: ({ used }) => [LATE, ...used[HOST_KERNEL].slice(0, 1)],
});

/** Address within a page that is used: not the same line of each, or they would all fall into one set. */
function wordOf(machine: Machine, va: number): number {
  return va + ((((va / PAGE_BYTES) & 0xfff) * 5 * machine.platform.lineBytes) % PAGE_BYTES);
}

function fill(machine: Machine, frame: number, owner: number): void {
  for (let at = frame; at < frame + PAGE_BYTES; at += 4) machine.poke(at, owner + 1);
}

/**
 * Programs that differ use different addresses, and fall into different sets of a TLB; but half of the guest's pages
 * are where the host's kernel has its own, unless the guest keeps out of there.
 */
function placesOf(pages: number, overlaps: boolean): number[][] {
  const high = overlaps ? (pages + 1) >>> 1 : 0;
  const at = (va: number, slot: number) => va + slot * pages * PAGE_BYTES;
  const guest = [...pagesFrom(at(KERNEL, 3), high), ...pagesFrom(at(USER, 2), pages - high)];
  const processes = Array.from({ length: PROCESSES }, (_, i) => pagesFrom(at(USER, i), pages));
  return [...processes, guest, pagesFrom(at(KERNEL, 3), pages)];
}

function bootPages(boot: BootMemory, space: AddressSpace, owner: number, vas: readonly number[]): void {
  const { machine } = boot;
  for (const va of vas) {
    layTables(boot, space.root, va, 1);
    const frame = boot.pages(1);
    fill(machine, frame, owner);
    machine.poke(bootEntryOf(machine, space, va), (frame | READ_WRITE) >>> 0);
  }
}

/** @returns the page that is not mapped yet */
function bootProcess(boot: BootMemory, space: AddressSpace, index: number, vas: readonly number[]): BootPage {
  bootPages(boot, space, index, vas);
  const [late] = bootMap(boot, space, LATE, 1, READ_WRITE);
  fill(boot.machine, late.frame, index);
  boot.machine.poke(late.ptePa, 0);
  return late;
}

/** The same frames at the same addresses in every process. */
function bootKernelPages(
  boot: BootMemory,
  spaces: readonly AddressSpace[],
  vas: readonly number[],
  isGlobal: boolean,
): void {
  const { machine } = boot;
  for (const va of vas) {
    const frame = boot.pages(1);
    fill(machine, frame, HOST_KERNEL);
    for (const space of spaces) {
      layTables(boot, space.root, va, 1);
      const entry = (frame | READ_WRITE | (isGlobal ? PTE.GLOBAL : 0)) >>> 0;
      machine.poke(bootEntryOf(machine, space, va), entry);
    }
  }
}

class Host {
  private readonly kernel: Kernel;
  private readonly world: WorldSwitch;
  private readonly layout: Layout;
  private readonly checker: Checker | null;
  private readonly work: number;
  private current = 0;

  constructor(kernel: Kernel, world: WorldSwitch, layout: Layout, checker: Checker | null, work: number) {
    this.kernel = kernel;
    this.world = world;
    this.layout = layout;
    this.checker = checker;
    this.work = work;
  }

  *run(cpu: Cpu, rounds: number): Steps {
    const { notes, counters } = cpu.hw;
    for (let round = 0; round < rounds; round++) {
      const began = cpu.clock;
      const walks = counters[COUNT.walks];
      yield* this.round(cpu, round % PROCESSES);
      if (round < PROCESSES * 2) continue;
      notes[WORLD_NOTE.ROUNDS]++;
      notes[WORLD_NOTE.CYCLES] += cpu.clock - began;
      notes[WORLD_NOTE.WALKS] += counters[COUNT.walks] - walks;
    }
  }

  /** A process runs and calls the kernel, which has the guest run, and looks at the process's memory after it. */
  private *round(cpu: Cpu, index: number): Steps {
    const { world, layout } = this;
    const process = layout.kernel.spaces[index];
    if (index !== this.current) yield* world.runProcess(cpu, process);
    this.current = index;
    yield* world.exitKernel(cpu, process);
    yield* this.use(cpu, index);
    if (this.work > 0) yield* cpu.compute(this.work);
    yield* world.enterKernel(cpu, process);
    yield* this.use(cpu, HOST_KERNEL);
    yield* world.enterGuest(cpu);
    yield* this.use(cpu, GUEST);
    if (this.work > 0) yield* cpu.compute(this.work);
    yield* world.leaveGuest(cpu, process);
    yield* this.use(cpu, HOST_KERNEL);
    yield* this.mapLate(cpu);
    this.judge(cpu, yield* world.loadUser(cpu, process, LATE), index);
  }

  /**
   * Page fault: only the late page of the process that runs can be missing. By the time that it is looked at, another
   * CPU may have brought it in for a thread of the same process: then the access is made again, and that is all.
   */
  fault(cpu: Cpu, { va }: Fault): Steps<boolean> {
    const process = this.layout.kernel.spaces[this.current];
    return this.world.fault(cpu, process, this.repair(cpu, va));
  }

  /** What reaches user memory without a translation of its own cannot fault: the page is brought in first. */
  private *mapLate(cpu: Cpu): Steps {
    if (this.world.faultsOnUser) return;
    yield* this.repair(cpu, LATE);
  }

  private *repair(cpu: Cpu, va: number): Steps<boolean> {
    if (va !== LATE) return false;
    const { tables } = this.kernel;
    const { ptePa, frame } = this.layout.late[this.current];
    if ((yield* tables.read(cpu, ptePa)) !== 0) return true;
    yield* tables.write(cpu, ptePa, (frame | READ_WRITE) >>> 0);
    yield* cpu.dsb();
    return true;
  }

  private *use(cpu: Cpu, owner: number): Steps {
    for (const va of this.layout.used[owner])
      this.judge(cpu, yield* cpu.load(wordOf(cpu.machine, va)), owner);
  }

  private judge(cpu: Cpu, found: number, owner: number): void {
    if (found !== owner + 1) this.checker?.violated(cpu.hw, ASID_RULE.WORLD, found, owner + 1);
  }
}

function pagesFrom(va: number, pages: number): number[] {
  return Array.from({ length: pages }, (_, i) => va + i * PAGE_BYTES);
}
