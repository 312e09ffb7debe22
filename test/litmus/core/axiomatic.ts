/**
 * The Arm memory model as axioms, for straight-line programs, by brute force: every choice of what each load
 * reads and of the order of stores, kept if it breaks no axiom (Alglave et al., "Armed cats", TOPLAS 2021;
 * Arm ARM B2.3). A second opinion on the machine, which knows nothing of relations.
 */

export type Kind = 'load' | 'store' | 'swap' | 'branch' | 'full' | 'loads' | 'stores' | 'isb';

export interface Line {
  readonly kind: Kind;
  /** Of accesses. */
  readonly location: number;
  readonly isAcquire: boolean;
  /** Of LDAPR. */
  readonly isWeakAcquire: boolean;
  readonly isRelease: boolean;
  /** Load or swap before it, by its line, that its address depends on; or for a branch its condition. */
  readonly address: number;
  /** The same of what a store writes. */
  readonly data: number;
}

interface Event {
  readonly thread: number;
  readonly line: number;
  readonly isWrite: boolean;
  readonly of: Line;
  /** What a write writes. */
  readonly value: number;
}

type Relation = boolean[][];

export const locations = 2;

/** The value that a store at a line writes: no other has it. */
export function valueAt(thread: number, line: number): number {
  return thread * 10 + line + 1;
}

/** Final states: what loads read, in order of threads and lines, then what locations hold. */
export function allowedStates(threads: readonly (readonly Line[])[]): Set<string> {
  const events = eventsOf(threads);
  const fixed = local(threads, events);
  const states = new Set<string>();
  const writes = Array.from({ length: locations }, (_, location) =>
    events.flatMap((event, index) => (event.isWrite && event.of.location === location ? [index] : [])),
  );
  const reads = events.flatMap((event, index) => (event.isWrite ? [] : [index]));
  for (const orders of product(writes.map(permutations))) {
    for (const sources of product(reads.map((read) => [-1, ...writes[events[read].of.location]]))) {
      const from = new Map(reads.map((read, index) => [read, sources[index]]));
      if (!isAllowed(events, fixed, orders, from)) continue;
      const values = reads.map((read) => events[from.get(read) ?? -1]?.value ?? 0);
      const memory = orders.map((order) => events[order.at(-1) ?? -1]?.value ?? 0);
      states.add([...values, ...memory].join());
    }
  }
  return states;
}

function eventsOf(threads: readonly (readonly Line[])[]): Event[] {
  return threads.flatMap((lines, thread) =>
    lines.flatMap((of, line) => {
      const event = (isWrite: boolean) => ({ thread, line, isWrite, of, value: valueAt(thread, line) });
      if (of.kind === 'load') return [event(false)];
      if (of.kind === 'store') return [event(true)];
      return of.kind === 'swap' ? [event(false), event(true)] : [];
    }),
  );
}

/** "Locally ordered before", which no choice changes. */
function local(threads: readonly (readonly Line[])[], events: readonly Event[]): Relation {
  return events.map((one, first) =>
    events.map((other, second) => {
      if (one.thread !== other.thread) return false;
      if (one.line === other.line) return one.of.kind === 'swap' && !one.isWrite && other.isWrite;
      if (one.line > other.line) return false;
      return (
        isOrdered(threads[one.thread], one, other) ||
        isByDependency(threads[one.thread], events, first, second)
      );
    }),
  );
}

function isOrdered(lines: readonly Line[], one: Event, other: Event): boolean {
  if (other.isWrite && one.of.location === other.of.location) return true;
  for (let between = one.line + 1; between < other.line; between++) {
    const { kind } = lines[between];
    if (kind === 'full') return true;
    if (kind === 'loads' && !one.isWrite) return true;
    if (kind === 'stores' && one.isWrite && other.isWrite) return true;
  }
  const isAcquire = !one.isWrite && (one.of.isAcquire || one.of.isWeakAcquire);
  const isBoth = one.of.kind === 'swap' && one.of.isAcquire && one.of.isRelease;
  const isReleased = other.isWrite && other.of.isRelease;
  const isPair = one.isWrite && one.of.isRelease && !other.isWrite && other.of.isAcquire;
  return isAcquire || isBoth || isReleased || isPair;
}

