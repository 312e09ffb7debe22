/**
 * More tasks than ASIDs: numbers run out, a generation ends, and every CPU must come away from its old numbers
 * before the new ones are used. Each task has one page at the same virtual address, in a frame of its own that says
 * whose it is; so a translation that outlives its owner's number is seen by the next user of that number.
 */
import { ASID_RULE } from '../../checker/asid-rules.ts';
import type { Checker } from '../../checker/checker.ts';
import {
  type AsidAllocator,
  type BootAsids,
  layTagged,
  startTagged,
  type TaggedLayout,
} from '../../kernel/asid/allocator.ts';
import type { RegisterOrder } from '../../kernel/asid/context-registers.ts';
import { allocatorKind, allocatorNames } from '../../kernel/asid/kinds.ts';
import { bootOwnPage, type TaggedPage, type TaggedSpace } from '../../kernel/asid/tagged-space.ts';
import { bootInto } from '../../kernel/boot-process.ts';
import { bootTouched, withoutPaging } from '../../kernel/boot-user.ts';
import { READ_WRITE } from '../../kernel/kernel.ts';
import { type Cpu, STEP, type Steps } from '../../machine/cpu.ts';
import { CTL } from '../../machine/registers.ts';
import { MISS } from '../../machine/translation.ts';
import { walkWhole } from '../../machine/whole-walk.ts';
import { defineScenario } from '../define.ts';
import type { Variant } from '../scenario.ts';

/** Page of every task. */
const VA = 0x4000_0000;

interface Layout {
  readonly tagged: TaggedLayout;
  readonly pages: readonly TaggedPage[];
}

interface AsidVariant extends Variant {
  /** What the allocator does wrong. */
  readonly flaw?: string;
  readonly order?: RegisterOrder;
  /** Allocator that it is about, if it is about one. */
  readonly allocator?: string;
  /** Tasks of each CPU in turn, where it takes these to see it; of five tasks. */
  readonly turns?: readonly (readonly number[])[];
}

const FOUND = ['invariant'] as const;

