/**
 * Cuts an exploration into subtrees: every choice at the first few steps, without those whose runs are
 * equivalent to runs of an earlier subtree (they sleep, see dpor.ts). Where the cut goes depends on the
 * programs alone.
 */
import type { Execution } from './execution.ts';
import { conflict, type Footprint, type Footprints } from './footprint.ts';

export interface Prefix {
  readonly prefix: readonly number[];
  /** Choices that sleep after it: choice, then footprint. */
  readonly sleep: readonly (readonly [number, readonly number[]])[];
}

interface Subtree {
  readonly prefix: readonly number[];
  readonly sleep: ReadonlyMap<number, Footprint>;
}

/** Subtrees opened at most: a run in which nothing branches is not cut for ever. */
const MOST_OPENED = 400;

/** At least `wanted` subtrees that together hold every schedule, or fewer if there are not as many. */
export function cutPrefixes(on: Execution, footprints: Footprints, wanted: number): Prefix[] {
  let leaves: Subtree[] = [{ prefix: [], sleep: new Map() }];
  for (let opened = 0; leaves.length < wanted && opened < MOST_OPENED; opened++) {
    // The shortest first, so that all are about as deep.
    const shortest = leaves.reduce((a, b) => (b.prefix.length < a.prefix.length ? b : a));
    const children = open(on, footprints, shortest);
    if (children === undefined) break;
    leaves = leaves.flatMap((leaf) => (leaf === shortest ? children : [leaf]));
  }
  return leaves.map(({ prefix, sleep }) => ({
    prefix,
    sleep: [...sleep].map(([choice, footprint]) => [choice, [...footprint]] as const),
  }));
}

/** The subtrees of each next choice; undefined where the run has ended. */
function open(on: Execution, footprints: Footprints, { prefix, sleep }: Subtree): Subtree[] | undefined {
  replay(on, prefix);
  if (on.outcome !== undefined) return undefined;
  const asleep = new Map(sleep);
  const children: Subtree[] = [];
  for (const choice of on.enabled.slice(0, on.enabledCount)) {
    if (asleep.has(choice)) continue;
    replay(on, prefix);
    const from = on.events.length;
    on.take(choice);
    const footprint = footprints.of(choice, on.events, from);
    const below = [...asleep].filter(([, other]) => !conflict(other, footprint));
    children.push({ prefix: [...prefix, choice], sleep: new Map(below) });
    asleep.set(choice, footprint);
  }
  return children;
}

function replay(on: Execution, choices: readonly number[]): void {
  on.restart();
  for (const choice of choices) on.take(choice);
}
