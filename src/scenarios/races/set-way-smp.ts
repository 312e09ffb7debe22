/**
 * Every CPU is called to empty its own caches by set and way, and each does. The line that had to reach memory is used
 * by two of them all the while: it is with the second while the first flushes, and back with the first while the
 * second does. When all have answered it is where it was, dirty. KVM gave up on it and cleans by address instead.
 */
import { bootAllInto } from '../../kernel/boot-process.ts';
import { withoutPaging } from '../../kernel/boot-user.ts';
import type { CallFunction } from '../../kernel/cross-call.ts';
import { FIRST_CALL, type KernelLayout, layKernel, properKernel } from '../../kernel/kernel.ts';
import { cleanToMemory, flushEachBySetWay, setWayCall } from '../../kernel/set-way.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import type { Platform } from '../../machine/platform.ts';
import { defineScenario } from '../define.ts';
import { withoutSetWay } from '../hypervisor/set-way-facts.ts';
import { tinyCaches } from '../hypervisor/small-caches.ts';

interface Layout {
  readonly kernel: KernelLayout;
  /** A line: the word that must be in memory, and one that the others count in. */
  readonly dataPa: number;
  /** Words that are read and written past the caches: the data are there; all have flushed; each CPU is done. */
  readonly readyPa: number;
  readonly stopPa: number;
  readonly donePa: readonly number[];
}

const VALUE = 0x5eed;

export default defineScenario<Layout>({
  name: 'set-way-smp',
  title: 'Every CPU flushes its caches by set and way while a line moves between them',
  source:
    'Linux 3c1e71650833 (arm/arm64: KVM: use set/way op trapping to track the state of the caches); arch/arm64/kvm/mmu.c, kvm_set_way_flush',
  module: import.meta.url,
  machineFor: (platform) => keepsUsedLines(tinyCaches(platform)),
  variants: [
    {
      name: 'buggy',
      title: 'every CPU flushes by set and way, one after the other, by IPI',
      expect: ['stale-data'],
      unsupported: withoutSetWay,
    },
    {
      name: 'all-at-once',
      title: 'the same, all called at once',
      expect: ['stale-data'],
      unsupported: withoutSetWay,
    },
    { name: 'fixed', title: 'the line is cleaned by its address', expect: 'clean', unsupported: localOnly },
  ],
  reachable: {
    'moved-back': {
      title: 'the line is in the cache of a CPU that has flushed',
      variants: ['buggy', 'all-at-once'],
    },
  },
  parameters: {
    uses: {
      title: 'times that each of the others stores to the line, at most',
      default: 1000,
      min: 1,
      max: 100_000,
    },
  },
  cpus: 3,
  platform: 'cortex-a53',
  small: { parameters: { uses: 1 } },
  strict: true,

  setup(machine) {
    const { kernel, prepared } = layKernel(machine, ['kernel'], (boot) => ({
      dataPa: boot.line(),
      readyPa: boot.line(),
      stopPa: boot.line(),
      donePa: machine.state.processors.map(() => boot.line()),
    }));
    bootAllInto(machine, kernel.spaces[0]);
    return { kernel, ...prepared };
  },

  start({ machine, checker, cpu, layout }, { variant, uses }) {
    let hasFlushed = false;
    const call: CallFunction = function* (by, ...words) {
      yield* setWayCall(by, ...words);
      hasFlushed = true;
    };
    const kernel = properKernel(machine, layout.kernel, checker, [call]);
    const { dataPa } = layout;
    const flush = () =>
      variant === 'fixed'
        ? cleanToMemory(cpu, dataPa, machine.platform.lineBytes)
        : flushEachBySetWay(cpu, kernel, FIRST_CALL, { oneByOne: variant === 'buggy' });
    const used = () => {
      if (hasFlushed) checker?.reached('moved-back');
    };
    const program = cpu.index === 0 ? nuke(cpu, layout, flush) : use(cpu, layout, Number(uses), used);
    return { program, vectors: withoutPaging(kernel) };
  },
});

/**
 * A line that two CPUs store to all the time is not thrown out for want of use: without evictions at random, one of
 * which would write it back in time in nearly every run.
 */
function keepsUsedLines(platform: Platform): Platform {
  return { ...platform, agents: platform.agents.filter((agent) => agent !== 'evict') };
}

/** Where maintenance by address is local the line would have to be taken first, and could be gone again. */
function localOnly({ name, maintenance }: Platform): string | undefined {
  if (maintenance.byAddress === 'broadcast') return undefined;
  return `on ${name} operations by address are local, and a line in use is not to be caught by those either`;
}

function* nuke(cpu: Cpu, { dataPa, readyPa, stopPa, donePa }: Layout, flush: () => Steps): Steps {
  yield* cpu.waitUntil(readyPa, (word) => word === 1, { why: 'the data', from: 1, uncached: true });
  yield* flush();
  yield* cpu.storePhysical(stopPa, 1, 4, true);
  for (const [from, pa] of donePa.entries()) {
    if (from === 0) continue;
    yield* cpu.waitUntil(pa, (word) => word === 1, { why: `CPU ${from}`, from, uncached: true });
  }
  // What a CPU that starts with its caches off would see.
  yield* cpu.setCaches(false);
  yield* cpu.loadPhysical(dataPa);
}

/** CPU 1 stores what must reach memory; it and the rest then store to another word of the line again and again. */
function* use(cpu: Cpu, layout: Layout, uses: number, used: () => void): Steps {
  const { dataPa, readyPa, stopPa, donePa } = layout;
  if (cpu.index === 1) {
    yield* cpu.storePhysical(dataPa, VALUE);
    yield* cpu.dsb();
    yield* cpu.storePhysical(readyPa, 1, 4, true);
  } else {
    yield* cpu.waitUntil(readyPa, (word) => word === 1, { why: 'the data', from: 1, uncached: true });
  }
  for (let i = 0; i < uses; i++) {
    yield* cpu.modifyPhysical(dataPa + 4, (count) => (count + 1) >>> 0);
    used();
    if ((yield* cpu.loadPhysical(stopPa, 4, true)) === 1) break;
  }
  yield* cpu.dsb();
  yield* cpu.storePhysical(donePa[cpu.index], 1, 4, true);
}
