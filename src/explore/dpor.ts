/**
 * Dynamic partial-order reduction with source sets and sleep sets: Abdulla, Aronis, Jonsson, Sagonas, "Optimal
 * Dynamic Partial Order Reduction", POPL 2014, section 5 (Source-DPOR), over the machine's own footprints and
 * with the hardware's agents as actors of their own. Every schedule is equivalent to one that it runs.
 *
 * Deviations: races are looked for as steps are taken and not at the end of a run, and a run is started again
 * from the beginning rather than taken back.
 */

import { encodeAction } from '../machine/agents.ts';
import { EVENT, EVENT_WORDS } from '../machine/events.ts';
import { Causality } from './causality.ts';
import { type Execution, FIRST_AGENT } from './execution.ts';
import { conflict, type Footprint, type Footprints } from './footprint.ts';

/** A point of the run where something was chosen. */
interface Node {
  choice: number;
  readonly enabled: readonly number[];
  /** Choices to be explored from here, explored ones included. */
  readonly wanted: number[];
  readonly done: Set<number>;
  /** Choices whose runs from here have been seen elsewhere, with what their step does. */
  readonly sleep: Map<number, Footprint>;
  footprint: Footprint;
}

export interface DporOptions {
  /** The first choices, already taken; only what comes after is explored. */
  readonly prefix?: readonly number[];
  /** Choices that sleep after the prefix. */
  readonly sleep?: ReadonlyMap<number, Footprint>;
  /** Runs to stop after, complete or not. */
  readonly maxRuns: number;
  readonly footprints: Footprints;
  /** Told of each run that came to an end, with its choices; returning false stops. */
  onRun(choices: readonly number[]): boolean;
}

export interface DporResult {
  /** Every schedule after the prefix has been explored, up to equivalence. */
  readonly complete: boolean;
  /** Runs that came to an end. */
  readonly runs: number;
  /** Runs cut short because an equivalent one had been seen. */
  readonly redundant: number;
  readonly steps: number;
  readonly longest: number;
}

const NOTHING: Footprint = new Int32Array(0);

export class Dpor {
  private readonly on: Execution;
  private readonly options: DporOptions;
  private readonly nodes: Node[] = [];
  private readonly causality = new Causality();
  private readonly prefix: readonly number[];
  private steps = 0;
  private longest = 0;
  /** The last step did nothing but find the write buffer full. */
  private isHeld = false;

  constructor(execution: Execution, options: DporOptions) {
    this.on = execution;
    this.options = options;
    this.prefix = options.prefix ?? [];
  }

  run(): DporResult {
    const { on, options } = this;
    let runs = 0;
    let redundant = 0;
    let complete = false;
    for (let goesOn = true; goesOn; ) {
      this.replay();
      if (this.extend()) {
        runs++;
        goesOn = options.onRun(this.nodes.map((node) => node.choice)) && runs + redundant < options.maxRuns;
      } else {
        redundant++;
        goesOn = runs + redundant < options.maxRuns;
      }
      this.longest = Math.max(this.longest, on.choices);
      if (this.backtrack()) continue;
      complete = true;
      break;
    }
    return { complete, runs, redundant, steps: this.steps, longest: this.longest };
  }

  /** Takes the choices of all nodes again, the last of which is new. */
  private replay(): void {
    const { on, nodes, causality } = this;
    const last = nodes.length - 1;
    on.listen(false);
    on.restart();
    for (let depth = 0; depth < last; depth++) on.retake(nodes[depth].choice);
    on.listen(true);
    this.steps += Math.max(0, last);
    causality.cutTo(Math.max(0, last));
    if (last >= 0) this.step(last, nodes[last].choice);
    while (nodes.length < this.prefix.length && on.outcome === undefined) {
      const choice = this.prefix[nodes.length];
      nodes.push({
        choice,
        enabled: on.enabled.slice(0, on.enabledCount),
        wanted: [choice],
        done: new Set([choice]),
        sleep: new Map(),
        footprint: NOTHING,
      });
      this.step(nodes.length - 1, choice);
    }
  }

  /** Goes on until the run ends; false if every choice left is one that sleeps. */
  private extend(): boolean {
    const { on, nodes } = this;
    while (on.outcome === undefined) {
      if (this.isHeld) return false;
      const sleep = this.sleepAfter(nodes.length);
      const choice = this.prefer(sleep);
      if (choice < 0) return false;
      nodes.push({
        choice,
        enabled: on.enabled.slice(0, on.enabledCount),
        wanted: [choice],
        done: new Set(),
        sleep,
        footprint: NOTHING,
      });
      this.step(nodes.length - 1, choice);
    }
    return true;
  }

  /** What sleeps below the first `depth` nodes. */
  private sleepAfter(depth: number): Map<number, Footprint> {
    if (depth === this.prefix.length) return new Map(this.options.sleep);
    const above = this.nodes[depth - 1];
    const sleep = new Map<number, Footprint>();
    for (const [choice, footprint] of above.sleep) {
      if (choice !== above.choice && !conflict(footprint, above.footprint)) sleep.set(choice, footprint);
    }
    return sleep;
  }

