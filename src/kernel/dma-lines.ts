/**
 * The cache lines of a buffer that a device reads or writes behind the caches' back: written back or dropped on
 * every CPU that may have them, and in an outer cache that only its own controller reaches.
 *
 * Maintenance by address acts on all CPUs where it is broadcast. Where it is not, either every CPU is called, or
 * the lines are first brought here by the coherence protocol: a read makes whoever has a line dirty write it back,
 * a write takes it away from the others (Linux arch/arm/mm/cache-v6.S, CONFIG_DMA_CACHE_RWFO). The second is cheaper
 * and holds only as long as no other CPU brings a line back by itself.
 */
import { CLEAN, FLUSH, INVALIDATE } from '../machine/cache-maintenance.ts';
import type { Cpu, Steps } from '../machine/cpu.ts';
import { type CallFunction, otherProcessors } from './cross-call.ts';
import type { FlushArchitecture } from './flush/architecture.ts';
import { FIRST_CALL } from './kernel.ts';

/** Part of memory, within one page. */
export interface DmaBuffer {
  /** Physical address, which is that of the kernel's linear mapping. */
  readonly pa: number;
  readonly sizeBytes: number;
}

/** Places of these flushes, and what they are for. */
export const LINE_SITES = {
  'dma.edges':
    'a line at either end of the buffer is its neighbour’s as well: what that stored there is kept',
  'dma.others': 'other CPUs that may have lines of the buffer do the same with theirs',
  'dma.outer': 'the outer cache does the same, in the order in which data come from it or go to it',
} as const;

/** How lines are reached that other CPUs have, where maintenance is not broadcast. */
export type Others = 'call' | 'ownership';

export interface DmaWays {
  /** Default: they are called. */
  readonly others?: Others;
  /**
   * Wrong: after a transfer the outer cache comes last, where it must come first. What the hardware does between the
   * two.
   */
  readonly innerFirst?: (cpu: Cpu, buffer: DmaBuffer) => Steps;
}

const operations = { clean: CLEAN, invalidate: INVALIDATE, flush: FLUSH };
export type DmaOperation = keyof typeof operations;
const names = Object.keys(operations) as DmaOperation[];

/** Bit of a cross call's first argument: lines at the edges are no exception. */
const WHOLE_LINES = 4;
const OPERATION = 3;

/** What a CPU that is called does: the function of cross calls with number FIRST_CALL, see `Kernel`. */
export const dmaLinesCall: CallFunction = function* (cpu, what, pa, sizeBytes) {
  const operation = names[what & OPERATION];
  yield* ownLines(cpu, operation, { pa, sizeBytes }, (what & WHOLE_LINES) === 0);
};

/** Lines of a buffer in this CPU's caches, as far as maintenance by address reaches. */
function* ownLines(cpu: Cpu, operation: DmaOperation, buffer: DmaBuffer, keepsEdges: boolean): Steps {
  for (const line of linesOf(cpu, buffer)) yield* ownLine(cpu, operation, buffer, keepsEdges, line);
  yield* cpu.dsb();
}

function ownLine(
  cpu: Cpu,
  operation: DmaOperation,
  buffer: DmaBuffer,
  keepsEdges: boolean,
  line: number,
): Steps {
  return cpu.maintainPhysical(line, inLine(cpu, operation, buffer, keepsEdges, line), 'coherency');
}

/** An invalidate of a line that is only partly the buffer's writes it back as well. */
function inLine(
  { machine }: Cpu,
  operation: DmaOperation,
  { pa, sizeBytes }: DmaBuffer,
  keepsEdges: boolean,
  line: number,
) {
  const isShared = line < pa || line + machine.platform.lineBytes > pa + sizeBytes;
  return operations[keepsEdges && isShared && operation === 'invalidate' ? 'flush' : operation];
}

function linesOf({ machine }: Cpu, { pa, sizeBytes }: DmaBuffer): number[] {
  const { lineBytes } = machine.platform;
  const lines: number[] = [];
  for (let line = pa - (pa % lineBytes); line < pa + sizeBytes; line += lineBytes) lines.push(line);
  return lines;
}

export class DmaLines {
  private readonly flushes: FlushArchitecture;
  private readonly others: Others;
  private readonly innerFirst: DmaWays['innerFirst'];

