/** What would have prevented a finding, in the operations of the platform it was found on. */
import { PLACE_L1D, PLACE_L1I, PLACE_L2 } from '../machine/check-port.ts';
import type { Platform } from '../machine/platform.ts';
import type { FindingRecord } from './finding.ts';

/** One sentence for the kernel's author. */
export function remedyOf(finding: FindingRecord, platform: Platform): string {
  switch (finding.kind) {
    case 'stale-translation':
      return forTranslation(finding.diagnosis, platform);
    case 'freed-frame':
      return `free a frame only after the flush has returned: ${flushSequence(platform)}`;
    case 'walker-old-entry':
      return platform.mmu.pageTables === 'clean'
        ? 'after writing a table entry, clean its line to where the walker reads, then a completion barrier (DSB)'
        : 'a completion barrier (DSB) after the table write, before anything relies on it';
    case 'freed-table':
      return 'unlink the table, flush on every CPU that may know of it, lazy ones included, and free it only when lockless walkers have left it: after an IPI to all, or deferred';
    case 'stale-data':
      return forData(finding, platform);
    case 'stale-instruction':
      return forInstruction(finding, platform);
    case 'lost-write':
      return finding.detail >= 0
        ? 'clean and invalidate the older copy before the location is written through another cache or alias'
        : 'clean before invalidating, or clean+invalidate in one operation';
    case 'multiple-match':
      return 'break before make: write an invalid entry, flush the TLBs, only then write the new entry';
    case 'deadlock':
      return 'never wait for an acknowledgement with interrupts masked: enable them, or answer calls while waiting';
    case 'invariant':
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

function flushSequence(platform: Platform): string {
  const call =
    'a local invalidate and a cross call to every CPU that ran the address space, each acknowledged';
  if (!platform.broadcast) return call;
  return 'DSB, a broadcast invalidate (TLBI ...IS), DSB; or a local invalidate and an acknowledged cross call';
}

function forData(finding: FindingRecord, platform: Platform): string {
  const inPrivateCache = finding.place === PLACE_L1D || finding.place === PLACE_L2;
  if (!inPrivateCache)
    return `clean the line to the point of coherency on CPU ${finding.writer} after the write`;
  const invalidate = `invalidate the line on CPU ${finding.cpu} before it reads`;
  if (platform.coherence === 'none')
    return `clean the line on CPU ${finding.writer} after the write, and ${invalidate}`;
  return `${invalidate}: clean and invalidate aliases and copies that the protocol does not snoop`;
}

function forInstruction(finding: FindingRecord, platform: Platform): string {
  const clean =
    platform.l1i.fillsFrom === 'unification' ? 'clean the line to the point of unification, DSB, then ' : '';
  if (finding.place !== PLACE_L1I) return `${clean}fetch again`;
  const where = platform.maintenance.icache === 'broadcast' ? 'everywhere' : `on CPU ${finding.cpu}`;
  return `${clean}invalidate the instruction cache ${where}, DSB, and ISB on CPU ${finding.cpu}`;
}
