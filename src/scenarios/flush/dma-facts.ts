/** What follows for transfers of devices from a platform's description: the arguments that scenarios share. */

import { speculates } from '../../kernel/dma.ts';
import type { Platform } from '../../machine/platform.ts';
import type { Expectation } from '../scenario.ts';
import { clean, found } from './alias-facts.ts';
import { dataCacheFact, fact } from './facts.ts';

/** Do devices look into the caches? A platform without a protocol has nothing that could answer them. */
export const isSnooped = ({ dma, coherence }: Platform): boolean => dma.snooped && coherence !== 'none';

/** The verdict where caches hear of what devices do; undefined where they do not. */
export function whereSnooped(platform: Platform): Expectation | undefined {
  if (!isSnooped(platform)) return undefined;
  return clean(`nothing to flush: ${fact(platform, 'dma.snooped')}`);
}

/** The verdict where devices use physical addresses; undefined where an I/O table translates theirs. */
export function withoutIommu(platform: Platform): Expectation | undefined {
  if (platform.dma.iommu) return undefined;
  return clean(`there is no entry to flush: ${fact(platform, 'dma.iommu')}`);
}

/** Is memory never older than a cache? */
export const memoryIsCurrent = ({ l1d, l2, shared, outer }: Platform): boolean =>
  l1d.write === 'write-through' && !l2 && !shared && !outer;

/** What shows where entries of the I/O table are left in the cache. */
export function tableInCache(platform: Platform): Expectation {
  const none = withoutIommu(platform);
  if (none) return none;
  if (memoryIsCurrent(platform)) {
    return clean(`the entry is in memory as soon as it is stored: ${fact(platform, 'l1d.write')}`);
  }
  return found(
    ['walker-old-entry'],
    `the entry is dirty in a cache, and the IOMMU reads memory: ${dataCacheFact(platform)}`,
  );
}

/** Why no line comes in by itself. */
export function asksForAll(platform: Platform): string {
  return `no line comes in that no program asked for: ${fact(platform, 'agents')}`;
}

export { speculates };
