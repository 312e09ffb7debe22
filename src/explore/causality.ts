/**
 * Which steps of a run happened before which, from their footprints alone: program order, and conflicts in the
 * order in which they took place. The sets of predecessors are bit sets over the steps.
 */
import type { Footprint } from './footprint.ts';

interface Access {
  /** Last step that wrote the resource, -1 if none did. */
  write: number;
  /** Steps that have read it since. */
  reads: number[];
}

/** What an access was before a step. */
interface Undo {
  readonly access: Access;
  readonly write: number;
  /** Undefined if the step only read: then it is the last of those that did. */
  readonly reads: number[] | undefined;
}

export class Causality {
  /** Steps so far. */
  length = 0;
  /** Who took each step: the choice. */
  readonly actors: number[] = [];
  /** Steps that happened before each. */
  readonly before: Int32Array[] = [];
  private readonly accesses = new Map<number, Access>();
  private readonly last = new Map<number, number>();
  /** What each step changed, and the step that its actor had taken before. */
  private readonly undo: Undo[][] = [];
  private readonly previous: number[] = [];

  /** Forgets all steps from number `length` on. */
  cutTo(length: number): void {
    while (this.length > length) {
      const step = --this.length;
      const undo = this.undo[step];
      for (let i = undo.length - 1; i >= 0; i--) {
        const { access, write, reads } = undo[i];
        access.write = write;
        if (reads === undefined) access.reads.pop();
        else access.reads = reads;
      }
      this.last.set(this.actors[step], this.previous[step]);
    }
  }

  /** True if step `a` happened before step `b`. */
  precedes(a: number, b: number): boolean {
    const word = this.before[b][a >>> 5];
    return word !== undefined && (word & (1 << (a & 31))) !== 0;
  }

  /** Last step of an actor so far, -1 if it has taken none. */
  lastOf(actor: number): number {
    return this.last.get(actor) ?? -1;
  }

  /**
   * Adds a step.
   * @returns the steps that it races with: conflicting, of others, and nothing in between orders the two
   */
  add(actor: number, footprint: Footprint): number[] {
    const step = this.length++;
    const direct = this.conflicting(step, footprint);
    const own = this.lastOf(actor);
    // Steps of that number in runs that are over have left theirs.
    const before = this.before[step] ?? new Int32Array((step >>> 5) + 1);
    before.fill(0);
    if (own >= 0) this.join(before, own);
    // The latest first: what it follows it orders as well.
    direct.sort((a, b) => b - a);
    const races: number[] = [];
    for (const earlier of direct) {
      if ((before[earlier >>> 5] & (1 << (earlier & 31))) !== 0) continue;
      if (this.actors[earlier] !== actor) races.push(earlier);
      this.join(before, earlier);
    }
    this.actors[step] = actor;
    this.before[step] = before;
    this.previous[step] = own;
    this.last.set(actor, step);
    return races;
  }

  private conflicting(step: number, footprint: Footprint): number[] {
    const direct: number[] = [];
    const undo: Undo[] = [];
    this.undo[step] = undo;
    for (let i = 0; i < footprint.length; i += 2) {
      let access = this.accesses.get(footprint[i]);
      if (!access) {
        access = { write: -1, reads: [] };
        this.accesses.set(footprint[i], access);
      }
      if (footprint[i + 1] === 0) {
        if (access.write >= 0) direct.push(access.write);
        access.reads.push(step);
        undo.push({ access, write: access.write, reads: undefined });
        continue;
      }
      if (access.write >= 0) direct.push(access.write);
      for (const read of access.reads) if (read !== step) direct.push(read);
      undo.push({ access, write: access.write, reads: access.reads });
      access.write = step;
      access.reads = [];
    }
    return direct;
  }

  private join(into: Int32Array, earlier: number): void {
    const from = this.before[earlier];
    for (let i = 0; i < from.length; i++) into[i] |= from[i];
    into[earlier >>> 5] |= 1 << (earlier & 31);
  }
}
