/** The experiments that there are. */
import { ScenarioError } from '../../scenarios/scenario.ts';
import { asidRollover } from './asid-rollover.ts';
import { contextSwitches } from './context-switch.ts';
import type { Experiment } from './experiment.ts';
import { flushInterface } from './flush-interface.ts';
import { flushRange } from './flush-range.ts';
import { initiators } from './initiators.ts';
import { lazyTlb } from './lazy-tlb.ts';
import { lineMaintenance } from './line-maintenance.ts';
import { madvise } from './madvise.ts';
import { setWay } from './set-way.ts';
import { setWayHost } from './set-way-host.ts';
import { shootdown } from './shootdown.ts';
import { sockets } from './sockets.ts';
import { unmapBatching } from './unmap-batching.ts';
import { worlds } from './worlds.ts';

const all: readonly Experiment[] = [
  shootdown,
  flushRange,
  initiators,
  madvise,
  sockets,
  lazyTlb,
  unmapBatching,
  contextSwitches,
  asidRollover,
  worlds,
  flushInterface,
  setWay,
  setWayHost,
  lineMaintenance,
];

/** By name, in the order in which they are listed. */
export const experiments: Readonly<Record<string, Experiment>> = Object.fromEntries(
  all.map((experiment) => [experiment.name, experiment]),
);

/** @throws ScenarioError naming the experiments there are */
export function findExperiment(name: string): Experiment {
  if (Object.hasOwn(experiments, name)) return experiments[name];
  throw new ScenarioError(
    `there is no experiment '${name}': use one of ${Object.keys(experiments).join(', ')}`,
  );
}
