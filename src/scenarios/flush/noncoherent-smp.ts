/**
 * Two CPUs that nothing keeps coherent: the platform that is asked for, with at least two CPUs and without a protocol
 * between their caches. They take turns with a record under a lock, a task moves to and fro between them, and one
 * gets a page that the other has freed. The hooks that this takes are those of src/kernel/software-coherence.ts.
 */
import { type BootPage, bootInto, bootMap } from '../../kernel/boot-process.ts';
import { withoutPaging } from '../../kernel/boot-user.ts';
import { coherencyHandler } from '../../kernel/coherency-exception.ts';
import type { DmaBuffer } from '../../kernel/dma-lines.ts';
import type { FlushArchitecture } from '../../kernel/flush/architecture.ts';
import { type KernelLayout, layKernel, properKernel, READ_WRITE } from '../../kernel/kernel.ts';
import {
  acquire,
  freePage,
  type Guarded,
  leave,
  release,
  SOFTWARE_COHERENCE_SITES,
} from '../../kernel/software-coherence.ts';
import { type Cpu, noSteps, type Steps } from '../../machine/cpu.ts';
import type { Platform } from '../../machine/platform.ts';
import type { Settings } from '../../program/workload.ts';
import type { Expectation } from '../scenario.ts';
import { clean, found } from './alias-facts.ts';
import { defineFlushScenario } from './define-flush.ts';
import { bringAllIn, evictSome, fill, look, mapLinear, wordsOf } from './dma-buffers.ts';
import { speculates } from './dma-facts.ts';
import { dataCacheFact } from './facts.ts';
import { type Turn, takeTurns } from './turns.ts';
import { withoutProtocol } from './without-protocol.ts';

interface Layout {
  readonly kernel: KernelLayout;
  readonly turnPa: number;
  /** A page of the kernel's for the record, and its lock. */
  readonly record: Guarded;
  /** The task's page. */
  readonly page: BootPage;
}

/** Where words in use begin in a page: not where tables have their entries. */
const OFFSET = 0x800;

export default defineFlushScenario<Layout>({
  name: 'noncoherent-smp',
  title: 'Two CPUs without hardware coherence: hooks in locks, migration and free',
  source:
    'David S. Miller, "The Linux Cache Flush Architecture", open issues: SMP without coherent caches; Gharachorloo et al., "Memory Consistency and Event Ordering in Scalable Shared-Memory Multiprocessors", ISCA 1990',
  module: import.meta.url,
  sites: SOFTWARE_COHERENCE_SITES,
  machineFor: withoutProtocol,
  variants: [
    {
      name: 'right',
      title: 'flushes wherever data change hands',
      expectOn: (platform) =>
        clean(
          `whoever gets data finds them in memory and has no line of them, although nothing keeps the caches coherent: ${dataCacheFact(platform)}`,
        ),
    },
    {
      name: 'no-clean-at-release',
      title: 'what was stored under a lock is left in the cache',
      omit: ['release.clean'],
      expectOn: (platform) =>
        passedOn(platform) ??
        found(
          // A line that was evicted to a cache that both use goes from there when the next holder invalidates.
          commonLevel(platform) ? ['stale-data', 'lost-write'] : ['stale-data'],
          `the next holder reads what is behind the caches, and what was stored is dirty in that of the last one: ${dataCacheFact(platform)}`,
        ),
    },
    {
      name: 'no-invalidate-at-acquire',
      title: 'lines from the last time that the CPU had the lock are left',
      omit: ['acquire.invalidate'],
      expectOn: (platform) =>
        found(
          ['stale-data'],
          `the CPU hits lines that it had before the other one stored: ${dataCacheFact(platform)}`,
        ),
    },
    {
      name: 'migration-no-flush',
      title: 'a task moves to the other CPU, and its lines stay',
      omit: ['migrate.flush'],
      expectOn: (platform) =>
        found(
          ['stale-data'],
          `the task finds what that CPU had of its page when it ran there before, or what memory has: ${dataCacheFact(platform)}`,
        ),
    },
    {
      name: 'free-no-flush',
      title: 'a page is freed, and its lines stay',
      omit: ['free.flush'],
      expectOn: (platform) =>
        passedOn(platform) ??
        found(
          ['lost-write'],
          `dirty lines of the page are written back over what its next user has stored: ${dataCacheFact(platform)}`,
        ),
    },
  ],
  parameters: {
    lines: { title: 'lines of the record, and of each page that are in use', default: 4, min: 2, max: 8 },
  },
  cpus: 2,
  platform: 'arm1136',

  setup(machine) {
    const { kernel, prepared } = layKernel(machine, ['task'], (boot, [space], lock) => ({
      turnPa: boot.line(),
      record: { lock: lock('record'), pa: mapLinear(boot, space) + OFFSET / 2, sizeBytes: 0 },
      page: bootMap(boot, space, TASK_VA, 1, READ_WRITE)[0],
    }));
    for (const { index } of machine.state.processors) bootInto(machine, index, kernel.spaces[0]);
    return { kernel, ...prepared };
  },

  start({ machine, checker, cpu, layout }, settings, flushesOf) {
    const kernel = properKernel(machine, layout.kernel, checker);
    const turns = turnsOf(cpu, flushesOf(kernel), layout, settings);
    return {
      program: takeTurns(cpu, layout.turnPa, turns),
      vectors: { ...withoutPaging(kernel), coherencyException: coherencyHandler },
    };
  },
});

