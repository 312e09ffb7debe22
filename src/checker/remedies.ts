/** What would have prevented a finding, in the operations of the platform it was found on. */
import {
  PLACE_FETCHED_AHEAD,
  PLACE_L1D,
  PLACE_L1I,
  PLACE_L2,
  PLACE_UNCACHED,
} from '../machine/check-port.ts';
import type { Platform } from '../machine/platform.ts';
import { asidRules } from './asid-rules.ts';
import type { FindingRecord } from './finding.ts';

/** One sentence for the kernel's author. @param processors CPUs that are no devices: the first ones */
export function remedyOf(finding: FindingRecord, platform: Platform, processors: number): string {
  switch (finding.kind) {
    case 'stale-translation':
      if (finding.cpu >= processors) return ioTlb(finding.cpu);
      if (finding.stage === 2) return forStage2(finding.diagnosis, platform);
      if (finding.stage === 1 && finding.diagnosis === 0) return ofGuest(platform);
      return forTranslation(finding.diagnosis, platform);
    case 'freed-frame':
      if (finding.cpu >= processors) return `${ioTlb(finding.cpu)}, and only then free the frame`;
      return `free a frame only after the flush has returned: ${finding.stage === 2 ? stage2Sequence(platform) : flushSequence(platform)}`;
    case 'walker-old-entry':
      if (finding.cpu >= processors) {
        return 'after writing an entry of the I/O table, clean its line to memory, then a completion barrier (DSB)';
      }
      return platform.mmu.pageTables === 'clean'
        ? 'after writing a table entry, clean its line to where the walker reads, then a completion barrier (DSB)'
        : 'a completion barrier (DSB) after the table write, before anything relies on it';
    case 'freed-table':
      return 'unlink the table, flush on every CPU that may know of it, lazy ones included, and free it only when lockless walkers have left it: after an IPI to all, or deferred';
    case 'device-old-data':
      return `clean the line ${whereDevicesRead(finding.writer, platform)}, DSB, and only then tell CPU ${finding.cpu}`;
    case 'stale-data':
      if (finding.writer >= processors) {
        return `invalidate the line on CPU ${finding.cpu} when the transfer is done and before the CPU reads; what is dirty in it must be cleaned before the transfer begins`;
      }
      return forData(finding, platform);
    case 'stale-instruction':
      return forInstruction(finding, platform);
    case 'lost-write':
      if (finding.detail >= 0 && finding.writer >= processors) {
        return `clean or invalidate the line on CPU ${finding.cpu} before the transfer begins, and keep it clean until it is done`;
      }
      return finding.detail >= 0
        ? 'clean and invalidate the older copy before the location is written through another cache or alias'
        : 'clean before invalidating, as far down as the invalidate goes, or clean+invalidate in one operation';
    case 'multiple-match':
      return 'break before make: write an invalid entry, flush the TLBs, only then write the new entry; where walks go on under a reserved ASID, map at the same sizes in all tables';
    case 'deadlock':
      return 'never wait for an acknowledgement with interrupts masked: enable them, or answer calls while waiting';
    case 'flush-order':
      return 'flush the cache, change the table, flush the TLB, in this order and each time';
    case 'invariant':
      if (finding.detail in asidRules) return asidRules[finding.detail].remedy;
      return 'see the description of the scenario';
  }
}

function forTranslation(diagnosis: number, platform: Platform): string {
  switch (diagnosis) {
    case 1:
      return 'a completion barrier (DSB) after the last invalidate, before the flush returns and the frame is reused';
    case 2:
      return 'a completion barrier (DSB) between the table write and the invalidate';
    case 3:
      return 'invalidate by the address and the ASID that the entry was filled with, in every level of TLB';
    default:
      return flushSequence(platform);
  }
}

function forStage2(diagnosis: number, platform: Platform): string {
  if (diagnosis === 6) {
    return 'a completion barrier (DSB) between the table write and the invalidate by intermediate address';
  }
  return diagnosis === 1 || diagnosis === 2 ? forTranslation(diagnosis, platform) : stage2Sequence(platform);
}

/**
 * A guest's invalidate that is for one CPU has done what it can: where its CPUs are is the hypervisor's affair (Arm
 * HCR_EL2.FB; Linux arch/riscv/kvm/tlb.c, kvm_riscv_local_tlb_sanitize).
 */
