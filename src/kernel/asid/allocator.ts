/**
 * What allocators of address-space identifiers have in common. Each follows one kernel's published algorithm, as
 * generator code on the simulated machine with its state in simulated memory; the number of usable ASIDs is a
 * parameter, so that they run out in a few steps. Number 0 is reserved.
 */
import type { Checker } from '../../checker/checker.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import type { Machine } from '../../machine/machine.ts';
import type { BootMemory } from '../boot-memory.ts';
import type { CallFunction } from '../cross-call.ts';
import { FIRST_CALL, Kernel, type KernelLayout, layKernel } from '../kernel.ts';
import type { SpinLock } from '../spin-lock.ts';
import { properFlush } from '../tlb-flush.ts';
import { AsidInvariants, type InvariantsLayout, layInvariants } from './asid-invariants.ts';
import { type ContextRegisters, type RegisterOrder, usualOrder } from './context-registers.ts';
import { layReservedRoot, layTaggedSpaces, noteTables, type TaggedSpace } from './tagged-space.ts';

export interface AsidAllocator {
  /** A number is unique among all CPUs, or on each CPU by itself. */
  readonly scope: 'global' | 'per-cpu';
  /** What cross calls of this allocator run, numbered from 0. */
  readonly calls: readonly CallFunction[];
  /**
   * Runs a space on this CPU from now on: gives it a number that is good here, flushes what must go first, writes
   * the registers. Called with interrupts enabled; masks them where the modelled kernel does.
   */
  switchMm(cpu: Cpu, next: TaggedSpace): Steps;
  /** The translation of one page of a space has changed: afterwards no CPU uses the old one. */
  flushTlbPage(cpu: Cpu, space: TaggedSpace, va: number): Steps;
  /** A kernel thread runs on this CPU, on the tables that are there, until the next switch. Absent: nothing is done. */
  enterLazy?(cpu: Cpu): Steps;
  /** A space has ended, and no task of it runs: its number is free. Absent: the number is not used until a rollover. */
  destroyContext?(cpu: Cpu, space: TaggedSpace): Steps;
}

/** Which space has which number when the run begins. */
export interface BootAsids {
  /** By space: number from 1 on, 0 if it has none yet. */
  readonly numbers: readonly number[];
  /** By CPU: index of the space that runs on it. */
  readonly running: readonly number[];
}

/** Words of an allocator in simulated memory, and how it is set up. */
export interface AllocatorKind<Words = unknown> {
  readonly name: string;
  readonly scope: AsidAllocator['scope'];
  lay(boot: BootMemory, lock: (name: string) => SpinLock, asids: number): Words;
  /** Writes the state that the run begins in: some spaces run already, and have numbers. */
  boot(machine: Machine, words: Words, spaces: readonly TaggedSpace[], asids: number, at: BootAsids): void;
  create(parts: AllocatorParts, words: Words): AsidAllocator;
}

/** What an allocator is given. */
export interface AllocatorParts {
  readonly machine: Machine;
  readonly checker: Checker | null;
  /** Null unless the run is checked. */
  readonly invariants: AsidInvariants | null;
  readonly spaces: readonly TaggedSpace[];
  /** Usable numbers: 1 to this. */
  readonly asids: number;
  readonly registers: ContextRegisters;
  /** Kernel data is read past the caches. */
  readonly uncached: boolean;
  /** What the variant does wrong, by the name that the allocator gives to it. */
  readonly flaw: string;
  /** Is told of each rollover, with how many there have been: on this CPU where numbers are per CPU. */
  rolledOver(times: number): void;
  /** Runs function `index` of the allocator on other CPUs and waits for them. */
  call(cpu: Cpu, targets: readonly number[], index: number, a: number, b: number, c: number): Steps;
}

/** Everything in memory: survives structured cloning. */
export interface TaggedLayout<Words = unknown> {
  readonly kernel: KernelLayout;
  readonly spaces: readonly TaggedSpace[];
  readonly words: Words;
  readonly invariants: InvariantsLayout;
  readonly reservedRoot: number;
}

export interface TaggedOptions {
  readonly asids: number;
  /** Names of the spaces. */
  readonly names: readonly string[];
}

/**
 * Lays a kernel out with spaces that an allocator tags.
 * @param prepare maps pages (`bootOwnPage`) and takes boot memory of its own
 */
export function layTagged<Words, T>(
  machine: Machine,
  kind: AllocatorKind<Words>,
  { asids, names }: TaggedOptions,
  prepare: (boot: BootMemory, spaces: readonly TaggedSpace[], lock: (name: string) => SpinLock) => T,
): { layout: TaggedLayout<Words>; prepared: T } {
  const { kernel, prepared } = layKernel(machine, names, (boot, plain, lock) => {
    const laid = layTaggedSpaces(boot, plain, kind.scope === 'per-cpu');
    const words = kind.lay(boot, lock, asids);
    const reservedRoot = layReservedRoot(boot);
    const invariants = layInvariants(boot, kind.scope, asids);
    const own = prepare(boot, laid, lock);
    const spaces = laid.map((space) => noteTables(machine, space));
    return { own, words, reservedRoot, invariants, spaces };
  });
  const { own, ...rest } = prepared;
  return { layout: { kernel, ...rest }, prepared: own };
}

/** What a run may choose about an allocator. */
export interface TaggedChoices {
  readonly asids: number;
  /** Default: what the platform's kernel uses. */
  readonly order?: RegisterOrder;
  readonly flaw?: string;
  rolledOver?(times: number): void;
}

/** The kernel of one thread with its allocator. */
export function startTagged<Words>(
  machine: Machine,
  kind: AllocatorKind<Words>,
  layout: TaggedLayout<Words>,
  checker: Checker | null,
  { asids, order = usualOrder(machine.platform), flaw = '', rolledOver = () => {} }: TaggedChoices,
): { kernel: Kernel; allocator: AsidAllocator; invariants: AsidInvariants | null } {
  const invariants = checker && new AsidInvariants(machine, checker, layout.invariants, layout.spaces);
  const allocator = kind.create(
    {
      machine,
      checker,
      invariants,
      spaces: layout.spaces,
      asids,
      registers: { order, reservedRoot: layout.reservedRoot },
      uncached: machine.platform.coherence === 'none',
      flaw,
      rolledOver,
      call: (cpu, targets, index, a, b, c) => kernel.calls.call(cpu, targets, FIRST_CALL + index, a, b, c),
    },
    layout.words,
  );
  const policy = properFlush(machine.platform.shootdown);
  const kernel: Kernel = new Kernel(machine, layout.kernel, policy, checker, allocator.calls);
  return { kernel, allocator, invariants };
}
