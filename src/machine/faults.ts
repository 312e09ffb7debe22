/** What a CPU's accesses raise, and the kernel's entry points for it. */
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

/** Kernel entry points of a CPU. */
export interface AccessVectors<C> {
  /** Repairs a fault; false: the access is illegal and the program gets a SegmentationFault. */
  fault(cpu: C, fault: Fault): Steps<boolean>;
  interrupt(cpu: C, vector: number): Steps;
  /** Software refill of the TLB (platforms whose mmu.refill is software). */
  refill(cpu: C, fault: Fault): Steps<boolean>;
  /** Takes the line away from its old virtual index and from the new one; the access is then tried again. */
  coherencyException?(cpu: C, fault: CoherencyFault): Steps;
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