const TASK_VA = 0x4000_0000;

/** The verdict where a store leaves the CPU at once, for all the others to see; undefined where it does not. */
function passedOn(platform: Platform): Expectation | undefined {
  const { l1d, l2 } = platform;
  if (l1d.write === 'write-back' || l2) return undefined;
  return clean(`what a CPU stores is behind its caches at once: ${dataCacheFact(platform)}`);
}

/** Do operations by address reach a cache that the CPUs share? */
function commonLevel({ shared, outer }: Platform): boolean {
  return shared !== undefined || outer?.maintainedBy === 'address';
}

function turnsOf(cpu: Cpu, flushes: FlushArchitecture, layout: Layout, settings: Settings): Turn[] {
  const sizeBytes = Number(settings.lines) * cpu.machine.platform.lineBytes;
  const record = { ...layout.record, sizeBytes };
  const page = { pa: layout.page.va + OFFSET, sizeBytes };
  const [space] = layout.kernel.spaces;

  const withLock = (who: number, value: number): Turn => ({
    who,
    *act() {
      yield* acquire(cpu, flushes, record);
      yield* look(cpu, record);
      yield* fill(cpu, record, value);
      yield* release(cpu, flushes, record);
    },
  });
  const runTask = (who: number, value: number): Turn => ({
    who,
    *act() {
      yield* look(cpu, page);
      yield* fill(cpu, page, value);
      yield* leave(cpu, flushes, space);
    },
  });
  /** Lines come in by themselves while another CPU has the lock. */
  const meanwhile = (who: number): Turn => ({
    who,
    act: () => (speculates(cpu.machine.platform) ? bringAllIn(cpu, record) : noSteps()),
  });

  const both = [0, 1, 0, 1];
  return [
    ...both.flatMap((who, i) => [withLock(who, 0x100 + i), meanwhile(1 - who)]),
    ...both.map((who, i) => runTask(who, 0x200 + i)),
    ...changeOwner(cpu, flushes, sizeBytes),
  ];
}

/** CPU 0 frees a page, CPU 1 is given it, and CPU 0 evicts what it has left of it. */
function changeOwner(cpu: Cpu, flushes: FlushArchitecture, sizeBytes: number): Turn[] {
  const { frames } = flushes.kernel;
  let frame = -1;
  const used = () => ({ pa: frame + OFFSET, sizeBytes });
  return [
    {
      who: 0,
      *act() {
        frame = yield* frames.allocate(cpu);
        yield* fillPhysically(cpu, used(), 0x300);
        yield* freePage(cpu, flushes, frame);
      },
    },
    {
      who: 1,
      *act() {
        frame = yield* frames.allocate(cpu);
        yield* cpu.fillPhysical(used().pa, sizeBytes, 0);
        yield* evictSome(cpu, used());
      },
    },
    { who: 0, act: () => evictSome(cpu, used()) },
    { who: 1, act: () => lookPhysically(cpu, used()) },
  ];
}

/** As `fill`, without a translation: a page that is freed must not be reached by one. */
function* fillPhysically(cpu: Cpu, buffer: DmaBuffer, value: number): Steps {
  for (const at of wordsOf(cpu, buffer)) {
    yield* cpu.loadPhysical(at);
    yield* cpu.storePhysical(at, value);
  }
}

function* lookPhysically(cpu: Cpu, buffer: DmaBuffer): Steps {
  for (const at of wordsOf(cpu, buffer)) yield* cpu.loadPhysical(at);
}
