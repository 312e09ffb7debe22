/**
 * From a schedule that fails to one that fails in the same way with the fewest preemptions, and among those
 * with the fewest delays of the hardware. The search of bounded.ts finds it and proves that there is none
 * with fewer, as long as it can afford to; otherwise parts of the schedule are left out or moved together for
 * as long as it still fails (after Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input",
 * TSE 2002).
 */
import { BoundedRun, type Costs, type Neighbour } from './bounded.ts';
import type { Execution } from './execution.ts';
import { Policy } from './policy.ts';
import { signatureOf } from './shard.ts';

export interface Shrunk {
  readonly choices: readonly number[];
  readonly preemptions: number;
  readonly delays: number;
  /** No schedule with fewer preemptions fails like this (within the delays that were tried). */
  readonly minimal: boolean;
  /** Runs that it took. */
  readonly runs: number;
}

/** Delays of the hardware that the search reckons with. */
const MOST_DELAYS = 2;

/**
 * @param choices of a run that ends with `signature`
 * @param maxRuns to make at most
 */
export function shrink(
  on: Execution,
  choices: readonly number[],
  signature: string,
  maxRuns: number,
): Shrunk {
  const left = new Reduction(on, signature, maxRuns).reduce(choices);
  const found = searchBelow(on, left, signature, maxRuns);
  return { ...(found.best ?? left), minimal: found.complete, runs: left.runs + found.runs };
}

interface Candidate extends Costs {
  readonly choices: readonly number[];
}

/** Looks for a schedule that costs less than `than`, the cheapest first. */
function searchBelow(
  on: Execution,
  than: Candidate,
  signature: string,
  maxRuns: number,
): { best?: Candidate; complete: boolean; runs: number } {
  const most = { preemptions: than.preemptions, delays: Math.max(MOST_DELAYS, than.delays) };
  const run = new BoundedRun(on, most);
  const levels = new Map<string, Neighbour[]>([['0,0', [{ deviations: [], preemptions: 0, delays: 0 }]]]);
  let runs = 0;
  for (let preemptions = 0; preemptions <= most.preemptions; preemptions++) {
    for (let delays = 0; delays <= most.delays; delays++) {
      // As cheap as what is there already: nothing cheaper exists.
      if (preemptions === than.preemptions && delays >= than.delays) return { complete: true, runs };
      const level = levels.get(`${preemptions},${delays}`) ?? [];
      for (let at = 0; at < level.length; at++) {
        if (runs++ >= maxRuns) return { complete: false, runs };
        run.run(level[at].deviations);
        if (signatureOf(on) === signature) {
          return { best: { choices: run.choices, preemptions, delays }, complete: true, runs };
        }
        if (on.outcome !== 'finished' && on.outcome !== 'step-limit') continue;
        for (const neighbour of run.neighbours) {
          const key = `${neighbour.preemptions},${neighbour.delays}`;
          const queue = levels.get(key);
          if (!queue) levels.set(key, [neighbour]);
          else if (queue.length <= maxRuns) queue.push(neighbour);
        }
      }
      levels.delete(`${preemptions},${delays}`);
    }
  }
  return { complete: true, runs };
}

/** A stretch of a schedule: the same choice several times. */
type Stretch = readonly [choice: number, count: number];

class Reduction {
  private readonly on: Execution;
  private readonly signature: string;
  private readonly maxRuns: number;
  private runs = 0;

  constructor(on: Execution, signature: string, maxRuns: number) {
    this.on = on;
    this.signature = signature;
    this.maxRuns = maxRuns;
  }

  reduce(choices: readonly number[]): Candidate & { runs: number } {
    let best = this.attempt(stretchesOf(choices), Number.POSITIVE_INFINITY);
    if (!best) throw new Error('shrink: the schedule does not fail as it is said to');
    for (let size = best.choices.length >> 1; size >= 1; ) {
      const better = this.pass(best, size);
      if (better) best = better;
      else size >>= 1;
      if (this.runs >= this.maxRuns) break;
    }
    return { ...best, runs: this.runs };
  }

  /** Leaves `size` stretches out, or moves the one behind them to the front of them. */
  private pass(best: Candidate, size: number): Candidate | undefined {
    const stretches = stretchesOf(best.choices);
    const cost = costOf(best);
    for (let at = 0; at < stretches.length && this.runs < this.maxRuns; at++) {
      const before = stretches.slice(0, at);
      const rest = stretches.slice(at + size);
      const without = this.attempt([...before, ...rest], cost);
      if (without) return without;
      if (rest.length === 0) continue;
      const moved = this.attempt(
        [...before, rest[0], ...stretches.slice(at, at + size), ...rest.slice(1)],
        cost,
      );
      if (moved) return moved;
    }
    return undefined;
  }

  /** Runs it as far as it goes and on without interference; the run if it fails alike and costs less. */
  private attempt(stretches: readonly Stretch[], below: number): Candidate | undefined {
    const { on } = this;
    const policy = new Policy();
    const choices: number[] = [];
    const take = (choice: number, otherwise: number) => {
      policy.note(on, choice, otherwise);
      choices.push(choice);
      on.take(choice);
    };
    this.runs++;
    on.restart();
    for (const [choice, count] of stretches) {
      for (let n = 0; n < count && on.outcome === undefined && on.canTake(choice); n++) {
        take(choice, policy.choose(on));
      }
    }
    while (on.outcome === undefined) {
      const choice = policy.choose(on);
      if (choice < 0) on.conclude();
      else take(choice, choice);
    }
    const { preemptions, delays } = policy;
    const candidate = { choices, preemptions, delays };
    return signatureOf(on) === this.signature && costOf(candidate) < below ? candidate : undefined;
  }
}

/** Preemptions before delays before length. */
function costOf({ preemptions, delays, choices }: Candidate): number {
  return preemptions * 1e9 + delays * 1e6 + choices.length;
}

function stretchesOf(choices: readonly number[]): Stretch[] {
  const stretches: [number, number][] = [];
  for (const choice of choices) {
    const last = stretches[stretches.length - 1];
    if (last?.[0] === choice) last[1]++;
    else stretches.push([choice, 1]);
  }
  return stretches;
}
