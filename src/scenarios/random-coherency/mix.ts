/**
 * Which operations a program does how often. Swarm testing: each run leaves some of them out and skews the
 * rest, because a mix of everything never gets deep into anything.
 */
import type { Platform } from '../../machine/platform.ts';
import type { Mode } from './organisations.ts';
import type { Random } from './random.ts';

/** Operations and their usual share. */
const weights = {
  load: 60,
  store: 50,
  modify: 12,
  exclusive: 8,
  touch: 4,
  fetch: 10,
  dmb: 4,
  dsb: 3,
  maintain: 10,
  setWay: 5,
  fetchMaintain: 2,
  remap: 5,
  tlbi: 3,
  switch: 4,
} as const;
export type Operation = keyof typeof weights;
const names = Object.keys(weights) as Operation[];

/** Loads and stores are never left out, or the run would not end. */
const ALWAYS: readonly Operation[] = ['load', 'store'];
const ENTRIES = 256;

function isPossible(operation: Operation, mode: Mode, platform: Platform, cpus: number): boolean {
  const { l1d, l1i } = platform;
  switch (operation) {
    case 'fetch':
      return mode === 'software' || (l1i.snooped && l1i.fillsFrom === 'data-caches');
    case 'remap':
    case 'tlbi':
      // In software mode translations stand still: the model knows none that change.
      return mode === 'coherent' && cpus > 1;
    case 'switch':
      // Unflushed, the same virtual tag would be two lines.
      return mode === 'coherent' || l1d.organisation !== 'vivt' || l1d.asidTagged;
    default:
      return true;
  }
}

/** A table to draw operations from by a byte. */
export function drawMix(random: Random, mode: Mode, platform: Platform, cpus: number): Operation[] {
  const chosen = names
    .filter((name) => isPossible(name, mode, platform, cpus))
    .map((name) => {
      const isOut = !ALWAYS.includes(name) && random.below(5) === 0;
      const skew = [0.3, 1, 1, 3][random.below(4)];
      return { name, weight: isOut ? 0 : weights[name] * skew };
    });
  const sum = chosen.reduce((total, { weight }) => total + weight, 0);
  const table = chosen.flatMap(({ name, weight }) =>
    Array.from({ length: Math.ceil((weight / sum) * ENTRIES) }, () => name),
  );
  return table.slice(0, Math.max(ENTRIES, table.length));
}
