/**
 * Private caches under MESI on one bus, CPUs taking turns, one access each: independent of the machine, and
 * slow. A modify is two accesses.
 */
import { KIND_MODIFY, KIND_STORE } from '../../src/trace/records.ts';
import type { Access, Geometry } from './reference-cache.ts';

interface Line {
  readonly line: number;
  state: 'S' | 'E' | 'M';
}

const counts = () => ({
  reads: 0,
  writes: 0,
  hits: 0,
  misses: 0,
  upgrades: 0,
  inv_received: 0,
  downgrades: 0,
  evictions: 0,
  dirty_evictions: 0,
  snoop_flushes: 0,
  fills_from_peer: 0,
  fills_from_memory: 0,
});

class Core {
  readonly count = counts();
  private readonly sets: Line[][];
  private readonly geometry: Geometry;

  constructor(geometry: Geometry) {
    this.geometry = geometry;
    this.sets = Array.from({ length: geometry.size / geometry.ways / geometry.line }, () => []);
  }

  find(line: number): Line | undefined {
    return this.setOf(line).find((held) => held.line === line);
  }

  /** Another core reads or writes the line. Returns true if it was here. */
  snoop(line: number, write: boolean): boolean {
    const held = this.find(line);
    if (!held) return false;
    if (held.state === 'M') this.count.snoop_flushes++;
    if (write) {
      this.count.inv_received++;
      const set = this.setOf(line);
      set.splice(set.indexOf(held), 1);
    } else {
      if (held.state !== 'S') this.count.downgrades++;
      held.state = 'S';
    }
    return true;
  }

  access(line: number, write: boolean, others: readonly Core[]): void {
    const { count } = this;
    count[write ? 'writes' : 'reads']++;
    const held = this.find(line);
    const set = this.setOf(line);
    if (!held) {
      count.misses++;
      if (set.length === this.geometry.ways) {
        count.evictions++;
        if (set.pop()?.state === 'M') count.dirty_evictions++;
      }
      let shared = false;
      for (const other of others) shared = other.snoop(line, write) || shared;
      count[shared ? 'fills_from_peer' : 'fills_from_memory']++;
      set.unshift({ line, state: write ? 'M' : shared ? 'S' : 'E' });
      return;
    }
    set.splice(set.indexOf(held), 1);
    set.unshift(held);
    if (write && held.state === 'S') {
      count.upgrades++;
      for (const other of others) other.snoop(line, true);
    } else count.hits++;
    if (write) held.state = 'M';
  }

  private setOf(line: number): Line[] {
    return this.sets[line % this.sets.length];
  }
}

/** Counts of each core in the form that `--compare` takes. Only first bytes count. */
export function referenceTurns(traces: readonly (readonly Access[])[], geometry: Geometry) {
  const cores = traces.map(() => new Core(geometry));
  const streams = traces.map((trace) =>
    trace.flatMap(({ kind, address }) => {
      const line = Math.floor(address / geometry.line);
      const store = { line, write: true };
      return kind === KIND_MODIFY ? [{ line, write: false }, store] : [{ line, write: kind === KIND_STORE }];
    }),
  );
  const longest = Math.max(...streams.map((stream) => stream.length));
  for (let n = 0; n < longest; n++) {
    for (const [i, stream] of streams.entries()) {
      const others = cores.filter((_, other) => other !== i);
      if (n < stream.length) cores[i].access(stream[n].line, stream[n].write, others);
    }
  }
  return { trace: 'random', cores: cores.length, mode: 'mesi-rr', per_core: cores.map((core) => core.count) };
}
