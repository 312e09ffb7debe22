/**
 * A guest that empties caches by set and way, again and again, and guests on the other CPUs that have nothing to do with
 * it: what it costs the one, and what it takes from the others.
 */
import { BootVm } from '../../../hypervisor/boot-vm.ts';
import {
  Hypervisor,
  type HypervisorLayout,
  layHypervisor,
  properHypervisor,
} from '../../../hypervisor/hypervisor.ts';
import { emulationVectors, type SetWayEmulation } from '../../../hypervisor/set-way/emulation.ts';
import { type Preemption, XEN_PREEMPTS_EVERY } from '../../../hypervisor/set-way/flush-guest.ts';
import { kvmSetWay } from '../../../hypervisor/set-way/kvm.ts';
import { setWayToTheLetter } from '../../../hypervisor/set-way/to-the-letter.ts';
import { xenSetWay } from '../../../hypervisor/set-way/xen.ts';
import { Vcpu } from '../../../hypervisor/vcpu.ts';
import { USED } from '../../../kernel/kernel.ts';
import { type LevelShape, setWayLevels } from '../../../kernel/set-way.ts';
import { PTE } from '../../../machine/attributes.ts';
import type { Cpu, Steps } from '../../../machine/cpu.ts';
import type { Machine } from '../../../machine/machine.ts';
import { PAGE_BYTES, type Platform } from '../../../machine/platform.ts';
import type { Workload } from '../../../program/workload.ts';
import { layMeeting, Meeting, type MeetingLayout } from './meeting.ts';

export const abuseEmulations = ['kvm', 'xen-full', 'xen-accessed', 'to-the-letter', 'untrapped'] as const;
export type AbuseEmulation = (typeof abuseEmulations)[number];

export interface AbuseBench {
  readonly emulation: AbuseEmulation;
  /** Pages of the guest’s memory, its tables among them. */
  readonly memory: number;
  /** So many of them it has used since it began. */
  readonly resident: number;
  /** So many of those it uses between two times. */
  readonly accessed: number;
  readonly isPreemptible: boolean;
  readonly rounds: number;
}

/** Figures in the notes of the guest's CPU: sums over the measured rounds; of the others: cycles that they have lost. */
export const ABUSE_NOTE = { FLUSH: 0, MORE: 1, STALL: 2, AGAIN: 3, LOST: 4 } as const;

/** Does the first operation empty everything, and the rest nothing? */
export const isDoneAtOnce = ({ emulation }: Pick<AbuseBench, 'emulation'>): boolean =>
  emulation !== 'to-the-letter' && emulation !== 'untrapped';

/** Pages of the tables of stage 1 that map so many pages from GUEST_RAM on, which is at the beginning of a table. */
export function tablePages({ mmu }: Platform, pages: number): number {
  let span = 1 << 20;
  let tables = 0;
  for (const { bits } of mmu.levels) {
    const each = Math.max(1, ((1 << bits) * mmu.entryBytes) / PAGE_BYTES);
    tables += each * Math.ceil(pages / span);
    span >>= bits;
  }
  return tables;
}
/** More than an L1 holds. */
const BYSTANDER_PAGES = 16;
const BYSTANDER_WORK = 200_000;
/** Operations that a guest goes on with where the first has done it all. */
const MORE = 8;
const QUIET_PASSES = 8;
const WARM_ROUNDS = 1;
const FLUSH = { clean: true, invalidate: true };

interface Layout {
  readonly host: HypervisorLayout;
  readonly meeting: MeetingLayout;
  /** By VM: addresses of the pages that it uses, the same virtual and intermediate. */
  readonly used: readonly (readonly number[])[];
}

export function abuseWorkload(bench: AbuseBench): Workload<Layout> {
  return {
    setup: (machine) => lay(machine, bench),
    start({ machine, checker, cpu, layout }) {
      const watch = new Watch(cpu);
      const emulation = cpu.index === 0 ? emulationOf(bench, watch) : undefined;
      const policy = { ...properHypervisor(machine.platform), ...emulation?.policy };
      const host = new Hypervisor(machine, layout.host, checker, policy);
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

function emulationOf({ emulation, isPreemptible }: AbuseBench, watch: Watch): SetWayEmulation | undefined {
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

function lay(machine: Machine, { memory, resident, accessed, emulation }: AbuseBench): Layout {
  const { cpus } = machine.options;
  const numbers = Array.from({ length: cpus }, (_, i) => i + 1);
  const { layout, own } = layHypervisor(machine, { numbers, vmids: cpus + 1 }, (boot, lock) => {
    const used: number[][] = [];
    const vms = numbers.map((_, index) => {
      const isAbuser = index === 0;
      const tables = tablePages(machine.platform, isAbuser ? memory : BYSTANDER_PAGES);
      const pages = isAbuser ? memory : tables + BYSTANDER_PAGES;
      const vm = new BootVm(boot, lock(`VM ${index}`), index, { name: `VM ${index}`, vcpus: 1, pages });
      const root = vm.stage1Root();
      const ipas = Array.from({ length: isAbuser ? accessed : BYSTANDER_PAGES }, () => vm.pages(1));
      for (const ipa of ipas) vm.mapStage1(root, ipa, ipa, USED | PTE.WRITE);
      vm.registers(0, root, 1);
      used.push(ipas);
      const made = vm.finish();
      if (isAbuser && emulation === 'kvm') {
        // KVM gives a page when it is used first.
        const { ipa, frames } = made.slots[0];
        for (let page = tables + resident; page < frames.length; page++) {
          machine.poke(vm.stage2Entry(ipa + page * PAGE_BYTES), 0);
        }
      }
      return made;
    });
    return { vms, own: { meeting: layMeeting(boot), used } };
  });
  return { host: layout, ...own };
}

/** How long nobody else could have had the CPU. */
class Watch {
  longest = 0;
  readonly preemption: Preemption;
  private readonly cpu: Cpu;
  private since = -1;

  constructor(cpu: Cpu) {
    this.cpu = cpu;
    const look = () => this.look();
    this.preemption = {
      every: XEN_PREEMPTS_EVERY,
      // biome-ignore lint/correctness/useYield: that somebody is waiting takes no time to see
      *pending() {
        return true;
      },
      // biome-ignore lint/correctness/useYield: how long the others then run is their business
      *yields() {
        look();
        return true;
      },
    };
  }

  /** An operation of the guest: before and after it somebody else could run. */
  *during(operation: () => Steps): Steps {
    this.since = this.cpu.clock;
    yield* operation();
    this.look();
    this.since = -1;
  }

  /** Whoever waits could run now. */
  private look(): void {
    if (this.since < 0) return;
    this.longest = Math.max(this.longest, this.cpu.clock - this.since);
    this.since = this.cpu.clock;
  }
}

function* abuse(
  cpu: Cpu,
  vcpu: Vcpu,
  used: readonly number[],
  bench: AbuseBench,
  meeting: Meeting,
  watch: Watch,
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
function* sweep(cpu: Cpu, levels: readonly LevelShape[], watch: Watch): Steps<Emptied> {
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
function* first(cpu: Cpu, [{ level }]: readonly LevelShape[], watch: Watch): Steps<Emptied> {
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