function isByDependency(
  lines: readonly Line[],
  events: readonly Event[],
  first: number,
  second: number,
): boolean {
  const [one, other] = [events[first], events[second]];
  if (one.isWrite) return false;
  if (other.of.address === one.line || (other.isWrite && other.of.data === one.line)) return true;
  let [isControlled, isAddressed] = [false, false];
  for (let between = one.line + 1; between < other.line; between++) {
    const line = lines[between];
    if (line.kind === 'branch' && line.address === one.line) isControlled = true;
    const isAccess = line.kind === 'load' || line.kind === 'store' || line.kind === 'swap';
    if (isAccess && line.address === one.line) isAddressed = true;
    if (line.kind === 'isb' && (isControlled || isAddressed)) return true;
  }
  if (other.isWrite) return isControlled || isAddressed;
  // A load that reads from a store of its thread is after what the store's address and data depend on.
  return events.some((source, index) => {
    if (!source.isWrite || source.thread !== other.thread || source.of.location !== other.of.location)
      return false;
    if (source.line <= one.line || source.line >= other.line) return false;
    const isDependent = source.of.address === one.line || source.of.data === one.line;
    const isLast = !events.some(
      (later) =>
        later.isWrite &&
        later.thread === other.thread &&
        later.of.location === other.of.location &&
        later.line > source.line &&
        later.line < other.line,
    );
    return isDependent && isLast && index !== first;
  });
}

function isAllowed(
  events: readonly Event[],
  fixed: Relation,
  orders: readonly (readonly number[])[],
  from: ReadonlyMap<number, number>,
): boolean {
  const rank = new Map(orders.flatMap((order) => order.map((write, index) => [write, index] as const)));
  const rankOf = (write: number) => rank.get(write) ?? -1;
  const after = (read: number, write: number) =>
    events[read].of.location === events[write].of.location && rankOf(from.get(read) ?? -1) < rankOf(write);
  const before = fixed.map((row) => [...row]);
  for (const [index, event] of events.entries()) {
    for (const [other, { thread, line, isWrite, of }] of events.entries()) {
      if (!isWrite || of.location !== event.of.location || index === other) continue;
      const isInternal = thread === event.thread;
      if (event.isWrite) {
        if (rankOf(index) >= rankOf(other)) continue;
        if (isInternal && event.line > line) return false;
        if (!isInternal) before[index][other] = true;
        continue;
      }
      if (from.get(index) === other) {
        if (isInternal && line >= event.line) return false;
        if (!isInternal) before[other][index] = true;
      }
      if (!after(index, other)) continue;
      if (isInternal && line < event.line) return false;
      if (!isInternal) {
        before[index][other] = true;
        hazard(events, before, index, other);
      }
    }
    if (event.of.kind === 'swap' && !event.isWrite && !isAtomic(rankOf, from, index)) return false;
    // An acquire that reads from an atomic of its thread is after what that read.
    acquireFromAtomic(events, before, index);
  }
  return isAcyclic(before);
}

/** Earlier loads of the location are before what overwrites what a later one read. */
function hazard(events: readonly Event[], before: Relation, read: number, write: number): void {
  for (const [earlier, { thread, line, isWrite, of }] of events.entries()) {
    const isSame = thread === events[read].thread && of.location === events[read].of.location;
    if (isSame && !isWrite && line < events[read].line) before[earlier][write] = true;
  }
}

/** The write of an atomic comes at once after what it read. Its two events are neighbours. */
function isAtomic(
  rankOf: (write: number) => number,
  from: ReadonlyMap<number, number>,
  read: number,
): boolean {
  return rankOf(read + 1) === rankOf(from.get(read) ?? -1) + 1;
}

function acquireFromAtomic(events: readonly Event[], before: Relation, read: number): void {
  const { isWrite, of, thread, line } = events[read];
  if (isWrite || !(of.isAcquire || of.isWeakAcquire)) return;
  const sources = events.flatMap((event, index) => {
    const isSource = event.isWrite && event.thread === thread && event.of.location === of.location;
    return isSource && event.line < line ? [index] : [];
  });
  const last = sources.at(-1);
  if (last !== undefined && events[last].of.kind === 'swap') before[last - 1][read] = true;
}

function isAcyclic(before: Relation): boolean {
  const colour = new Uint8Array(before.length);
  const visit = (event: number): boolean => {
    if (colour[event] !== 0) return colour[event] === 2;
    colour[event] = 1;
    const isFine = before[event].every((isBefore, next) => !isBefore || visit(next));
    colour[event] = 2;
    return isFine;
  };
  return before.every((_, event) => visit(event));
}

function permutations(items: readonly number[]): number[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((first) =>
    permutations(items.filter((item) => item !== first)).map((rest) => [first, ...rest]),
  );
}

function product<T>(choices: readonly (readonly T[])[]): T[][] {
  return choices.reduce<T[][]>(
    (all, options) => all.flatMap((head) => options.map((option) => [...head, option])),
    [[]],
  );
}
