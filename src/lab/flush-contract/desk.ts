/** What the programs of a contract check have at hand, and how they take turns. */
import type { FlushArchitecture } from '../../kernel/flush/architecture.ts';
import type { CodeInterfaces } from '../../kernel/flush/code-interfaces.ts';
import type { FlushInterfaces } from '../../kernel/flush/interfaces.ts';
import type { Kernel, KernelLayout } from '../../kernel/kernel.ts';
import type { SharedPage } from '../../kernel/rmap.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import type { Machine } from '../../machine/machine.ts';

export interface ContractPage {
  readonly va: number;
  readonly ptePa: number;
  /** Physical address of the frame that it is mapped to; of another colour than `va` where there are colours. */
  readonly frame: number;
  /** Another such frame, to map it to instead. Its first word is SPARE_WORD. */
  readonly spare: number;
}

export interface ContractLayout {
  readonly kernel: KernelLayout;
  /** Of the space that every CPU runs. */
  readonly pages: readonly ContractPage[];
  /** Another address in that space, of another colour than that of the first page; not mapped. */
  readonly alias: { readonly va: number; readonly ptePa: number };
  /** The first page with its reverse mappings. */
  readonly shared: SharedPage;
  /** Of the kernel, mapped in both spaces. */
  readonly kernelPage: ContractPage;
  /** Entry of the kernel's page in the other space. */
  readonly otherEntryPa: number;
  /** Counts the turns that have been taken. */
  readonly turnPa: number;
}

export const SPARE_WORD = 0x5a;

export type Interfaces = FlushInterfaces & CodeInterfaces;

export interface Desk {
  readonly machine: Machine;
  readonly kernel: Kernel;
  readonly flushes: FlushArchitecture;
  /** The interfaces that are checked. */
  readonly calls: Interfaces;
  readonly layout: ContractLayout;
}

/** A part of a check: what CPU 0 does alone, or each CPU after the other. */
export interface Stage {
  readonly by: 'everyone' | 'initiator';
  readonly act: (cpu: Cpu, desk: Desk) => Steps<unknown>;
}

/** An implementation does not keep its contract. */
export class Flaw extends Error {
  override readonly name = 'Flaw';
}

/** @throws Flaw if there is one */
export function demand(flaw: string | undefined): void {
  if (flaw !== undefined) throw new Flaw(flaw);
}

/** The program of one CPU. It stays to the end, because others may call it. */
export function* takeTurns(cpu: Cpu, desk: Desk, stages: readonly Stage[]): Steps {
  const { machine, layout, kernel } = desk;
  const everyone = machine.state.processors.map(({ index }) => index);
  let turn = 0;
  const until = function* (wanted: number): Steps {
    const options = { why: `turn ${wanted} of the check`, uncached: kernel.uncached };
    yield* cpu.waitUntil(layout.turnPa, (now) => now >= wanted, options);
  };
  for (const { by, act } of stages) {
    for (const index of by === 'everyone' ? everyone : [0]) {
      if (index === cpu.index) {
        yield* until(turn);
        yield* act(cpu, desk);
        yield* cpu.dsb();
        yield* cpu.storePhysical(layout.turnPa, turn + 1, 4, kernel.uncached);
        yield* cpu.dsb();
      }
      turn++;
    }
  }
  yield* until(turn);
}

export interface ContractCheck {
  readonly stages: readonly Stage[];
  /** Paths of a platform's description that decide what the interface does. */
  readonly decidedBy: readonly string[];
}

/** Calls the interface that a check is about. */
export type Call = (cpu: Cpu, calls: Interfaces, desk: Desk) => Steps;

/** The space that every CPU runs. */
export const spaceOf = ({ layout }: Desk) => layout.kernel.spaces[0];
export const everyone = (act: Stage['act']): Stage => ({ by: 'everyone', act });
export const initiator = (act: Stage['act']): Stage => ({ by: 'initiator', act });