  /** Goes on with the CPU that moved last if it can, and lets the hardware wait: few preemptions first. */
  private prefer(sleep: ReadonlyMap<number, Footprint>): number {
    const { enabled, enabledCount } = this.on;
    const last = this.nodes[this.nodes.length - 1]?.choice ?? -1;
    let best = -1;
    for (let i = 0; i < enabledCount; i++) {
      const choice = enabled[i];
      if (sleep.has(choice)) continue;
      if (choice === last) return choice;
      if (best < 0) best = choice;
    }
    return best;
  }

  private step(depth: number, choice: number): void {
    const { on, options, nodes, causality } = this;
    const from = on.events.length;
    on.take(choice);
    this.steps++;
    const node = nodes[depth];
    node.footprint = options.footprints.of(choice, on.events, from);
    this.isHeld = depth >= this.prefix.length && this.waitsForRoom(node, from);
    if (this.isHeld) return;
    const races = causality.add(choice, node.footprint);
    // The prefix belongs to whoever explores its other choices.
    if (depth < this.prefix.length) return;
    for (const earlier of races) if (earlier >= this.prefix.length) this.turnAround(earlier, depth);
    this.letOthersFirst(node, from);
    if (on.outcome === 'finished' && this.leavesWork()) this.endElsewhere(depth);
  }

  /**
   * A store that finds the write buffer full changes nothing: the same run without this step has the buffer drain
   * first, and that one is explored.
   */
  private waitsForRoom({ choice, enabled, wanted }: Node, from: number): boolean {
    const { words, length } = this.on.events;
    if (choice >= FIRST_AGENT || from === length) return false;
    let isHeld = false;
    for (let at = from; at < length; at += EVENT_WORDS) {
      if (words[at] === EVENT.HELD) isHeld = true;
      else if (words[at] !== EVENT.OPEN) return false;
    }
    const drain = encodeAction('drain', choice, 0);
    if (!isHeld || !enabled.includes(drain)) return false;
    want(wanted, drain);
    return true;
  }

  /**
   * Who could have moved and now cannot, or has had its work done by this step, depends on it, though there
   * is no step of its own to race with: it must have its turn before.
   */
  private letOthersFirst(node: Node, from: number): void {
    const { on } = this;
    const { enabled, choice, wanted } = node;
    if (on.outcome !== 'step-limit') {
      for (const other of enabled) {
        if (other !== choice && !includes(on.enabled, on.enabledCount, other)) want(wanted, other);
      }
    }
    const { words, length } = on.events;
    for (let at = from; at < length; at += EVENT_WORDS) {
      const kind = words[at];
      if (kind !== EVENT.DRAIN && kind !== EVENT.ACT) continue;
      const other = encodeAction(kind === EVENT.DRAIN ? 'drain' : 'broadcast', words[at + 1], 0);
      if (other !== choice && enabled.includes(other)) want(wanted, other);
    }
  }

  /** True if something is left to be done when all programs have ended, which could have been done before. */
  private leavesWork(): boolean {
    const { budgets, view } = this.on;
    if (budgets.evict + budgets.prefetch > 0) return true;
    return (
      view.runners.some((runner) => runner.isReady()) || view.cpus.some((cpu) => view.agents.hasProgress(cpu))
    );
  }

  /** Lets other programs be the last to end: what this one leaves to be done is then done before that. */
  private endElsewhere(last: number): void {
    const { causality, nodes, on } = this;
    for (const { index } of on.view.cpus) {
      const end = causality.lastOf(index);
      if (end < this.prefix.length || nodes[end].choice === nodes[last].choice) continue;
      if (!causality.precedes(end, last)) this.turnAround(end, last);
    }
  }

  /** Makes sure that some run has step `late` before step `early`, with which it races. */
  private turnAround(early: number, late: number): void {
    const { nodes } = this;
    const node = nodes[early];
    const actor = nodes[late].choice;
    const first = this.initials(early, late);
    for (const choice of first) if (node.wanted.includes(choice)) return;
    const possible = first.filter((c) => node.enabled.includes(c));
    const choice = possible.includes(actor) ? actor : possible[0];
    // Where there is none, step `early` is what made `late` possible, and cannot come after it.
    if (choice !== undefined) node.wanted.push(choice);
  }

  /** Who can begin a run that has what does not depend on step `early`, and then step `late`. */
  private initials(early: number, late: number): number[] {
    const { causality, nodes } = this;
    const between: number[] = [];
    const first: number[] = [];
    for (let step = early + 1; step <= late; step++) {
      if (step < late && causality.precedes(early, step)) continue;
      if (!between.some((other) => causality.precedes(other, step))) first.push(nodes[step].choice);
      between.push(step);
    }
    return first;
  }

  /** Cuts the run back to the deepest point with a choice left; false if there is none. */
  private backtrack(): boolean {
    const { nodes } = this;
    while (nodes.length > this.prefix.length) {
      const node = nodes[nodes.length - 1];
      node.sleep.set(node.choice, node.footprint);
      node.done.add(node.choice);
      const next = node.wanted.find((choice) => !node.done.has(choice) && !node.sleep.has(choice));
      if (next !== undefined) {
        node.choice = next;
        return true;
      }
      nodes.pop();
    }
    return false;
  }
}

function want(wanted: number[], choice: number): void {
  if (!wanted.includes(choice)) wanted.push(choice);
}

function includes(list: readonly number[], count: number, choice: number): boolean {
  for (let i = 0; i < count; i++) if (list[i] === choice) return true;
  return false;
}