function ofGuest(platform: Platform): string {
  const forced = platform.broadcast
    ? 'the hypervisor makes them broadcasts (HCR_EL2.FB), or '
    : 'the hypervisor ';
  return `in the guest: ${flushSequence(platform)}; if its invalidates are for one CPU alone: ${forced}invalidates the VMID where a vCPU did not run last`;
}

/** Linux arch/arm64/kvm/hyp/vhe/tlb.c, __kvm_tlb_flush_vmid_ipa; arch/riscv/kvm/tlb.c, as in hypervisor/stage2-fence.ts. */
function stage2Sequence({ virtualization }: Platform): string {
  if (virtualization?.stage2Fences === 'local') {
    return 'a fence of both stages (HFENCE.GVMA) on each CPU that runs the VM, and on each other one before it runs the VM again';
  }
  return 'DSB, a broadcast invalidate by intermediate address (IPAS2E1), DSB, a broadcast invalidate of stage 1 of the VMID (VMALLE1), DSB';
}

function flushSequence(platform: Platform): string {
  const call =
    'a local invalidate and a cross call to every CPU that ran the address space, each acknowledged';
  if (!platform.broadcast) return call;
  return 'DSB, a broadcast invalidate (TLBI ...IS), DSB; or a local invalidate and an acknowledged cross call';
}

/** How far a line that CPU `writer` has stored to must be cleaned for a device that does not look into caches. */
export function whereDevicesRead(writer: number, { outer }: Platform): string {
  const inner = `to the point of coherency on CPU ${writer}`;
  if (outer?.maintainedBy !== 'controller') return inner;
  return `${inner}, then out of the outer cache through its controller, which no operation of a CPU reaches`;
}

function ioTlb(device: number): string {
  return `invalidate the TLB of CPU ${device} when the I/O table has changed and the change is in memory`;
}

/** Is the copy one of another location, which a cache takes for this one because its tags are virtual? */
export function isOfAnotherPage({ version, newest, got, expected }: FindingRecord): boolean {
  return version >= newest && got !== expected;
}

const DROP_OLD_PAGE =
  'before another page is mapped at the address, or another address space is given the ASID';

function forData(finding: FindingRecord, platform: Platform): string {
  const inPrivateCache = finding.place === PLACE_L1D || finding.place === PLACE_L2;
  if (!inPrivateCache) {
    // Not by set and way, which is for the caches of one CPU, where the line need not be any more.
    const who = platform.maintenance.byAddress === 'broadcast' ? 'any CPU' : `CPU ${finding.writer}`;
    const isPast = finding.place === PLACE_UNCACHED && platform.outer?.maintainedBy === 'controller';
    const outer = isPast ? ', and out of the outer cache through its controller' : '';
    return `clean the line by its address to the point of coherency, on ${who}, after the write${outer}`;
  }
  if (isOfAnotherPage(finding)) {
    return `clean and invalidate the lines of the old page on CPU ${finding.cpu} ${DROP_OLD_PAGE}`;
  }
  if (finding.writer === finding.cpu) {
    return `on CPU ${finding.cpu}, clean and invalidate the line by the address that was stored through, and before the read drop what is left of it under the address that is read`;
  }
  const invalidate = `invalidate the line on CPU ${finding.cpu} before it reads`;
  if (platform.coherence === 'none')
    return `clean the line on CPU ${finding.writer} after the write, and ${invalidate}`;
  return `${invalidate}: clean and invalidate aliases and copies that the protocol does not snoop`;
}

function forInstruction(finding: FindingRecord, platform: Platform): string {
  const clean =
    platform.l1i.fillsFrom === 'unification' ? 'clean the line to the point of unification, DSB, then ' : '';
  if (finding.place === PLACE_FETCHED_AHEAD) {
    return `a context synchronization on CPU ${finding.cpu} (ISB; on x86 a serializing instruction), after whoever wrote the instruction has maintained the caches, before it runs`;
  }
  if (finding.place !== PLACE_L1I) return `${clean}fetch again`;
  if (isOfAnotherPage(finding)) {
    return `invalidate the instruction cache of CPU ${finding.cpu} ${DROP_OLD_PAGE}`;
  }
  const where = platform.maintenance.icache === 'broadcast' ? 'everywhere' : `on CPU ${finding.cpu}`;
  return `${clean}invalidate the instruction cache ${where}, DSB, and ISB on CPU ${finding.cpu}`;
}
