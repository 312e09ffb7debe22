/** Versions of table entries and code words: the values they have had, in coherence order. */
import { type Layout, VERSIONS } from './layout.ts';

export function versionCount(layout: Layout, state: Int32Array, versioned: number): number {
  return state[layout.history + versioned * (1 + VERSIONS)];
}

export function versionValue(layout: Layout, state: Int32Array, versioned: number, version: number): number {
  return state[layout.history + versioned * (1 + VERSIONS) + 1 + version];
}

/** @returns false if there have been too many to be told apart */
export function addVersion(layout: Layout, state: Int32Array, versioned: number, value: number): boolean {
  const at = layout.history + versioned * (1 + VERSIONS);
  const count = state[at];
  if (count === VERSIONS) return false;
  state[at + 1 + count] = value;
  state[at] = count + 1;
  return true;
}

/**
 * Which versions of those that may be used have different values: of equal ones the last, as it is subject
 * to the fewest invalidates.
 * @param usable bits
 */
export function distinctVersions(
  layout: Layout,
  state: Int32Array,
  versioned: number,
  usable: number,
): number {
  let distinct = 0;
  for (let version = versionCount(layout, state, versioned) - 1; version >= 0; version--) {
    if ((usable & (1 << version)) === 0) continue;
    const value = versionValue(layout, state, versioned, version);
    let isNew = true;
    for (let later = version + 1; later < VERSIONS && isNew; later++) {
      if ((distinct & (1 << later)) !== 0) isNew = versionValue(layout, state, versioned, later) !== value;
    }
    if (isNew) distinct |= 1 << version;
  }
  return distinct;
}
