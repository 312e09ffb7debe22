/**
 * Rules that an allocator of VMIDs keeps, and some about what guests and their devices find: like asid-rules.ts, with virtual
 * machines in place of address spaces.
 */
import type { FindingRecord } from './finding.ts';

/** In a finding: `got`, `expected` and `other` as said here. */
export const VMID_RULE = {
  /** A number is in use by one VM per generation. Number, index of the VM, other CPU or -1. */
  SHARED: 111,
  /** The register holds the running VM's own current number. Register, current number. */
  NOT_OWN: 112,
  /** No TLB holds what another VM left under a number. Number, index of the VM, index of the other VM. */
  LEFT_OVER: 113,
  /** The same of a walk cache. */
  LEFT_OVER_TABLE: 114,
  /** There are more usable numbers than CPUs. Usable numbers, CPUs. */
  TOO_FEW: 116,
  /** An access of a vCPU reaches the page that this vCPU's own tables map. What was there, what ought to be. */
  OTHER_VCPU: 117,
  /** An access of a VM reaches the memory of that VM. What was there, index of the VM + 1. */
  OTHER_VM: 118,
  /** A device finds a page of its guest in the stage-2 table that both share. Page of the transfer, number of the device. */
  DEVICE_FAULT: 119,
} as const;

interface VmidRule {
  readonly title: string;
  found(finding: FindingRecord): string;
  readonly missing: string;
  readonly remedy: string;
}

const FLUSH_AT_ROLLOVER =
  'when numbers run out, invalidate what all CPUs have of all guests before a number is used again';

/** By number. */
export const vmidRules: Readonly<Record<number, VmidRule>> = {
  [VMID_RULE.SHARED]: {
    title: 'a VMID is in use by two virtual machines',
    found: ({ cpu, got, expected, other }) =>
      `VM ${expected} starts using VMID ${got} on CPU ${cpu}, and another one uses it${other < 0 ? ' in the same generation' : ` on CPU ${other}`}`,
    missing: 'the allocator did not know that the number was in use when it handed it out',
    remedy:
      'at a rollover carry the numbers over that running vCPUs use, or make every CPU leave its guest and take a new one before any is used',
  },
  [VMID_RULE.NOT_OWN]: {
    title: 'a guest runs with a VMID that is not its VM’s own',
    found: ({ cpu, got, expected }) =>
      `CPU ${cpu} runs a guest with VMID ${got}; its VM has VMID ${expected} now`,
    missing: 'the number changed between being read and the entry into the guest',
    remedy:
      'with interrupts masked look once more, right before the entry, whether the number is of this generation',
  },
  [VMID_RULE.LEFT_OVER]: {
    title: 'a VMID is handed out again while a TLB holds an entry of its last user',
    found: ({ cpu, got, expected, other }) =>
      `VM ${expected} starts using VMID ${got} on CPU ${cpu}, whose TLB has an entry with that VMID from the stage-2 tables of VM ${other}`,
    missing: 'a TLB invalidate on this CPU after the last fill under the old number and before its next user',
    remedy: FLUSH_AT_ROLLOVER,
  },
  [VMID_RULE.LEFT_OVER_TABLE]: {
    title: 'a VMID is handed out again while a walk cache holds a table of its last user',
    found: ({ cpu, got, expected, other }) =>
      `VM ${expected} starts using VMID ${got} on CPU ${cpu}, whose walk cache has a table of VM ${other} under it`,
    missing: 'a TLB invalidate on this CPU after the last walk under the old number and before its next user',
    remedy: FLUSH_AT_ROLLOVER,
  },
  [VMID_RULE.TOO_FEW]: {
    title: 'no VMID is left after a rollover',
    found: ({ got, expected }) =>
      `${got} usable VMID${got === 1 ? '' : 's'} for ${expected} CPUs: after a rollover each CPU may hold one, and none is left for the next VM`,
    missing: 'at least one usable VMID more than there are CPUs, number 0 being the host’s',
    remedy: 'use more usable VMIDs than CPUs, as KVM warns (arch/arm64/kvm/vmid.c, kvm_arm_vmid_alloc_init)',
  },
  [VMID_RULE.OTHER_VCPU]: {
    title: 'a vCPU used a translation of another vCPU of its VM',
    found: ({ cpu, got, expected }) =>
      `CPU ${cpu} ran vCPU ${expected - 1} and loaded from the page that the tables of vCPU ${got - 1} map at that address`,
    missing:
      'both have the VMID of their VM and use the same ASID, so the TLB took the entry of the one for the other’s',
    remedy:
      'when a vCPU is loaded where another one of its VM ran last, invalidate this CPU’s stage-1 entries of the VMID',
  },
  [VMID_RULE.OTHER_VM]: {
    title: 'a guest reached the memory of another virtual machine',
    found: ({ cpu, got, expected }) =>
      `CPU ${cpu} ran VM ${expected - 1} and loaded ${got === 0 ? 'from no VM’s page' : `from a page of VM ${got - 1}`}`,
    missing: 'the TLB gave it an entry that was made from the tables of the other one under the same VMID',
    remedy: FLUSH_AT_ROLLOVER,
  },
  [VMID_RULE.DEVICE_FAULT]: {
    title: 'a transfer of a guest’s device faulted on memory that the guest has',
    found: ({ got, expected }) =>
      `device ${expected} uses the guest’s stage-2 table by its IOMMU, and the entry of the page at IPA 0x${((got << 12) >>> 0).toString(16)} was not valid: the hypervisor had made it so to see what the guest uses`,
    missing: 'a device’s fault cannot be resolved, as a guest’s can: its transfer is lost',
    remedy:
      'do not track accesses by invalid entries in a table that a device shares: flush all of the guest’s memory, or refuse operations by set and way (Xen, p2m_set_way_flush, iommu_use_hap_pt)',
  },
};
