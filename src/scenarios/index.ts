/** All scenarios. */
import gupFast from './races/gup-fast.ts';
import hugetlbUnshare from './races/hugetlb-unshare.ts';
import lazyWalk from './races/lazy-walk.ts';
import mprotectMigrate from './races/mprotect-migrate.ts';
import mremapStale from './races/mremap-stale.ts';
import reclaimBatch from './races/reclaim-batch.ts';
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
];

export const scenarios: readonly Scenario[] = [tlbShootdown, randomCoherency, ...races];

/** @throws ScenarioError naming the scenarios there are */
export function findScenario(name: string): Scenario {
  const scenario = scenarios.find((s) => s.name === name);
  if (scenario) return scenario;
  throw new ScenarioError(
    `there is no scenario '${name}': use one of ${scenarios.map((s) => s.name).join(', ')}`,
  );
}
