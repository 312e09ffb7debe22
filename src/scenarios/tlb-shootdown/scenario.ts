/**
 * TLB shootdown: CPUs of one process keep touching its pages while another of its threads unmaps or
 * write-protects them and the kernel gives their frames to somebody else. The mechanisms are those of
 * Linux: smp_call_function_many with a local flush (arch/x86/mm/tlb.c, arch/sparc/kernel/smp_32.c) and
 * DSB; TLBI ...IS; DSB; ISB (arch/arm64/include/asm/tlbflush.h); the need for both barriers is stated in
 * the Arm Architecture Reference Manual, section "TLB maintenance instructions, ordering and completion".
 */
import type { FindingKind } from '../../checker/finding.ts';
import type { Platform } from '../../machine/platform.ts';
import type { Scenario, Variant } from '../scenario.ts';

const broadcasts = (platform: Platform) =>
  platform.broadcast
    ? undefined
    : `${platform.name} cannot invalidate the TLBs of other CPUs by broadcast: use a variant with cross calls, or a platform such as neoverse or sun4d`;

const STALE: readonly FindingKind[] = ['stale-translation', 'freed-frame'];

/** The CPU that unmaps does not use the pages until it has flushed: what is wrong shows on another one. */
const BYSTANDER_TOO = 2;

const variants: readonly Variant[] = [
  {
    name: 'cross-call',
    title: 'local flush, then an IPI to every CPU that ran the process, each acknowledges',
    expect: 'clean',
  },
  {
    name: 'broadcast',
    title: 'barrier, hardware broadcast, barrier',
    expect: 'clean',
    unsupported: broadcasts,
  },
  {
    name: 'local-only',
    title: 'flushes the TLB of the unmapping CPU only',
    expect: STALE,
    minCpus: BYSTANDER_TOO,
  },
  // Without a flush nothing waits for the table write either: a walk on another thread may still read the old entry.
  { name: 'none', title: 'no flush at all', expect: [...STALE, 'walker-old-entry'] },
  {
    name: 'no-dsb-before',
    title: 'the invalidate may act before the table write is visible, and the walker refills',
    expect: STALE,
    minCpus: BYSTANDER_TOO,
    unsupported: (platform) =>
      broadcasts(platform) ??
      (platform.writeBufferEntries === 0
        ? `${platform.name} has no write buffer: its table writes are visible at once`
        : platform.broadcast?.serialized === true
          ? `${platform.name} takes a lock around each broadcast, and that atomic drains the write buffer: use a platform such as neoverse`
          : undefined),
  },
  {
    name: 'no-dsb-after',
    title: 'the frame is reused before the broadcast has completed',
    expect: STALE,
    minCpus: BYSTANDER_TOO,
    unsupported: (platform) =>
      broadcasts(platform) ??
      (platform.agents.includes('broadcast')
        ? undefined
        : `${platform.name} completes a broadcast as it issues it: there is nothing to wait for`),
  },
  {
    name: 'free-before-flush',
    title: 'frames go back to the allocator before the flush',
    expect: STALE,
    minCpus: BYSTANDER_TOO,
  },
  {
    name: 'irqs-off',
    title: 'two CPUs cross-call each other with interrupts masked',
    expect: ['deadlock'],
    minCpus: 2,
  },
];

export const tlbShootdown: Scenario = {
  name: 'tlb-shootdown',
  title: 'Unmapping and write-protecting pages that other CPUs are using',
  source: 'Linux arch/x86/mm/tlb.c, arch/arm64/include/asm/tlbflush.h; Black et al., ASPLOS 1989',
  variants,
  parameters: {
    pages: { title: 'pages unmapped or protected at a time', default: 2, min: 1, max: 512 },
    rounds: { title: 'shootdowns', default: 12, min: 1, max: 100_000 },
    operation: {
      title: 'what takes the pages away',
      default: 'both',
      values: ['both', 'munmap', 'mprotect'],
    },
    idle: {
      title: 'work between two accesses of a bystander, in units of instructionCycles',
      default: 0,
      min: 0,
      max: 1_000_000,
    },
  },
  defaultCpus: 4,
  minCpus: 1,
  defaultPlatform: (variant) =>
    ['broadcast', 'no-dsb-before', 'no-dsb-after'].includes(variant) ? 'neoverse' : 'x86-64',
  module: new URL(`./workload${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url).href,
  maxSteps: 20_000_000,
};
