/** What follows for aliases from a platform's description: the arguments that scenarios share. */
import type { FindingKind } from '../../checker/finding.ts';
import type { Platform } from '../../machine/platform.ts';
import { dataAliases } from '../../machine/traits.ts';
import type { Expectation } from '../scenario.ts';
import { dataCacheFact, fact } from './facts.ts';

export const clean = (reason: string): Expectation => ({ expect: 'clean', reason });
export const found = (expect: readonly FindingKind[], reason: string): Expectation => ({ expect, reason });

/** The verdict where no two copies of a word can go apart unnoticed; undefined where they can. */
export function withoutAliases(platform: Platform): Expectation | undefined {
  const { l2, name } = platform;
  if (!dataAliases(platform)) {
    return clean(
      `nothing to flush: ${dataCacheFact(platform)}, so ${name} finds a word in one place, whatever address it is reached by`,
    );
  }
  if (l2?.primaryIndex !== true) return undefined;
  return clean(
    `an access through another index than the line came in by traps, and the handler brings the copies together: ${fact(platform, 'l2.primaryIndex')}`,
  );
}

/** The verdict where every flush is made that is asked for. @param how it comes out right */
export function flushed(platform: Platform, how: string): Expectation {
  return withoutAliases(platform) ?? clean(`${how}, although ${dataCacheFact(platform)}`);
}

/** Are lines ever newer than memory? */
export const writesBack = ({ l1d }: Platform): boolean => l1d.write === 'write-back';

/** Does a store that misses bring its line in, to be newer there than memory? */
export const storesAllocate = ({ l1d }: Platform): boolean =>
  l1d.allocate === 'read-write' && l1d.write === 'write-back';
