/**
 * Table base and ASID are two registers, and between the two writes a speculative walk puts entries of one address
 * space under the number of the other. It needs no second CPU: whoever walks is the CPU that switches. Two ways out,
 * which are no equals: a reserved ASID keeps what is walked meanwhile, upper levels included, until it is flushed;
 * a reserved table base has nothing that could be kept.
 *
 * Catalin Marinas and Christoffer Dall in "Using non-Global mappings for kernel address space", linux-arm-kernel,
 * November 2010. Cortex-A15 technical reference manual, ARM DDI 0438, 5.6, and in more words Cortex-A72, ARM 100095,
 * "Intermediate table walk caches": with a reserved ASID mappings must have the same size in both tables, and memory
 * of tables must not be freed without a TLB invalidate.
 */
import { ASID_RULE } from '../../checker/asid-rules.ts';
import type { Checker } from '../../checker/checker.ts';
import type { AddressSpace } from '../../kernel/address-space.ts';
import { RESERVED_ASID, type RegisterOrder, writeContext } from '../../kernel/asid/context-registers.ts';
import { layReservedRoot } from '../../kernel/asid/tagged-space.ts';
import type { BootMemory } from '../../kernel/boot-memory.ts';
import { type BootPage, bootInto, bootMap } from '../../kernel/boot-process.ts';
import { speculativeLoad, withoutPaging } from '../../kernel/boot-user.ts';
import {
  type Kernel,
  type KernelLayout,
  layKernel,
  properKernel,
  READ_WRITE,
  USED,
} from '../../kernel/kernel.ts';
import type { Mm } from '../../kernel/mm.ts';
import { layTables } from '../../kernel/page-table.ts';
import { TableFree, unlinkTable } from '../../kernel/table-free.ts';
import { frameAddress } from '../../machine/attributes.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import type { Machine } from '../../machine/machine.ts';
import { PAGE_BYTES } from '../../machine/platform.ts';
import { defineScenario } from '../define.ts';
import { choiceOf, type Deed, variants } from './reserved-asid-variants.ts';

/** Page of every task: the first that a block would map. */
const VA = 0x4000_0000;
/** In the same block, and with a page of its own in no task. */
const NEIGHBOUR = VA + PAGE_BYTES;

interface Layout {
  readonly kernel: KernelLayout;
  readonly reservedRoot: number;
  readonly page: BootPage;
  /** Pages of the first task in other blocks: enough to replace all of a walk cache. */
  readonly far: readonly number[];
}

export default defineScenario<Layout>({
  name: 'reserved-asid',
  title: 'A speculative walk between the writes of table base and ASID',
  source:
    '"Using non-Global mappings for kernel address space", linux-arm-kernel, November 2010; ARM DDI 0438, 5.6',
  module: import.meta.url,
  variants,
  parameters: {
    switches: { title: 'switches of each CPU', default: 6, min: 1, max: 10_000 },
  },
  cpus: 1,
  platform: (variant) =>
    variant === 'one-register' ? 'neoverse' : variant.includes('free-table') ? 'cortex-a15' : 'cortex-a9',
  small: { parameters: { switches: 2 } },

  setup(machine, { variant }) {
    const { deed } = choiceOf(variant);
    const { kernel, prepared } = layKernel(machine, ['task 0', 'task 1', 'task 2'], (boot, spaces) => {
      const pages = spaces.map((space, i) =>
        i === 1 && deed === 'blocks' ? bootBlock(boot, space, i + 1) : bootOwn(boot, space, i + 1),
      );
      const far = deed === 'blocks' ? bootFar(boot, spaces[0]) : [];
      return { reservedRoot: layReservedRoot(boot), page: pages[0], far };
    });
    for (const { index } of machine.state.processors) {
      bootInto(machine, index, kernel.spaces[firstOf(index, deed)]);
    }
    return { kernel, ...prepared };
  },

  start({ machine, checker, cpu, layout }, { variant, switches }) {
    const kernel = properKernel(machine, layout.kernel, checker);
    const { order, deed } = choiceOf(variant);
    const runner = new Runner(kernel, layout, checker, order, deed);
    return { program: runner.run(cpu, Number(switches)), vectors: withoutPaging(kernel) };
  },

  speculation: () => [VA],
});

/** CPU 0 begins in the task whose tables may be freed; nobody else ever runs that one. */
function firstOf(cpu: number, deed: Deed): number {
  return cpu === 0 || !deed.startsWith('free-table') ? cpu & 1 : 1;
}

function bootOwn(boot: BootMemory, space: AddressSpace, word: number): BootPage {
  const [page] = bootMap(boot, space, VA, 1, READ_WRITE);
  fill(boot.machine, page.frame, word);
  return page;
}

