/**
 * The decompressor of a 32-bit Arm kernel, on bare hardware and as a guest, one CPU running: it writes the kernel with
 * its caches on and enters it with them off. Emptying them by set and way is enough where there is no cache that those
 * operations pass by; behind a system cache it fails on bare hardware already.
 *
 * As a guest without any emulation it runs stale memory, says the thread. By the architecture it does so behind a system
 * cache, as here, or if its vCPU changes CPUs in between, which is `untrapped` and `to-the-letter` of
 * set-way-emulation.ts: an operation that does not trap acts on the caches of the CPU it is executed on, and while the
 * vCPU stays there it does what it does on bare hardware. If it traps and is dropped (`guest-ignored`), it always does.
 *
 * On platforms of other architectures it stands for any boot loader that does the same.
 */
import { BootMemory } from '../../kernel/boot-memory.ts';
import { noSteps } from '../../machine/cpu.ts';
import type { Platform } from '../../machine/platform.ts';
import { found } from '../flush/alias-facts.ts';
import { fact } from '../flush/facts.ts';
import type { Expectation } from '../scenario.ts';
import { bareMetal, bootCompressed, type Emptying } from './decompressor.ts';
import { decompressorGuests, type GuestLayout, guestOf, layGuest, startGuest } from './decompressor-guest.ts';
import { defineHypervisorScenario } from './define-hypervisor.ts';
import { allEmptied, alwaysCurrent, byAddress, withoutSetWay, withoutSystemCache } from './set-way-facts.ts';
import { smallCaches } from './small-caches.ts';

/** On bare hardware where the image is; or as a guest. */
type Layout = { readonly imagePa: number } | GuestLayout;

const EMPTYING: Readonly<Record<string, Emptying>> = {
  'set-way': 'set-way',
  'system-cache': 'set-way',
  'by-address': 'by-address',
  'no-flush': 'none',
};

export default defineHypervisorScenario<Layout>({
  name: 'arm32-decompressor',
  title: 'A kernel is unpacked with caches on, and entered with them off',
  source:
    'Linux arch/arm/boot/compressed/head.S, cache_clean_flush and __armv7_mmu_cache_off, and commit 401b368caaec (by-VA cache maintenance for v7 cores); "xen/arm: Handling cache maintenance instructions by set/way", xen-devel, December 2017; Documentation/arch/arm64/booting.rst',
  module: import.meta.url,
  machineFor: smallCaches,
  variants: [
    {
      name: 'set-way',
      title: 'empties the caches by set and way, as until Linux 5.6',
      unsupported: withoutSetWay,
      expectOn: allEmptied,
    },
    {
      name: 'system-cache',
      title: 'the same, behind a system cache',
      platform: 'neoverse',
      unsupported: (platform) => withoutSetWay(platform) ?? withoutSystemCache(platform),
      expectOn: allEmptied,
    },
    {
      name: 'by-address',
      title: 'cleans what it has written by address, as since Linux 5.7',
      platform: 'neoverse',
      expectOn: (platform) => heeded(platform) ?? byAddress(platform),
    },
    {
      name: 'no-flush',
      title: 'turns its caches off and jumps',
      expectOn: leftBehind,
    },
    ...decompressorGuests(leftBehind),
  ],
  parameters: {
    lines: { title: 'lines of instructions, and of data', default: 3, min: 1, max: 8 },
  },
  cpus: 1,
  platform: 'cortex-a15',

  setup(machine, { variant }) {
    const guest = guestOf(variant);
    return guest ? layGuest(machine, guest) : { imagePa: new BootMemory(machine).pages(1) };
  },

  start({ cpu, checker, layout }, { variant, lines }) {
    // Those that have not been brought up yet.
    if (cpu.index > 0) return { program: noSteps(), vectors: null };
    const guest = guestOf(variant);
    if (!('imagePa' in layout)) {
      if (!guest) throw new Error(`variant '${variant}' is no guest`);
      return startGuest(cpu, layout, checker, guest, Number(lines));
    }
    const image = { va: layout.imagePa, lines: Number(lines) };
    return bootCompressed(bareMetal(cpu), image, EMPTYING[String(variant)]);
  },
});

/** The verdict where an outer cache does not hear of operations by address; undefined elsewhere. */
function heeded(platform: Platform): Expectation | undefined {
  if (platform.outer?.maintainedBy !== 'controller') return undefined;
  return found(
    ['stale-data'],
    `a decompressor does not know the controller of the outer cache, which must therefore be off when it runs (Documentation/arch/arm64/booting.rst, system caches that do not heed operations by address): ${fact(platform, 'outer.maintainedBy')}`,
  );
}

function leftBehind(platform: Platform): Expectation {
  const current = alwaysCurrent(platform);
  if (current) return current;
  const { l1d, l1i } = platform;
  const seesOld = l1i.fillsFrom === 'unification' && l1d.write === 'write-back';
  return found(
    seesOld ? ['stale-instruction', 'stale-data'] : ['stale-data'],
    `what was written is dirty in the caches, and a CPU that has turned them off reads memory: ${fact(platform, 'l1i.fillsFrom')}`,
  );
}
