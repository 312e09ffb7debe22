/** What a CPU's accesses raise, and the kernel's entry points for it. */
import type { LineOperation, SetWayLevel } from './cache-maintenance.ts';
import type { MemoryTypes } from './memory-types.ts';
import type { Steps } from './steps.ts';
import type { FaultKind } from './translation.ts';

export interface Fault {
  readonly va: number;
  readonly write: boolean;
  readonly fetch: boolean;
  readonly kind: FaultKind;
}

/** An access that found its line in the L2 under another virtual index (platforms with l2.primaryIndex). */
export interface CoherencyFault {
  /** Address of the access; equal to `pa` for one through the kernel's linear mapping. */
  readonly va: number;
  readonly pa: number;
  readonly write: boolean;
  readonly fetch: boolean;
}

/** What a guest's own registers say about its translation. */
export interface GuestRegisters {
  /** Intermediate physical address of its root table. */
  readonly rootIpa: number;
  readonly asid: number;
  /** Off: its virtual addresses are intermediate ones, and its data accesses are not cached. */
  readonly mmuOn: boolean;
  /** Off: its data accesses and the walks of its tables are not cached; fetches are all the same. */
  readonly cachesOn: boolean;
  /** What the attributes of its own entries mean (MAIR, or PRRR and NMRR); default: what they say. */
  readonly memoryTypes?: MemoryTypes;
}

/** What traps to the host: set/way maintenance (HCR_EL2.TSW), writes of the MMU's registers (HCR_EL2.TVM). */
export interface GuestTraps {
  readonly setWay?: boolean;
  readonly control?: boolean;
}

/** A guest as the host enters it. */
export interface GuestEntry {
  /** 1 to 2^vmidBits - 1: 0 is the host's. */
  readonly vmid: number;
  /** Physical address of its table of stage 2. */
  readonly stage2Root: number;
  readonly traps: GuestTraps;
  /** Stage 2 makes its ordinary memory cacheable, whatever the guest says; default: false. */
  readonly forcedWriteBack?: boolean;
  readonly registers: GuestRegisters;
}

/** An operation of a guest that the host has asked to be told of, instead of being done. */
export type Trap =
  | {
      readonly kind: 'set-way';
      readonly level: SetWayLevel;
      readonly set: number;
      readonly way: number;
      readonly operation: LineOperation;
    }
  | { readonly kind: 'control'; readonly before: GuestRegisters; readonly after: GuestRegisters };

/** An access of a guest that stage 2 does not translate, or does not permit. */
export interface Stage2Fault {
  /** Intermediate physical address: of the access, or of the table entry of stage 1 that the walk wanted. */
  readonly ipa: number;
  readonly va: number;
  /** What stage 2 was asked for: true also where the walker wants to set a bit in an entry of stage 1. */
  readonly write: boolean;
  readonly fetch: boolean;
  readonly kind: 'translation' | 'permission' | 'access-flag';
  /** It was the walk of stage 1 that faulted on a table of the guest (Arm ESR_EL2.S1PTW). */
  readonly tableRead: boolean;
}

/** Kernel entry points of a CPU. */
export interface AccessVectors<C> {
  /** Repairs a fault; false: the access is illegal and the program gets a SegmentationFault. */
  fault(cpu: C, fault: Fault): Steps<boolean>;
  interrupt(cpu: C, vector: number): Steps;
  /** Software refill of the TLB (platforms whose mmu.refill is software). */
  refill(cpu: C, fault: Fault): Steps<boolean>;
  /** Takes the line away from its old virtual index and from the new one; the access is then tried again. */
  coherencyException?(cpu: C, fault: CoherencyFault): Steps;
  /**
   * An operation of the guest has trapped. Runs as the host; the exit before and the entry after it are done and
   * charged around it. It does the operation in the guest's stead, or not: of a 'control' trap the registers that it
   * returns are in force afterwards, `trap.after` if it returns none.
   */
  // biome-ignore lint/suspicious/noConfusingVoidType: what a generator without a return statement returns
  trap?(cpu: C, trap: Trap): Steps<void | GuestRegisters>;
  /** Repairs a fault of stage 2, as the host; false: the guest's program gets a SegmentationFault. */
  stage2Fault?(cpu: C, fault: Stage2Fault): Steps<boolean>;
  /** Repairs a fault of the guest's own stage 1, as the guest; false: its program gets a SegmentationFault. */
  guestFault?(cpu: C, fault: Fault): Steps<boolean>;
}

/** Thrown into a program whose access the kernel does not repair. */
export class SegmentationFault extends Error {
  readonly fault: Fault;

  constructor(cpu: number, fault: Fault) {
    const access = fault.fetch ? 'fetch' : fault.write ? 'store' : 'load';
    super(`CPU ${cpu}: ${fault.kind} fault on a ${access} at 0x${fault.va.toString(16)}`);
    this.name = 'SegmentationFault';
    this.fault = fault;
  }

  /** Programs catch these all the time: recording where in the simulator it was thrown would cost more than the fault. */
  static make(cpu: number, fault: Fault): SegmentationFault {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    const error = new SegmentationFault(cpu, fault);
    Error.stackTraceLimit = limit;
    return error;
  }
}
