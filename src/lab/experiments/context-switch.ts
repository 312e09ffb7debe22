/** Two processes that take turns on a CPU: with tags in the TLB, without, or flushing in spite of them. */
import contextSwitch, { SWITCH_NOTE } from '../asid-cost/context-switch.ts';
import { withoutTags } from '../asid-cost/measure.ts';
import { runBench, tenth } from './bench/run-bench.ts';
import { nameIn, numberIn } from './bench/values.ts';
import type { Experiment } from './experiment.ts';

const parameters = {
  tags: {
    title: 'entries of the TLB carry an ASID, or a write of the table base empties it',
    default: 'yes',
    values: ['yes', 'no'],
  },
  pages: { title: 'pages that each process uses between two switches', default: 16, min: 0, max: 256 },
} as const;

export const contextSwitches: Experiment = {
  name: 'context-switch',
  title: 'two processes that take turns on a CPU, with ASIDs and without',
  source: 'Andy Lutomirski, "PCID and improved laziness" v4, 2017-06-29: 1.22 us against 1.34 a ping-pong',
  parameters,
  measures: {
    cycles: { title: 'switch, and using the pages once', unit: 'cycles' },
    ns: { title: 'the same', unit: 'ns' },
    walks: { title: 'table walks of that', unit: 'walks' },
  },
  defaultPlatform: 'x86-haswell',
  usual: { tags: 'yes,no', pages: '0,4,16,64,256' },
  unsupported: ({ name, mmu }) =>
    mmu.tlb.asidBits > 0 && mmu.refill === 'hardware'
      ? undefined
      : `the TLB of ${name} has no ASIDs that its hardware looks up tables for`,
  async measure({ platform, parameters: given, seed }) {
    const machine = nameIn(given, parameters, 'tags') === 'yes' ? platform : withoutTags(platform);
    const workload = contextSwitch.createWorkload({ pages: numberIn(given, parameters, 'pages') });
    const [{ notes }] = runBench(machine, 1, seed, workload);
    const each = (note: number) => (notes[note] ?? 0) / notes[SWITCH_NOTE.SWITCHES];
    const cycles = each(SWITCH_NOTE.CYCLES);
    return {
      cycles: tenth(cycles),
      ns: tenth((cycles * 1000) / platform.clockMHz),
      walks: tenth(each(SWITCH_NOTE.WALKS)),
    };
  },
};
