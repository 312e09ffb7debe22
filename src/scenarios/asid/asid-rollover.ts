/**
 * More tasks than ASIDs: numbers run out, a generation ends, and every CPU must come away from its old numbers
 * before the new ones are used. Each task has one page at the same virtual address, in a frame of its own that says
 * whose it is; so a translation that outlives its owner's number is seen by the next user of that number.
 *
 * What `verify` says of it is said of one bounded program: CPUs that make a few switches each, in a fixed order, with
 * one speculative walk; it counts schedules of which no two are equivalent. Catalin Marinas's TLA+ model of the arm64
 * allocator (kernel-tla, asidalloc.tla) has tasks and CPUs that never end, a step of its own for each label of the
 * algorithm, and remembers states: the published times, 2 CPUs with 4 ASIDs, are under an hour for 4 tasks and over
 * two days for 6. The figures of the two cannot be compared: it says more of the algorithm, this says it of the
 * machine as well (TLBs, walks, write buffers, barriers, which registers are written when).
 */
import { ASID_RULE } from '../../checker/asid-rules.ts';
import type { Checker } from '../../checker/checker.ts';
import {
  type AllocatorKind,
  type AsidAllocator,
  type BootAsids,
  layTagged,
  startTagged,
  type TaggedLayout,
} from '../../kernel/asid/allocator.ts';
import { allocatorKind, allocatorNames } from '../../kernel/asid/kinds.ts';
import { bootOwnPage, type TaggedPage, type TaggedSpace } from '../../kernel/asid/tagged-space.ts';
import { bootInto } from '../../kernel/boot-process.ts';
import { bootTouched, withoutPaging } from '../../kernel/boot-user.ts';
import { READ_WRITE } from '../../kernel/kernel.ts';
import { type Cpu, STEP, type Steps } from '../../machine/cpu.ts';
import { CTL } from '../../machine/registers.ts';
import { MISS } from '../../machine/translation.ts';
import { walkWhole } from '../../machine/whole-walk.ts';
import type { Settings } from '../../program/workload.ts';
import { chosenVariant } from '../chosen-variant.ts';
import { defineScenario } from '../define.ts';
import type { SmallSize } from '../scenario.ts';
import { type AsidVariant, orderOf, registerOrders, variants } from './asid-rollover-variants.ts';

/** Which of a CPU's notes counts the rollovers that it has made. */
export const ROLLOVERS_NOTE = 0;

/** By allocator, a platform with what it is for. */
const HARDWARE: Readonly<Record<string, string>> = {
  'arm64-bitmap': 'neoverse',
  mips: 'x86-64',
  srmmu: 'sun4m',
  'x86-pcid': 'x86-64',
};

/**
 * By allocator, the size at which it rolls over twice and every schedule can be explored. Where CPUs have numbers of
 * their own a rollover takes as many switches of one CPU as there are numbers. A SPARC steals one context at a time.
 * Its walks go past the caches, but nobody writes a table here: what the caches evict is of no concern.
 */
const SMALL: Readonly<Record<string, SmallSize>> = {
  'arm-ipi': { parameters: { switches: 3 } },
  'arm64-bitmap': { parameters: { switches: 3 } },
  mips: { parameters: { switches: 10 } },
  srmmu: { parameters: { switches: 3 }, budgets: { evict: 0 } },
  'x86-pcid': { parameters: { switches: 8 } },
};

/** Page of every task. */
const VA = 0x4000_0000;

interface Layout {
  readonly tagged: TaggedLayout;
  readonly pages: readonly TaggedPage[];
}

export default defineScenario<Layout>({
  name: 'asid-rollover',
  title: 'ASIDs run out while CPUs are using them',
  source:
    '"Using non-Global mappings for kernel address space", linux-arm-kernel, November 2010; Linux arch/arm/mm/context.c, arch/arm64/mm/context.c',
  module: import.meta.url,
  variants,
  parameters: {
    allocator: {
      title: 'whose algorithm; variants that are about one use that one',
      default: 'arm-ipi',
      values: allocatorNames,
    },
    tasks: { title: 'address spaces', default: 4, min: 2, max: 200 },
    asids: { title: 'usable ASIDs', default: 3, min: 1, max: 255 },
    switches: { title: 'context switches of all CPUs', default: 6, min: 1, max: 1_000_000 },
    order: {
      title: 'CPUs run all tasks one behind the other, all from places far apart, or tasks of their own',
      default: 'close',
      values: ['close', 'spread', 'own'],
    },
    registers: {
      title: 'how ASID and table base are written; variants that are about it have their own',
      default: 'usual',
      values: registerOrders,
    },
  },
  reachable: {
    rollover: { title: 'numbers have run out once' },
    'second-rollover': { title: 'they have run out twice' },
  },
  cpus: 2,
  minCpus: 1,
  platform(variant, parameters) {
    const own = variants.find(({ name }) => name === variant)?.parameters?.(2).allocator;
    return HARDWARE[String(own ?? parameters.allocator)] ?? 'cortex-a9';
  },
  small: { forParameters: ({ allocator }) => SMALL[String(allocator)] ?? {} },

  setup(machine, settings) {
    const { kind, tasks, asids } = choicesOf(settings, machine.state.processors.length);
    const names = Array.from({ length: tasks }, (_, i) => `task ${i}`);
    const { layout, prepared } = layTagged(machine, kind, { asids, names }, (boot, spaces) =>
      spaces.map((space) => bootOwnPage(boot, space, VA, READ_WRITE)),
    );
    const at = atBoot(kind.scope, machine.state.processors.length, tasks, asids);
    kind.boot(machine, layout.words, layout.spaces, asids, at);
    for (const [cpu, space] of at.running.entries()) {
      bootInto(machine, cpu, layout.spaces[space]);
      const { ctl } = machine.state.cpus[cpu];
      ctl[CTL.ASID] = at.numbers[space];
      ctl[CTL.LAST_VA] = VA;
      bootTouched(machine, cpu, prepared[space]);
    }
    return { tagged: layout, pages: prepared };
  },

  start({ machine, checker, cpu, layout }, settings) {
    const cpus = machine.state.processors.length;
    const { kind, tasks, asids, variant, order, usesPages } = choicesOf(settings, cpus);
    const { kernel, allocator } = startTagged(machine, kind, layout.tagged, checker, {
      asids,
      ...(order && { order }),
      ...(variant.flaw && { flaw: variant.flaw }),
      rolledOver(times) {
        cpu.hw.notes[ROLLOVERS_NOTE]++;
        if (times === 1) checker?.reached('rollover');
        if (times === 2) checker?.reached('second-rollover');
      },
    });
    const { spaces } = layout.tagged;
    const usual = usualTurns(cpu.index, cpus, tasks, settings);
    const turns = (variant.turns ? (variant.turns[cpu.index] ?? []) : usual).map((task) => spaces[task]);
    const program = runTasks(cpu, allocator, turns, checker, { asids, usesPages });
    return { program, vectors: withoutPaging(kernel) };
  },

  // Only where the last access went, which is the page of whoever runs: no two walks that are the same.
  speculation: () => [],
});

