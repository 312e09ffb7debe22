/**
 * A guest that empties caches by set and way, again and again, and guests on the other CPUs that have nothing to do with
 * it: what it costs the one, and what it takes from the others.
 */
import { Hypervisor } from '../../../hypervisor/hypervisor.ts';
import { emulationVectors, type SetWayEmulation } from '../../../hypervisor/set-way/emulation.ts';
import { kvmSetWay } from '../../../hypervisor/set-way/kvm.ts';
import { setWayToTheLetter } from '../../../hypervisor/set-way/to-the-letter.ts';
import { xenSetWay } from '../../../hypervisor/set-way/xen.ts';
import { Vcpu } from '../../../hypervisor/vcpu.ts';
import { type LevelShape, setWayLevels } from '../../../kernel/set-way.ts';
import { FLUSH } from '../../../machine/cache-maintenance.ts';
import type { Cpu, Steps } from '../../../machine/cpu.ts';
import { PAGE_BYTES } from '../../../machine/platform.ts';
import type { Workload } from '../../../program/workload.ts';
import { type AbuseBench, type AbuseLayout, layAbuse } from './abuse-layout.ts';
import { LongestWait } from './longest-wait.ts';
import { Meeting } from './meeting.ts';

/** Does the first operation empty everything, and the rest nothing? */
export const isDoneAtOnce = ({ emulation }: Pick<AbuseBench, 'emulation'>): boolean =>
  emulation !== 'to-the-letter' && emulation !== 'untrapped';

/** Figures in the notes of the guest's CPU: sums over the measured rounds; of the others: cycles that they have lost. */
export const ABUSE_NOTE = { FLUSH: 0, MORE: 1, STALL: 2, AGAIN: 3, LOST: 4 } as const;

const BYSTANDER_WORK = 200_000;
/** Operations that a guest goes on with where the first has done it all. */
const MORE = 8;
const QUIET_PASSES = 8;
const WARM_ROUNDS = 1;

/** The programs of all CPUs: the guest that is measured on CPU 0, a guest that stands by on each other. */
export function abuseWorkload(bench: AbuseBench): Workload<AbuseLayout> {
  return {
    setup: (machine) => layAbuse(machine, bench),
    start({ machine, checker, cpu, layout }) {
      const watch = new LongestWait(cpu);
      const emulation = cpu.index === 0 ? emulationOf(bench, watch) : undefined;
      const host = new Hypervisor(machine, layout.host, checker, emulation?.policy);
      const meeting = new Meeting(cpu, layout.meeting, host.kernel.uncached);
      const vcpu = new Vcpu(host, layout.host.vms[cpu.index], 0);
      const used = layout.used[cpu.index];
      const program =
        cpu.index === 0
          ? abuse(cpu, vcpu, used, bench, meeting, watch)
          : standBy(cpu, vcpu, used, bench, meeting);
      return { program, vectors: host.vectors(emulation && emulationVectors(host, emulation)) };
    },
  };
}

function emulationOf(
  { emulation, isPreemptible }: AbuseBench,
  watch: LongestWait,
): SetWayEmulation | undefined {
  const preemption = isPreemptible ? { preemption: watch.preemption } : {};
  switch (emulation) {
    case 'kvm':
      return kvmSetWay;
    case 'xen-full':
      return xenSetWay({ pages: 'all', ...preemption });
    case 'xen-accessed':
      return xenSetWay({ pages: 'accessed', ...preemption });
    case 'to-the-letter':
      return setWayToTheLetter();
    default:
      return undefined;
  }
}