/** Maps a block; its first page is physical page 0, which nobody else is given. */
function bootBlock(boot: BootMemory, space: AddressSpace, word: number): BootPage {
  const { machine } = boot;
  const { translation } = machine;
  layTables(boot, space.root, VA, 1);
  let table = space.root;
  const last = translation.depth - 1;
  for (let level = 0; level < last; level++) {
    table = frameAddress(machine.peek(translation.entryAddress(table, level, VA)));
  }
  const ptePa = translation.entryAddress(table, last, VA);
  machine.poke(ptePa, USED);
  fill(machine, 0, word);
  return { va: VA, frame: 0, ptePa };
}

function bootFar(boot: BootMemory, space: AddressSpace): number[] {
  const { translation, platform } = boot.machine;
  const blockBytes = PAGE_BYTES << translation.sizeOf(translation.depth - 1);
  return Array.from({ length: platform.mmu.walkCache?.entries ?? 0 }, (_, i) => {
    layTables(boot, space.root, VA + (i + 1) * blockBytes, 1);
    return VA + (i + 1) * blockBytes;
  });
}

function fill(machine: Machine, frame: number, word: number): void {
  for (let at = frame; at < frame + PAGE_BYTES; at += 4) machine.poke(at, word);
}

class Runner {
  private readonly kernel: Kernel;
  private readonly layout: Layout;
  private readonly checker: Checker | null;
  private readonly order: RegisterOrder;
  private readonly deed: Deed;

  constructor(kernel: Kernel, layout: Layout, checker: Checker | null, order: RegisterOrder, deed: Deed) {
    this.kernel = kernel;
    this.layout = layout;
    this.checker = checker;
    this.order = order;
    this.deed = deed;
  }

  *run(cpu: Cpu, switches: number): Steps {
    const { spaces } = this.layout.kernel;
    const isFreed = this.deed.startsWith('free-table');
    if (isFreed && cpu.index === 0) yield* this.exitFirst(cpu);
    const two = isFreed ? [spaces[2], spaces[1]] : spaces;
    const first = isFreed ? 0 : (firstOf(cpu.index, this.deed) + 1) & 1;
    for (let turn = 0; turn < switches; turn++) yield* this.runTask(cpu, two[(first + turn) & 1]);
  }

  /** The first task gives way to another, then exits: its tables go. */
  private *exitFirst(cpu: Cpu): Steps {
    const { kernel, checker, layout, deed } = this;
    const [space, next] = layout.kernel.spaces;
    const mm: Mm = { kernel, space, checker };
    yield* this.runTask(cpu, next);
    yield* kernel.tables.write(cpu, layout.page.ptePa, 0);
    const table = yield* unlinkTable(cpu, mm, VA);
    yield* kernel.flush.mm(cpu, space);
    if (deed === 'free-table-and-flush') yield* kernel.flush.mm(cpu, { ...space, asid: RESERVED_ASID });
    checker?.contract(cpu, layout.page.ptePa);
    yield* new TableFree({ walkingPa: [] }, 'at-once').free(cpu, mm, table);
  }

  /** Switches to a task, which uses its page. */
  private *runTask(cpu: Cpu, space: AddressSpace): Steps {
    if (this.order === 'one') yield* this.kernel.switchMm(cpu, space);
    else yield* this.switchTo(cpu, space);
    const found = yield* cpu.load(VA);
    const own = this.layout.kernel.spaces.indexOf(space) + 1;
    if (found !== own) this.checker?.violated(cpu.hw, ASID_RULE.WRONG_FRAME, found, own);
  }

  private switchTo(cpu: Cpu, { root, asid }: AddressSpace): Steps {
    const registers = { order: this.order, reservedRoot: this.layout.reservedRoot };
    if (this.deed === 'switch') return writeContext(cpu, registers, root, asid);
    return writeContext(cpu, registers, root, asid, undefined, (gap) => this.speculateIn(cpu, gap));
  }

  /**
   * What takes several loads in one run, and one for each gap at least. A table is remembered by whoever walks
   * through it, and used by the next one. Where sizes differ: before the base is written the one page, and others
   * until no walk remembers its table; afterwards its neighbour, then it again.
   */
  private *speculateIn(cpu: Cpu, gap: number): Steps {
    const afterwards = this.deed === 'blocks' ? [NEIGHBOUR, VA] : [NEIGHBOUR];
    const before = this.deed === 'blocks' ? [VA, ...this.layout.far] : [NEIGHBOUR];
    for (const va of gap === 0 ? before : afterwards) yield* speculativeLoad(cpu, va);
  }
}
