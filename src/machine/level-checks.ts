/** What a platform says about the levels of a table, of either stage: do they add up? */
import { PAGE_BYTES } from './platform.ts';
import type { Add } from './platform-issues.ts';

/** The root table may be larger than a page: the short descriptors of 32-bit Arm have one of 16 KB. */
const MAX_ROOT_TABLE_BYTES = 16384;
const VPN_BITS = 20;

/** @param path of the levels, for problems */
export function checkLevels(
  levels: readonly { readonly bits: number; readonly leaf: boolean }[],
  path: string,
  entryBytes: number,
  add: Add,
): void {
  const sum = levels.reduce((bits, level) => bits + level.bits, 0);
  if (sum !== VPN_BITS) {
    const why = `the bits add up to ${sum}`;
    add(
      path,
      `${why}; 32-bit addresses with pages of 4 KB need ${VPN_BITS}, change one level by ${VPN_BITS - sum}`,
    );
    return;
  }
  if (!levels[levels.length - 1].leaf) {
    add(`${path}.${levels.length - 1}.leaf`, 'entries of the last level map pages; set it to true');
  }
  let below = VPN_BITS;
  for (const [i, { bits, leaf }] of levels.entries()) {
    below -= bits;
    if (leaf && below === VPN_BITS) {
      add(`${path}.${i}.leaf`, 'an entry of this level would map all 4 GB; set it to false');
    }
    const mostBytes = i === 0 ? MAX_ROOT_TABLE_BYTES : PAGE_BYTES;
    if (2 ** bits * entryBytes <= mostBytes) continue;
    const most = Math.log2(mostBytes / entryBytes);
    const table = i === 0 ? 'a root table of 16 KB' : 'a table of one page';
    add(
      `${path}.${i}.bits`,
      `${bits} bits of ${entryBytes}-byte entries exceed ${table}; use at most ${most}`,
    );
  }
}