function choicesOf(settings: Settings, cpus: number) {
  const variant: AsidVariant = chosenVariant(variants, settings.variant);
  const { allocator, tasks, asids } = { ...settings, ...variant.parameters?.(cpus) };
  return {
    variant,
    order: variant.order ?? orderOf(settings.registers),
    kind: allocatorKind(String(allocator)),
    tasks: Number(tasks),
    asids: Number(asids),
    usesPages: variant.turns === undefined,
  };
}

/** What a CPU switches to, one after the other. */
function usualTurns(cpu: number, cpus: number, tasks: number, { switches, order }: Settings): number[] {
  const length = Math.ceil((Number(switches) - cpu) / cpus);
  if (order === 'own') {
    const own = Math.max(1, Math.ceil((tasks - cpu) / cpus));
    return Array.from({ length }, (_, turn) => (cpu + ((turn + 1) % own) * cpus) % tasks);
  }
  const apart = order === 'spread' ? Math.max(1, Math.floor(tasks / cpus)) : 1;
  return Array.from({ length }, (_, turn) => (cpus * tasks - 1 - ((cpu * apart) % tasks) + turn) % tasks);
}

/**
 * The run begins near the end of a generation, with the CPUs in the first tasks: those that have numbers have them
 * in an order in which none has the one that its CPU would be given at a rollover. A CPU with numbers of its own has
 * given them in the order in which it runs the tasks, so that the next task has always just lost its own.
 */
function atBoot(scope: AllocatorKind['scope'], cpus: number, tasks: number, asids: number): BootAsids {
  const first = scope === 'global' ? cpus : 0;
  const numbers = Array.from({ length: tasks }, (_, i) => (i < asids ? ((i + first) % asids) + 1 : 0));
  return { numbers, running: Array.from({ length: cpus }, (_, cpu) => cpu % tasks) };
}

/** A CPU that switches from task to task. */
function* runTasks(
  cpu: Cpu,
  allocator: AsidAllocator,
  turns: readonly TaggedSpace[],
  checker: Checker | null,
  { asids, usesPages }: { readonly asids: number; readonly usesPages: boolean },
): Steps {
  const cpus = cpu.machine.state.processors.length;
  if (allocator.scope === 'global' && asids <= cpus) {
    yield* cpu.compute(1);
    checker?.violated(cpu.hw, ASID_RULE.TOO_FEW, asids, cpus);
    return;
  }
  for (const space of turns) {
    yield* allocator.switchMm(cpu, space);
    if (usesPages) yield* useOwnPage(cpu, space, checker);
  }
}

/** Fills the TLB in one step: nobody changes tables here, so what comes between the steps of a walk is of no concern. */
function* wholeWalk(cpu: Cpu, va: number): Steps {
  const { machine, hw } = cpu;
  yield STEP;
  if (machine.platform.mmu.refill === 'software') return;
  const { translation, state } = machine;
  state.lockCpu(hw);
  const found = translation.lookup(hw, va, false, false, false);
  state.unlockCpu(hw);
  if (found === MISS) walkWhole(state, translation, machine.guests, hw, va, false);
}

/** Interrupts come before the access or after it: where within its walk they come makes no difference. */
function* useOwnPage(cpu: Cpu, space: TaggedSpace, checker: Checker | null): Steps {
  yield* cpu.compute(1);
  cpu.maskInterrupts();
  yield* wholeWalk(cpu, VA);
  const found = yield* cpu.load(VA);
  cpu.unmaskInterrupts();
  if (found !== space.index + 1) checker?.violated(cpu.hw, ASID_RULE.WRONG_FRAME, found, space.index + 1);
}
