/**
 * What a guest can do to others by emptying caches by set and way, under each emulation of it. KVM lets others in
 * during a flush as well, but only from one stretch of memory as large as its largest block to the next, 1 GB with pages
 * of 4 KB (Linux arch/arm64/kvm/mmu.c, stage2_apply_range_resched and stage2_range_addr_end; before that
 * cond_resched_lock for each entry of the first level, since April 2020). The guests here have less, so its flush is in
 * one piece.
 */
import { PAGE_BYTES, type Platform } from '../../machine/platform.ts';
import type { Parameters } from '../../program/workload.ts';
import { type AbuseBench, type AbuseEmulation, abuseEmulations, tablePages } from './bench/abuse-layout.ts';
import { ABUSE_NOTE, abuseWorkload, isDoneAtOnce } from './bench/guest-abuse.ts';
import { mean, present, runBench, tenth } from './bench/run-bench.ts';
import { nameIn, numberIn } from './bench/values.ts';
import type { Experiment } from './experiment.ts';

const parameters = {
  emulation: {
    title: 'what the hypervisor makes of the operations',
    default: 'kvm',
    values: abuseEmulations,
  },
  memory: { title: 'pages of the guest’s memory', default: 128, min: 16, max: 512 },
  resident: {
    title: 'percent of it that the guest has used since it began: what KVM has mapped',
    default: 100,
    min: 0,
    max: 100,
  },
  accessed: { title: 'pages that it uses between two times', default: 16, min: 0, max: 512 },
  cpus: { title: 'CPUs: the guest’s, and one for each of the other guests', default: 2, min: 1, max: 16 },
  preemptible: {
    title: 'Xen: others may run in the middle of a flush',
    default: 'yes',
    values: ['yes', 'no'],
  },
  caches: {
    title: 'data caches are the platform’s divided by this',
    default: '1',
    values: ['1', '2', '4', '8'],
  },
} as const;

const ROUNDS = 2;

/** The platform with data caches of fewer sets. */
function shrunk(platform: Platform, by: number): Platform {
  const { l1d, l2, shared, outer } = platform;
  const smaller = <T extends { sizeBytes: number }>(cache: T): T => ({
    ...cache,
    sizeBytes: cache.sizeBytes / by,
  });
  return {
    ...platform,
    l1d: smaller(l1d),
    ...(l2 && { l2: smaller(l2) }),
    ...(shared && { shared: smaller(shared) }),
    ...(outer && { outer: smaller(outer) }),
  };
}

/** Pages that the guest has used since it began, its tables aside. */
function residentPages(platform: Platform, given: Parameters): number {
  const memory = numberIn(given, parameters, 'memory');
  return Math.round(
    (numberIn(given, parameters, 'resident') * (memory - tablePages(platform, memory))) / 100,
  );
}

export const setWay: Experiment = {
  name: 'set-way',
  title: 'a guest that empties caches by set and way for nothing but to be a nuisance',
  source:
    '"xen/arm: Handling cache maintenance instructions by set/way", xen-devel, December 2017; Xen xen/arch/arm/p2m.c, p2m_flush_vm; Linux arch/arm64/kvm/mmu.c, kvm_set_way_flush',
  parameters,
  measures: {
    flush: { title: 'until the caches are empty, as far as the guest can tell', unit: 'cycles' },
    more: { title: 'each operation after it that does nothing any more', unit: 'cycles' },
    stall: { title: 'longest wait of another guest for this CPU', unit: 'cycles' },
    lost: { title: 'what each guest on another CPU loses a time, all told', unit: 'cycles' },
    again: { title: 'using the same pages once more afterwards', unit: 'cycles' },
    flushMicroseconds: { title: 'until the caches are empty', unit: 'us' },
  },
  defaultPlatform: 'cortex-a53',
  usual: { emulation: abuseEmulations.join(','), memory: '64,256', accessed: '8,32' },
  unsupported(platform, given) {
    const { name, virtualization, maintenance, memoryBytes } = platform;
    if (!virtualization) return `${name} has no stage 2: use a platform with 'virtualization'`;
    if (maintenance.setWay === false) return `${name} has no operations by set and way`;
    const isXen = nameIn(given, parameters, 'emulation').startsWith('xen');
    if (!isXen && nameIn(given, parameters, 'preemptible') === 'no')
      return 'only Xen’s flush is preemptible with so little memory';
    const memory = numberIn(given, parameters, 'memory');
    if (memory * PAGE_BYTES > memoryBytes / 2) return `${name} has ${memoryBytes >> 20} MB of memory in all`;
    const most = residentPages(platform, given);
    const accessed = numberIn(given, parameters, 'accessed');
    return accessed <= most ? undefined : `the guest has used ${most} pages in all, its tables aside`;
  },
  async measure({ platform, parameters: given, seed }) {
    const memory = numberIn(given, parameters, 'memory');
    const bench: AbuseBench = {
      emulation: nameIn<AbuseEmulation>(given, parameters, 'emulation'),
      memory,
      resident: residentPages(platform, given),
      accessed: numberIn(given, parameters, 'accessed'),
      isPreemptible: nameIn(given, parameters, 'preemptible') === 'yes',
      rounds: ROUNDS,
    };
    const machine = shrunk(platform, numberIn(given, parameters, 'caches'));
    const cpus = numberIn(given, parameters, 'cpus');
    const [abuser, ...others] = runBench(machine, cpus, seed, abuseWorkload(bench));
    const each = (note: number) => tenth((abuser.notes[note] ?? 0) / ROUNDS);
    const flush = each(ABUSE_NOTE.FLUSH);
    return present({
      flush,
      ...(isDoneAtOnce(bench) && { more: each(ABUSE_NOTE.MORE) }),
      stall: each(ABUSE_NOTE.STALL),
      lost: mean(others.map(({ notes }) => (notes[ABUSE_NOTE.LOST] ?? 0) / ROUNDS)),
      again: each(ABUSE_NOTE.AGAIN),
      flushMicroseconds: tenth(flush / platform.clockMHz),
    });
  },
};