  constructor(flushes: FlushArchitecture, { others = 'call', innerFirst }: DmaWays = {}) {
    this.flushes = flushes;
    this.others = others;
    this.innerFirst = innerFirst;
  }

  /**
   * For the device to read, or before it writes: towards memory, the outer cache last. An invalidate says that the
   * device will write all that is read of the buffer: what the CPUs have stored there is void.
   */
  *towardsMemory(cpu: Cpu, operation: DmaOperation, buffer: DmaBuffer): Steps {
    yield* this.inner(cpu, operation, buffer);
    yield* this.outer(cpu, operation, buffer);
  }

  /** Wrong: the contents are void and nothing is invalidated. */
  abandon(cpu: Cpu, buffer: DmaBuffer): void {
    for (const line of linesOf(cpu, buffer)) this.abandonLine(cpu, buffer, line);
  }

  /** The part of a line that is the buffer's. */
  private abandonLine(cpu: Cpu, { pa, sizeBytes }: DmaBuffer, line: number): void {
    const from = Math.max(line, pa);
    const to = Math.min(line + cpu.machine.platform.lineBytes, pa + sizeBytes);
    this.flushes.checker?.abandoned(cpu.hw, from, to - from);
  }

  /** After the device has written: the outer cache first, so that nobody fetches from there what is old. */
  *fromMemory(cpu: Cpu, buffer: DmaBuffer): Steps {
    if (this.innerFirst) {
      yield* this.inner(cpu, 'invalidate', buffer, false);
      yield* this.innerFirst(cpu, buffer);
    }
    yield* this.outer(cpu, 'invalidate', buffer);
    if (!this.innerFirst) yield* this.inner(cpu, 'invalidate', buffer, false);
  }

  private *inner(cpu: Cpu, operation: DmaOperation, buffer: DmaBuffer, isVoid = true): Steps {
    const keepsEdges = operation !== 'invalidate' || this.flushes.runs('dma.edges');
    const others = this.outOfReach(cpu);
    if (others.length > 0 && this.others === 'ownership' && this.flushes.runs('dma.others')) {
      yield* this.owned(cpu, operation, buffer, keepsEdges);
      return;
    }
    if (operation === 'invalidate' && isVoid) this.abandon(cpu, buffer);
    yield* ownLines(cpu, operation, buffer, keepsEdges);
    if (others.length === 0 || this.others !== 'call' || !this.flushes.runs('dma.others')) return;
    const what = names.indexOf(operation) | (keepsEdges ? 0 : WHOLE_LINES);
    const { calls } = this.flushes.kernel;
    yield* calls.call(cpu, others, FIRST_CALL, what, buffer.pa, buffer.sizeBytes);
  }

  /** Each line is here alone, or nowhere dirty, before it is maintained. */
  private *owned(cpu: Cpu, operation: DmaOperation, buffer: DmaBuffer, keepsEdges: boolean): Steps {
    for (const line of linesOf(cpu, buffer)) {
      // Linux stores the byte back that it has loaded; this takes the line as such a store does, and changes nothing.
      if (operation === 'clean') yield* cpu.loadPhysical(line);
      else yield* cpu.modifyPhysical(line, () => undefined);
      if (operation === 'invalidate') this.abandonLine(cpu, buffer, line);
      yield* ownLine(cpu, operation, buffer, keepsEdges, line);
    }
    yield* cpu.dsb();
  }

  /** The CPUs that maintenance by address does not reach. */
  private outOfReach(cpu: Cpu): number[] {
    if (cpu.machine.platform.maintenance.byAddress === 'broadcast') return [];
    return otherProcessors(cpu);
  }

  private *outer(cpu: Cpu, operation: DmaOperation, buffer: DmaBuffer): Steps {
    const { outer } = cpu.machine.platform;
    if (outer?.maintainedBy !== 'controller' || !this.flushes.runs('dma.outer')) return;
    const keepsEdges = operation !== 'invalidate' || this.flushes.runs('dma.edges');
    for (const line of linesOf(cpu, buffer)) {
      yield* cpu.maintainOuter(line, inLine(cpu, operation, buffer, keepsEdges, line));
    }
    yield* cpu.dsb();
  }
}