const variants: readonly AsidVariant[] = [
  { name: 'correct', title: 'as the kernel does it', expect: 'clean' },
  {
    name: 'no-ipi',
    title: 'a rollover tells no other CPU',
    expect: FOUND,
    flaw: 'no-ipi',
    allocator: 'arm-ipi',
  },
  {
    name: 'ipi-no-flush',
    title: 'at a rollover every CPU takes a new number and none flushes its TLB',
    expect: FOUND,
    flaw: 'ipi-no-flush',
    allocator: 'arm-ipi',
  },
  {
    name: 'flush-before-reserved',
    title: 'flushes the TLB before the reserved ASID is set: a speculative walk refills it',
    expect: FOUND,
    flaw: 'flush-before-reserved',
    allocator: 'arm-ipi',
  },
  {
    name: 'no-reserved-asid',
    title: 'writes the ASID, then the table base, with no reserved ASID in between',
    expect: FOUND,
    order: 'asid-first',
    allocator: 'arm-ipi',
  },
  {
    name: 'switch-between',
    title: 'a rollover comes between reading the ASID and writing the register',
    expect: FOUND,
    flaw: 'switch-between',
    allocator: 'arm-ipi',
  },
  { name: 'too-few-asids', title: 'as many usable ASIDs as CPUs', expect: FOUND },
  {
    name: 'irqs-masked',
    title: 'waits for the lock with interrupts masked, for which the rollover of its holder waits',
    expect: ['deadlock'],
    flaw: 'irqs-masked',
    allocator: 'arm-ipi',
  },
  {
    name: 'no-reserved-asids',
    title: 'at a rollover the numbers that CPUs are using are not carried over',
    expect: FOUND,
    flaw: 'no-reserved-asids',
    allocator: 'arm64-bitmap',
  },
  {
    name: 'no-flush-pending',
    title: 'after a rollover no CPU flushes its TLB',
    expect: FOUND,
    flaw: 'no-flush-pending',
    allocator: 'arm64-bitmap',
  },
  {
    name: 'xchg-fast-path',
    title: 'the fast path says which number it uses even if a rollover has come',
    expect: FOUND,
    flaw: 'xchg-fast-path',
    // CPU 0 is between generation and exchange when CPU 1 rolls over, gives its number to task 3, and rolls over again.
    turns: [[2], [3, 4, 3]],
    allocator: 'arm64-bitmap',
  },
];

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
  },
  reachable: {
    rollover: { title: 'numbers have run out once' },
    'second-rollover': { title: 'they have run out twice' },
  },
  cpus: 2,
  minCpus: 1,
  platform: (variant) =>
    variants.find(({ name }) => name === variant)?.allocator === 'arm64-bitmap' ? 'neoverse' : 'cortex-a9',
  small: { parameters: { switches: 3 } },

  setup(machine, settings) {
    const { kind, tasks, asids } = choicesOf(settings, machine.state.processors.length);
    const names = Array.from({ length: tasks }, (_, i) => `task ${i}`);
    const { layout, prepared } = layTagged(machine, kind, { asids, names }, (boot, spaces) =>
      spaces.map((space) => bootOwnPage(boot, space, VA, READ_WRITE)),
    );
    const at = atBoot(machine.state.processors.length, tasks, asids);
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
    const { kind, tasks, asids, variant } = choicesOf(settings, cpus);
    const { kernel, allocator } = startTagged(machine, kind, layout.tagged, checker, {
      asids,
      ...(variant.order && { order: variant.order }),
      ...(variant.flaw && { flaw: variant.flaw }),
      rolledOver(times) {
        if (times === 1) checker?.reached('rollover');
        if (times === 2) checker?.reached('second-rollover');
      },
    });
    const { spaces } = layout.tagged;
    const usual = Array.from(
      { length: Math.ceil((Number(settings.switches) - cpu.index) / cpus) },
      (_, turn) => (cpus * tasks - 1 - cpu.index + turn) % tasks,
    );
    const turns = (variant.turns ? (variant.turns[cpu.index] ?? []) : usual).map((task) => spaces[task]);
    const XT = process.env.XT ? JSON.parse(process.env.XT) : undefined;
    const turns2 = XT && variant.turns ? (XT[cpu.index] as number[]).map((t) => spaces[t]) : turns;
    return { program: runTasks(cpu, allocator, turns2, checker, asids), vectors: withoutPaging(kernel) };
  },

  // Only where the last access went, which is the page of whoever runs: no two walks that are the same.
  speculation: () => [],
});

function choicesOf(settings: { readonly variant: string; readonly [name: string]: unknown }, cpus: number) {
  const variant = variants.find(({ name }) => name === settings.variant) ?? variants[0];
  return {
    variant,
    kind: allocatorKind(variant.allocator ?? String(settings.allocator)),
    tasks: variant.turns ? 5 : Number(settings.tasks),
    asids: variant.name === 'too-few-asids' ? cpus : Number(settings.asids),
  };
}

/**
 * The run begins near the end of a generation, with the CPUs in the first tasks: those that have numbers have them
 * in an order in which none has the one that its CPU would be given at a rollover.
 */
function atBoot(cpus: number, tasks: number, asids: number): BootAsids {
  const numbers = Array.from({ length: tasks }, (_, i) => (i < asids ? ((i + cpus) % asids) + 1 : 0));
  return { numbers, running: Array.from({ length: cpus }, (_, cpu) => cpu % tasks) };
}

/** A CPU that switches from task to task, each of which uses its page once. */
function* runTasks(
  cpu: Cpu,
  allocator: AsidAllocator,
  turns: readonly TaggedSpace[],
  checker: Checker | null,
  asids: number,
): Steps {
  const cpus = cpu.machine.state.processors.length;
  if (allocator.scope === 'global' && asids <= cpus) {
    yield* cpu.compute(1);
    checker?.violated(cpu.hw, ASID_RULE.TOO_FEW, asids, cpus);
    return;
  }
  for (const space of turns) {
    yield* allocator.switchMm(cpu, space);
    if (!process.env.NOUSE) yield* useOwnPage(cpu, space, checker);
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
  if (found === MISS) walkWhole(state, translation, hw, va, false);
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
