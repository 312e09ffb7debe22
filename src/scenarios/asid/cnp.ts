/**
 * CPUs that set TTBR.CnP (common, not private) may use each other's TLB entries. They then say that for an ASID all
 * of them have the same tables: numbers that each CPU hands out by itself, or tables that differ by CPU, break that.
 *
 * Armv8.2 FEAT_TTCNP; Linux commit 5ffdfaedfa0a "arm64: mm: Support Common Not Private translations": if tables
 * differ for an ASID though CnP is set, the system is misconfigured and translations are unpredictable.
 */
import { ASID_RULE } from '../../checker/asid-rules.ts';
import type { Checker } from '../../checker/checker.ts';
import { bootInto, bootMap } from '../../kernel/boot-process.ts';
import { withoutPaging } from '../../kernel/boot-user.ts';
import { type KernelLayout, layKernel, properKernel, READ_WRITE } from '../../kernel/kernel.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { PAGE_BYTES, type Platform } from '../../machine/platform.ts';
import { CTL } from '../../machine/registers.ts';
import { chosenVariant } from '../chosen-variant.ts';
import { defineScenario } from '../define.ts';
import type { Variant } from '../scenario.ts';

/** Page of every task. */
const VA = 0x4000_0000;

interface CommonVariant extends Variant {
  readonly isCommon: boolean;
  /** ASID of the task that runs on a CPU. */
  readonly asidOf: (cpu: number) => number;
}

const globalNumbers = (cpu: number) => cpu + 1;
const ownNumbers = () => 1;

const variants: readonly CommonVariant[] = [
  {
    name: 'global-asids',
    title: 'CnP, and a number belongs to one task among all CPUs',
    expect: 'clean',
    isCommon: true,
    asidOf: globalNumbers,
    unsupported,
  },
  {
    name: 'per-cpu-asids',
    title: 'CnP, and each CPU hands numbers out by itself',
    why: 'CnP tells the CPUs that they may use each other’s entries, since an ASID means the same tables on all of them: numbers that each hands out by itself break that',
    expect: ['invariant'],
    isCommon: true,
    asidOf: ownNumbers,
    unsupported,
  },
  {
    name: 'per-cpu-asids-private',
    title: 'no CnP, and each CPU hands numbers out by itself',
    expect: 'clean',
    isCommon: false,
    asidOf: ownNumbers,
    unsupported,
  },
];

function unsupported({ name, mmu }: Platform): string | undefined {
  return mmu.tlb.commonNotPrivate === true ? undefined : `${name}: TLB entries are always private`;
}

export default defineScenario<KernelLayout>({
  name: 'cnp',
  title: 'CPUs use each other’s TLB entries (common, not private)',
  source: 'Armv8.2 FEAT_TTCNP; Linux 5ffdfaedfa0a "arm64: mm: Support Common Not Private translations"',
  module: import.meta.url,
  variants,
  parameters: {
    touches: { title: 'accesses of each task', default: 4, min: 1, max: 1000 },
  },
  cpus: 2,
  platform: 'neoverse',
  small: { parameters: { touches: 1 } },
  // Only then does a CPU on a thread look into the TLB of another.
  serialized: true,

  setup(machine, { variant }) {
    const names = machine.state.processors.map(({ index }) => `task ${index}`);
    const { kernel } = layKernel(machine, names, (boot, spaces) => {
      for (const [index, space] of spaces.entries()) {
        const [{ frame }] = bootMap(boot, space, VA, 1, READ_WRITE);
        for (let at = frame; at < frame + PAGE_BYTES; at += 4) machine.poke(at, index + 1);
      }
    });
    for (const { index, ctl } of machine.state.processors) {
      bootInto(machine, index, kernel.spaces[index]);
      ctl[CTL.ASID] = choiceOf(variant).asidOf(index);
    }
    return kernel;
  },

  start({ machine, checker, cpu, layout }, { variant, touches }) {
    const kernel = properKernel(machine, layout, checker);
    const program = runTask(cpu, choiceOf(variant).isCommon, Number(touches), checker);
    return { program, vectors: withoutPaging(kernel) };
  },

  speculation: () => [VA],
});

function choiceOf(name: unknown): CommonVariant {
  return chosenVariant(variants, name);
}

function* runTask(cpu: Cpu, isCommon: boolean, touches: number, checker: Checker | null): Steps {
  if (isCommon) yield* cpu.setCommon(true);
  for (let i = 0; i < touches; i++) {
    const found = yield* cpu.load(VA);
    const own = cpu.index + 1;
    if (found !== own) checker?.violated(cpu.hw, ASID_RULE.COMMON, found, own);
  }
}
