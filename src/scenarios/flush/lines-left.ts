/** What follows when a mapping goes and its lines stay in the cache: an argument that scenarios share. */
import type { Platform } from '../../machine/platform.ts';
import { flushNeedsMapping } from '../../machine/traits.ts';
import type { Expectation } from '../scenario.ts';
import { clean, found, withoutAliases, writesBack } from './alias-facts.ts';
import { dataCacheFact, fact } from './facts.ts';

/**
 * The kernel reads the frame through its linear mapping next, uses it for something else, and maps another one at
 * the address.
 * @param who has stored through the mapping
 */
export function linesLeft(platform: Platform, who: 'the user' | 'the kernel'): Expectation {
  const kept = withoutAliases(platform);
  if (kept) return kept;
  if (flushNeedsMapping(platform)) {
    return found(
      ['flush-order', 'stale-data', 'lost-write'],
      `once the entry is cleared no flush finds the lines any more: ${fact(platform, 'maintenance.unmapped')}`,
    );
  }
  if (writesBack(platform)) {
    return found(
      ['stale-data', 'lost-write'],
      `what ${who} stored is dirty where the kernel’s linear address does not find it, and is written back over what the frame has next: ${dataCacheFact(platform)}`,
    );
  }
  return platform.l1d.organisation === 'vivt'
    ? found(
        ['stale-data'],
        `lines of the old page answer for the one that is mapped next: ${dataCacheFact(platform)}`,
      )
    : clean(`memory is never older than a line, and tags are physical: ${dataCacheFact(platform)}`);
}

/** The kernel has filled a frame through its linear mapping, and its lines stay when the frame is mapped elsewhere. */
export function fillLeft(platform: Platform): Expectation {
  const reason = writesBack(platform)
    ? 'what the kernel has filled the frame with is dirty in its own lines, and memory is read'
    : 'memory has what the kernel filled the frame with, but its lines stay and hide what is stored through the mapping until the kernel reads again';
  return withoutAliases(platform) ?? found(['stale-data'], `${reason}: ${dataCacheFact(platform)}`);
}
