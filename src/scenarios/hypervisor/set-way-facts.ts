/** What follows for operations by set and way from a platform's description: the arguments that scenarios share. */
import type { Platform } from '../../machine/platform.ts';
import { clean, found } from '../flush/alias-facts.ts';
import { memoryIsCurrent } from '../flush/dma-facts.ts';
import { fact } from '../flush/facts.ts';
import type { Expectation } from '../scenario.ts';

const ARM_ARM = 'Arm ARM DDI 0487, D7.5.9, effects of All and set/way maintenance instructions';

/** Why a platform has no operations by set and way, or undefined if it has. */
export function withoutSetWay(platform: Platform): string | undefined {
  if (platform.maintenance.setWay !== false) return undefined;
  return `there is nothing to execute: ${fact(platform, 'maintenance.setWay')}`;
}

/** Why a platform has no cache behind those of its CPUs, or undefined if it has. */
export function withoutSystemCache({ name, outer }: Platform): string | undefined {
  return outer ? undefined : `${name} has no cache behind those of its CPUs`;
}

/** May a CPU's own caches be newer than everything behind them? */
const dirtiesOwn = ({ l1d, l2 }: Platform): boolean => l1d.write === 'write-back' || l2 !== undefined;

/** The verdict where no cache is ever newer than memory; undefined where one may be. */
export function alwaysCurrent(platform: Platform): Expectation | undefined {
  if (!memoryIsCurrent(platform)) return undefined;
  return clean(
    `nothing is ever dirty, so memory is current with or without a flush: ${fact(platform, 'l1d.write')}`,
  );
}

/** What must show when every CPU's caches have been emptied by set and way, and nobody runs who could fill them. */
export function allEmptied(platform: Platform): Expectation {
  const { name, outer, shared, maintenance } = platform;
  const current = alwaysCurrent(platform);
  if (current) return current;
  if (outer) {
    return found(
      ['stale-data'],
      `what leaves the CPU’s caches stops in the outer cache, which no operation by set and way reaches (${ARM_ARM}, note on system caches): ${fact(platform, 'outer.maintainedBy')}`,
    );
  }
  if (shared && !maintenance.setWayReachesShared) {
    return found(
      ['stale-data'],
      `what leaves the CPU’s own caches stops in the shared one: ${fact(platform, 'maintenance.setWayReachesShared')}`,
    );
  }
  return clean(
    `no other CPU runs, and ${name} has no cache that the operations do not reach, which is what they are for (${ARM_ARM}; TF-A docs/perf/psci-performance-juno.rst, the last CPU of a cluster)`,
  );
}

/** What must show when other CPUs' caches may have the line. @param how it is missed */
export function missedElsewhere(platform: Platform, how: string): Expectation {
  const current = alwaysCurrent(platform);
  if (current) return current;
  if (!dirtiesOwn(platform)) return allEmptied(platform);
  return found(['stale-data'], `${how} (${ARM_ARM})`);
}

/** What must show when only the first level is emptied. */
export function firstLevelEmptied(platform: Platform): Expectation {
  const current = alwaysCurrent(platform);
  if (current) return current;
  const below = (['l2', 'shared', 'outer'] as const).find((level) => platform[level] !== undefined);
  if (below === undefined) return allEmptied(platform);
  return found(['stale-data'], `the line is dirty one level down: ${fact(platform, `${below}.sizeBytes`)}`);
}

/** What must show when lines are cleaned by address. */
export function byAddress(platform: Platform): Expectation {
  const current = alwaysCurrent(platform);
  if (current) return current;
  const { maintenance, maxCpus, outer } = platform;
  const alone = maintenance.byAddress === 'local' && maxCpus > 1;
  const taken = alone ? ', once this CPU has taken it,' : '';
  const controller =
    outer?.maintainedBy === 'controller' ? ' and through the controller of the outer cache' : '';
  return clean(
    `by address a line is found wherever it is${taken} and cleaned${controller} as far as memory (Arm ARM DDI 0487, D7.5.9, point of coherency)`,
  );
}
