/**
 * Several CPUs whose caches nothing keeps coherent, under one kernel: the kind of SMP that "The Linux Cache Flush
 * Architecture" leaves open. Data are cached and have one user at a time, who is
 * whoever holds a lock, or whoever runs a task; where the user changes, software does what a protocol would. A kernel
 * needs these hooks for it:
 *
 * - release of a lock: what was stored under it is written back
 * - acquisition of a lock: what this CPU has of the data from before is dropped
 * - migration of a task: its lines leave the cache of the CPU that it leaves
 * - free of a page: its lines leave the cache, or they are written back over what the next user stores
 * - and past the caches whatever is shared without a lock: the locks themselves (with atomic operations on uncached
 *   memory), cross calls and wake-ups, run queues, page tables (`Kernel.uncached`)
 *
 * What one lock protects must have lines of its own, as buffers of devices must: two users of one line lose stores
 * whatever is flushed. Linux has none of these hooks; that data change hands in whole pieces and caches are flushed
 * then is how DMA works (src/kernel/dma.ts), and release consistency (Gharachorloo et al., ISCA 1990) is why it is
 * enough at synchronization.
 */
import { CLEAN, FLUSH, INVALIDATE, type LineOperation } from '../machine/cache-maintenance.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import { PAGE_BYTES } from '../machine/platform.ts';
import { type AddressSpace, allAreas } from './address-space.ts';
import type { FlushArchitecture } from './flush/architecture.ts';
import { maintainLines } from './maintain-lines.ts';
import { type SpinLock, spinLock, spinUnlock } from './spin-lock.ts';

/** Places at which data change hands, and what is done there. */
export const SOFTWARE_COHERENCE_SITES = {
  'release.clean': 'a lock is about to be free: what was stored under it is in memory',
  'acquire.invalidate': 'a lock has been taken: no line of its data is left from before',
  'migrate.flush': 'another CPU will run the task: no line of its pages is left here',
  'free.flush': 'a page is about to be free: no line of it is left here',
} as const;

/** Data that a lock protects: whole lines. */
export interface Guarded {
  readonly lock: SpinLock;
  /** Physical address, which is that of the kernel's linear mapping. */
  readonly pa: number;
  readonly sizeBytes: number;
}

/** Takes the lock of some data: what this CPU loads from here on is what its last holder left. */
export function* acquire(cpu: Cpu, flushes: FlushArchitecture, { lock, pa, sizeBytes }: Guarded): Steps {
  yield* spinLock(cpu, lock, flushes.kernel.uncached);
  // After the lock is taken, because lines may come in by themselves while another CPU has it.
  if (flushes.runs('acquire.invalidate')) yield* maintain(cpu, pa, sizeBytes, INVALIDATE);
}

/** Gives the lock back: its next holder finds in memory what this one stored. */
export function* release(cpu: Cpu, flushes: FlushArchitecture, { lock, pa, sizeBytes }: Guarded): Steps {
  if (flushes.runs('release.clean')) yield* maintain(cpu, pa, sizeBytes, CLEAN);
  yield* spinUnlock(cpu, lock, flushes.kernel.uncached);
}

/** This CPU, which runs the task's space, will not run it any more: another one may. */
export function* leave(cpu: Cpu, flushes: FlushArchitecture, space: AddressSpace): Steps {
  if (!flushes.runs('migrate.flush')) return;
  const { uncached } = flushes.kernel;
  yield* spinLock(cpu, space.lock, uncached);
  const areas = yield* allAreas(cpu, space, uncached);
  yield* spinUnlock(cpu, space.lock, uncached);
  const { lineBytes } = cpu.machine.platform;
  for (const { startPage, endPage } of areas) {
    for (let va = startPage * PAGE_BYTES; va < endPage * PAGE_BYTES; va += lineBytes) {
      yield* cpu.maintainVirtual(va, FLUSH, 'coherency');
    }
  }
  yield* cpu.dsb();
}

/** Gives a page back that this CPU alone has used since it was allocated. @param frame its physical address */
export function* freePage(cpu: Cpu, flushes: FlushArchitecture, frame: number): Steps {
  if (flushes.runs('free.flush')) yield* maintain(cpu, frame, PAGE_BYTES, FLUSH);
  yield* flushes.kernel.frames.free(cpu, frame);
}

function* maintain(cpu: Cpu, pa: number, sizeBytes: number, operation: LineOperation): Steps {
  yield* maintainLines(cpu, pa, sizeBytes, operation, 'coherency');
  yield* cpu.dsb();
}
