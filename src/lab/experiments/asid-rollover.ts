/** What it costs when ASIDs run out: the cells of `flushlab cost asid`, one a point. */
import { measureAsids, rolloverAllocators } from '../asid-cost/measure.ts';
import { LockstepPool } from '../lockstep-pool.ts';
import { figures, LIMITS } from './cell.ts';
import type { Experiment } from './experiment.ts';

export const asidRollover: Experiment = {
  name: 'asid-rollover',
  title: 'ASIDs that run out: by an interrupt to all, or by each CPU when it comes by',
  source: 'Linux arch/arm/mm/context.c up to v3.7 (interrupt) and arch/arm64/mm/context.c (bitmap)',
  parameters: {
    allocator: { title: 'who gives ASIDs out', default: 'arm64-bitmap', values: rolloverAllocators },
    bits: { title: 'width of an ASID', default: 6, min: 2, max: 16 },
    cpus: { title: 'CPUs', default: 4, min: 1, max: 64 },
  },
  measures: {
    rolloverCycles: { title: 'a switch that finds no ASID left', unit: 'cycles' },
    otherCycles: { title: 'any other switch', unit: 'cycles' },
    targetCycles: { title: 'lost by one other CPU for each rollover', unit: 'cycles' },
    cycles: { title: 'a switch, with all that it costs elsewhere', unit: 'cycles' },
    walks: { title: 'table walks of a switch', unit: 'walks' },
  },
  defaultPlatform: 'neoverse',
  usual: { allocator: rolloverAllocators.join(','), bits: '5,6,8', cpus: '1..16:*2' },
  unsupported({ name, mmu }, { bits, cpus }) {
    const { asidBits } = mmu.tlb;
    if (asidBits === 0 || mmu.refill === 'software') {
      return `the TLB of ${name} has no ASIDs that its hardware looks up tables for`;
    }
    if (Number(bits) > asidBits) return `an ASID of ${name} has ${asidBits} bits`;
    // A number is reserved, and every CPU keeps the one that it runs.
    return Number(cpus) < 2 ** Number(bits) - 1 ? undefined : 'the allocators need more ASIDs than CPUs';
  },
  async measure({ platform, parameters: { allocator, bits, cpus }, seed }) {
    const cell = {
      allocator: allocator as (typeof rolloverAllocators)[number],
      ...{ bits: Number(bits), asids: 2 ** Number(bits) - 1, cpus: Number(cpus) },
    };
    const limits = { ...LIMITS, seed };
    const { rollovers } = await measureAsids(platform, [cell], [], limits, new LockstepPool(0));
    const { rolloverCycles, otherCycles, targetCycles, cycles, walks } = rollovers[0];
    return figures({ rolloverCycles, otherCycles, targetCycles, cycles, walks });
  },
};