/** Uses pages, empties the caches, uses the same pages again, turns its caches off and on; over and over. */
function* abuse(
  cpu: Cpu,
  vcpu: Vcpu,
  used: readonly number[],
  bench: AbuseBench,
  meeting: Meeting,
  watch: LongestWait,
): Steps {
  const { notes } = cpu.hw;
  const levels = setWayLevels(cpu.machine.platform);
  const empty = isDoneAtOnce(bench) ? first : sweep;
  // The other guests find out how fast they are when nobody disturbs them.
  yield* meeting.meet();
  yield* meeting.meet();
  for (let round = -WARM_ROUNDS; round < bench.rounds; round++) {
    let emptied = { flush: 0, more: 0 };
    let again = 0;
    yield* vcpu.runOn(cpu, () => storeEach(cpu, used, round));
    yield* meeting.meet();
    watch.longest = 0;
    yield* vcpu.runOn(cpu, function* () {
      emptied = yield* empty(cpu, levels, watch);
      const from = cpu.clock;
      yield* storeEach(cpu, used, round);
      again = cpu.clock - from;
    });
    // The next time is a first time again: caches off and on.
    yield* vcpu.runOn(cpu, function* () {
      yield* cpu.guestControl({ mmuOn: false, cachesOn: false });
      yield* cpu.guestControl({ mmuOn: true, cachesOn: true });
    });
    yield* meeting.meet();
    if (round < 0) continue;
    notes[ABUSE_NOTE.FLUSH] += emptied.flush;
    notes[ABUSE_NOTE.MORE] += emptied.more;
    notes[ABUSE_NOTE.STALL] += watch.longest;
    notes[ABUSE_NOTE.AGAIN] += again;
  }
}

/** What it costs to empty the caches, and what an operation costs that comes after. */
interface Emptied {
  readonly flush: number;
  readonly more: number;
}

/** The guest goes through all sets and ways. */
function* sweep(cpu: Cpu, levels: readonly LevelShape[], watch: LongestWait): Steps<Emptied> {
  const began = cpu.clock;
  for (const { level, sets, ways } of levels) {
    for (let way = 0; way < ways; way++) {
      for (let set = 0; set < sets; set++) {
        yield* watch.during(() => cpu.guestSetWay(level, set, way, FLUSH));
      }
    }
  }
  yield* cpu.dsb();
  return { flush: cpu.clock - began, more: 0 };
}

/** The guest knows that the first operation does it all: a nuisance need not go on, but some guests do. */
function* first(cpu: Cpu, [{ level }]: readonly LevelShape[], watch: LongestWait): Steps<Emptied> {
  const began = cpu.clock;
  yield* watch.during(() => cpu.guestSetWay(level, 0, 0, FLUSH));
  const flush = cpu.clock - began;
  for (let n = 0; n < MORE; n++) yield* cpu.guestSetWay(level, 0, 0, FLUSH);
  return { flush, more: (cpu.clock - began - flush) / MORE };
}

function* storeEach(cpu: Cpu, pages: readonly number[], value: number): Steps {
  const { lineBytes } = cpu.machine.platform;
  for (const page of pages) {
    for (let va = page; va < page + PAGE_BYTES; va += lineBytes) yield* cpu.store(va, value);
  }
}

/** A guest that works, and looks at its pages from time to time. */
function* standBy(cpu: Cpu, vcpu: Vcpu, used: readonly number[], bench: AbuseBench, meeting: Meeting): Steps {
  const { notes } = cpu.hw;
  let took = 0;
  const pass = function* (): Steps {
    const began = cpu.clock;
    yield* readEach(cpu, used);
    yield* cpu.compute(BYSTANDER_WORK);
    took = cpu.clock - began;
  };
  yield* meeting.meet();
  yield* vcpu.runOn(cpu, function* () {
    for (let n = 0; n < QUIET_PASSES; n++) yield* pass();
  });
  const quiet = took;
  yield* meeting.meet();
  for (let round = -WARM_ROUNDS; round < bench.rounds; round++) {
    yield* meeting.meet();
    let lost = 0;
    const watched = function* (): Steps {
      yield* pass();
      lost += took - quiet;
    };
    yield* vcpu.runOn(cpu, function* () {
      yield* meeting.meetDoing(watched);
      // What has been taken from its caches until then, it notices now.
      yield* watched();
    });
    if (round >= 0) notes[ABUSE_NOTE.LOST] += lost;
  }
}

function* readEach(cpu: Cpu, pages: readonly number[]): Steps {
  const { lineBytes } = cpu.machine.platform;
  for (const page of pages) {
    for (let va = page; va < page + PAGE_BYTES; va += lineBytes) yield* cpu.load(va);
  }
}
