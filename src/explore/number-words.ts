/** Numbers in the words of a timeline. */
import { TLBI_ALL, TLBI_ASID, TLBI_GUESTS, TLBI_IPA, TLBI_VMID, TLBI_VMID_STAGE1 } from '../machine/tlb.ts';

export function hex(value: number): string {
  return `0x${(value >>> 0).toString(16)}`;
}

/** Address of the page of an address. */
export function page(address: number): string {
  return hex(address & ~4095);
}

/** Small numbers as they are. */
export function shown(value: number): string {
  return value >= 0 && value < 4096 ? String(value) : hex(value);
}

/** `CPU 1`, `CPUs 0, 2` */
export function cpuList(cpus: readonly number[]): string {
  return `${cpus.length === 1 ? 'CPU' : 'CPUs'} ${cpus.join(', ')}`;
}

/** CPUs of a mask of 32. */
export function cpusOf(mask: number): string {
  return cpuList(Array.from({ length: 32 }, (_, i) => i).filter((i) => ((mask >>> i) & 1) === 1));
}

/** What a TLB invalidate is about. */
export function reachText(kind: number, pages: number, va: number): string {
  if (kind === TLBI_ALL) return 'everything';
  if (kind === TLBI_ASID) return 'the address space';
  if (kind === TLBI_VMID) return 'everything of a VMID';
  if (kind === TLBI_VMID_STAGE1) return 'what was made from stage 1 of a VMID';
  if (kind === TLBI_GUESTS) return 'everything of all guests';
  if (kind === TLBI_IPA)
    return `stage 2 of ${pages === 1 ? `page ${page(va)}` : `${pages} pages from ${page(va)}`}`;
  return pages === 1 ? `page ${page(va)}` : `${pages} pages from ${page(va)}`;
}
