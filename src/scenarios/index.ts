/** All scenarios. */
import asidRollover from './asid/asid-rollover.ts';
import cnp from './asid/cnp.ts';
import ctxPurge from './asid/ctx-purge.ts';
import pcidReorder from './asid/pcid-reorder.ts';
import reservedAsid from './asid/reserved-asid.ts';
import sharedAsid from './asid/shared-asid.ts';
import unmapVsRollover from './asid/unmap-vs-rollover.ts';
import worldSwitch from './asid/world-switch.ts';
import badAlias from './flush/bad-alias.ts';
import cowAlias from './flush/cow-alias.ts';
import cowAliasFork from './flush/cow-alias-fork.ts';
import type { FlushScenario } from './flush/define-flush.ts';
import dmaCoherent from './flush/dma-coherent.ts';
import dmaStreaming from './flush/dma-streaming.ts';
import execPage from './flush/exec-page.ts';
import kernelAliasWrite from './flush/kernel-alias-write.ts';
import kernelRemap from './flush/kernel-remap.ts';
import munmapRange from './flush/munmap-range.ts';
import noncoherentSmp from './flush/noncoherent-smp.ts';
import orderOfFlush from './flush/order-of-flush.ts';
import pageFlip from './flush/page-flip.ts';
import r4000Vce from './flush/r4000-vce.ts';
import walkerNotCoherent from './flush/walker-not-coherent.ts';
import arm32Decompressor from './hypervisor/arm32-decompressor.ts';
import setWay from './hypervisor/set-way.ts';
import setWayEmulation from './hypervisor/set-way-emulation.ts';
import shadowPtRead from './hypervisor/shadow-pt-read.ts';
import stage2Unmap from './hypervisor/stage2-unmap.ts';
import uncachedGuestBoot from './hypervisor/uncached-guest-boot.ts';
import uncachedGuestMapping from './hypervisor/uncached-guest-mapping.ts';
import vcpuMigrate from './hypervisor/vcpu-migrate.ts';
import vcpuShare from './hypervisor/vcpu-share.ts';
import vmidRollover from './hypervisor/vmid-rollover.ts';
import vmidStale from './hypervisor/vmid-stale.ts';
import gupFast from './races/gup-fast.ts';
import hugetlbUnshare from './races/hugetlb-unshare.ts';
import lazyWalk from './races/lazy-walk.ts';
import mprotectMigrate from './races/mprotect-migrate.ts';
import mremapStale from './races/mremap-stale.ts';
import reclaimBatch from './races/reclaim-batch.ts';
import setWaySmp from './races/set-way-smp.ts';
import specRefill from './races/spec-refill.ts';
import splitNoBbm from './races/split-no-bbm.ts';
import vmapNoBbm from './races/vmap-no-bbm.ts';
import zapDirty from './races/zap-dirty.ts';
import { randomCoherency } from './random-coherency/scenario.ts';
import { type Scenario, ScenarioError } from './scenario.ts';
import { tlbShootdown } from './tlb-shootdown/scenario.ts';

/** Bugs that were real ones; each has a wrong and a right variant. */
export const races: readonly Scenario[] = [
  mremapStale,
  mprotectMigrate,
  zapDirty,
  reclaimBatch,
  hugetlbUnshare,
  lazyWalk,
  gupFast,
  vmapNoBbm,
  splitNoBbm,
  specRefill,
  setWaySmp,
];

/** What each flush of the kernel is for, and on which machine. */
export const flushScenarios: readonly FlushScenario[] = [
  cowAlias,
  cowAliasFork,
  kernelAliasWrite,
  badAlias,
  pageFlip,
  r4000Vce,
  orderOfFlush,
  munmapRange,
  kernelRemap,
  walkerNotCoherent,
  execPage,
  dmaStreaming,
  dmaCoherent,
  noncoherentSmp,
];

/** Allocators of address-space identifiers. */
const asidScenarios: readonly Scenario[] = [
  asidRollover,
  reservedAsid,
  worldSwitch,
  cnp,
  unmapVsRollover,
  pcidReorder,
  ctxPurge,
  sharedAsid,
];

/** What guests do that hypervisors must cope with, and what hypervisors do. */
export const hypervisorScenarios: readonly Scenario[] = [
  shadowPtRead,
  setWay,
  arm32Decompressor,
  setWayEmulation,
  uncachedGuestBoot,
  uncachedGuestMapping,
  stage2Unmap,
  vmidStale,
  vcpuShare,
  vcpuMigrate,
  vmidRollover,
];

/** All of them, in groups for those who look around. */
export const scenarioGroups: readonly { readonly title: string; readonly scenarios: readonly Scenario[] }[] =
  [
    { title: 'TLB shootdown, and random tests of the machine', scenarios: [tlbShootdown, randomCoherency] },
    { title: 'bugs that were real ones', scenarios: races },
    { title: 'who needs which flush', scenarios: flushScenarios },
    { title: 'address-space identifiers', scenarios: asidScenarios },
    { title: 'hypervisors and guests', scenarios: hypervisorScenarios },
  ];

export const scenarios: readonly Scenario[] = scenarioGroups.flatMap((group) => group.scenarios);

/** @throws ScenarioError naming the scenarios there are */
export function findScenario(name: string): Scenario {
  const scenario = scenarios.find((s) => s.name === name);
  if (scenario) return scenario;
  throw new ScenarioError(
    `there is no scenario '${name}': use one of ${scenarios.map((s) => s.name).join(', ')}`,
  );
}
