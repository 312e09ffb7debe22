/**
 * A guest on every CPU, all of one VM: programs of a job for any platform with virtualization, on any host. Pages of the
 * VM come when they are first touched, by a fault of stage 2; CPUs interrupt each other, and one of them invalidates the
 * whole VMID now and then. It checks itself and throws if something is wrong.
 */
import type { Job } from '../../src/hosts/job.ts';
import { PTE } from '../../src/machine/attributes.ts';
import type { Cpu, Stage2Fault, Steps, Vectors } from '../../src/machine/cpu.ts';
import type { Machine } from '../../src/machine/machine.ts';
import type { Platform } from '../../src/machine/platform.ts';
import { TLBI_VMID } from '../../src/machine/tlb.ts';
import { levelShapes } from '../../src/machine/walk-steps.ts';
import type { Workload } from '../../src/program/workload.ts';
import { entryOf, guestOn, STAGE2_RIGHTS } from './guests.ts';

const PAGE = 4096;
const VA = 0x1000_0000;
const ROUNDS = 20;
const PAGES = 3;
/** Intermediate pages: the guest's tables at the same physical addresses, its data elsewhere. */
const DATA_IPA = 0x4_0000;
const DATA_PA = 0x6_0000;
const READY = 0x1000;
const INTERRUPTS = 0x1040;

interface Layout {
  readonly stage1: number;
  readonly stage2: number;
  /** Table words of stage 2 for the pages of data. */
  readonly leaves: readonly number[];
}

/** Maps pages by tables of any levels, from `next` on; returns the root and the last-level words. */
function tables(machine: Machine, levels: readonly { bits: number }[], next: { frame: number }) {
  const shapes = levelShapes(levels);
  const { entryBytes } = machine.platform.mmu;
  const bytes = Math.max(PAGE, 2 ** levels[0].bits * entryBytes);
  const root = Math.ceil(next.frame / bytes) * bytes;
  next.frame = root + bytes;
  const wordFor = (address: number) => {
    let table = root;
    for (const [level, { shift, mask }] of shapes.entries()) {
      const at = table + (((address >>> 12) >>> shift) & mask) * entryBytes;
      if (level === shapes.length - 1) return at;
      if ((machine.peek(at) & PTE.VALID) === 0) {
        machine.poke(at, next.frame | PTE.VALID | PTE.TABLE);
        next.frame += PAGE;
      }
      table = machine.peek(at) & ~(PAGE - 1);
    }
    throw new Error('a table has no levels');
  };
  return { root, wordFor };
}

/** Called by its name, from the job's module. @public */
export function createWorkload(): Workload<Layout> {
  return {
    setup(machine) {
      const { mmu, virtualization } = machine.platform;
      if (!virtualization) throw new Error(`${machine.platform.name} has no guests`);
      const next = { frame: 0x1_0000 };
      const own = tables(machine, mmu.levels, next);
      for (let n = 0; n < PAGES; n++) {
        const bits = PTE.VALID | PTE.WRITE | PTE.EXECUTE | PTE.ACCESSED | PTE.DIRTY;
        machine.poke(own.wordFor(VA + n * PAGE), (DATA_IPA + n * PAGE) | bits);
      }
      const end = next.frame;
      const host = tables(machine, virtualization.stage2Levels, next);
      for (let ipa = own.root; ipa < end; ipa += PAGE)
        machine.poke(host.wordFor(ipa), ipa | STAGE2_RIGHTS | PTE.VALID);
      const leaves = Array.from({ length: PAGES }, (_, n) => host.wordFor(DATA_IPA + n * PAGE));
      if (next.frame > DATA_IPA) throw new Error('the tables do not fit');
      return { stage1: own.root, stage2: host.root, leaves };
    },
    start({ cpu, layout, machine }) {
      return { program: guest(cpu, layout, machine), vectors: vectorsOf(layout) };
    },
  };
}

function vectorsOf(layout: Layout): Vectors {
  return {
    *interrupt(cpu) {
      if (cpu.inGuest) throw new Error('an interrupt handler of the host runs in the guest');
      yield* cpu.modifyPhysical(INTERRUPTS, (n) => n + 1);
    },
    *fault() {
      return false;
    },
    *refill() {
      return false;
    },
    *stage2Fault(cpu: Cpu, { ipa, kind }: Stage2Fault) {
      const n = (ipa - DATA_IPA) >>> 12;
      if (kind !== 'translation' || n >= PAGES) return false;
      yield* cpu.storePhysical(layout.leaves[n], (DATA_PA + n * PAGE) | STAGE2_RIGHTS | PTE.VALID);
      yield* cpu.dsb();
      return true;
    },
  };
}

function* guest(cpu: Cpu, layout: Layout, machine: Machine): Steps {
  const cpus = machine.state.processors.length;
  const registers = { ...guestOn, rootIpa: layout.stage1 };
  const entry = entryOf(layout.stage2, { vmid: 5, registers });
  for (let round = 0; round < ROUNDS; round++) {
    yield* cpu.enterGuest(entry);
    yield* cpu.fetchAdd(VA + (round % PAGES) * PAGE, 1);
    yield* cpu.store(VA + 64 * (1 + cpu.index), round);
    if ((yield* cpu.load(VA + 64 * (1 + cpu.index))) !== round)
      throw new Error(`CPU ${cpu.index}: its own store is lost`);
    yield* cpu.exitGuest();
    yield* cpu.sendIpi((cpu.index + 1) % cpus, 1);
    if (cpu.index !== 0 || round % 5 !== 4) continue;
    const isLocal = machine.platform.virtualization?.stage2Fences === 'local';
    yield* isLocal ? cpu.tlbiLocal(TLBI_VMID, 0, 1, 5) : cpu.tlbiBroadcast(TLBI_VMID, 0, 1, 5);
    yield* cpu.dsb();
  }
  yield* cpu.modifyPhysical(READY, (n) => n + 1);
  if (cpu.index !== 0) return;
  yield* cpu.waitUntil(READY, (n) => n === cpus, { why: 'the other guests' });
  let sum = 0;
  for (let n = 0; n < PAGES; n++) sum += yield* cpu.loadPhysical(DATA_PA + n * PAGE);
  if (sum !== cpus * ROUNDS) throw new Error(`the guests have counted to ${sum}, not ${cpus * ROUNDS}`);
}

/** A job of these programs. */
export function guestJob(platform: Platform, cpus: number, seed: number): Job {
  return {
    platform,
    cpus,
    source: { module: import.meta.url, parameters: {} },
    seed,
    checked: true,
    quantumCycles: 10_000,
    maxSteps: 2_000_000,
    maxSeconds: 30,
  };
}
