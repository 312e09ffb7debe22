/**
 * What a run performed, one record per operation or action of the hardware, in the order of performance:
 * what the model is fed with. Records are numbers, so that threads can log them in a shared buffer.
 */

/** Kinds of record; `a` to `e` mean what stands beside each. */
export const EVENT = {
  /** va, size, value got. */
  LOAD: 1,
  /** va, size, low word, high word. */
  STORE: 2,
  /** va, new value, value got. */
  MODIFY: 3,
  /** va, value got. */
  LOAD_EXCLUSIVE: 4,
  /** va, new value, 1 if it stored. */
  STORE_EXCLUSIVE: 5,
  /** Word of a trace, its index, 1 if more of the same step follow. */
  TOUCH: 6,
  /** va, value got. */
  FETCH: 7,
  /** va, bit 0 clean and bit 1 invalidate, index of the reach. */
  MAINTAIN: 8,
  /** Index of the level, set, way, bits as MAINTAIN. */
  SET_WAY: 9,
  /** va, or -1 for all. */
  FETCH_MAINTAIN: 10,
  /** Number of the space. */
  SWITCH: 11,
  /** The oldest buffered store was performed. */
  DRAIN: 12,
  /** Slot, L1D first, then the private L2. */
  EVICT: 13,
  /** va. */
  PREFETCH: 14,
  /** Physical address that the walker read. */
  WALK_READ: 15,
  /** Index of the kind, physical address, value got, version, newest version. */
  FINDING: 16,
} as const;

export const eventNames = Object.keys(EVENT);
export const reaches = ['unification', 'coherency', 'memory'] as const;
export const levels = ['l1d', 'l2', 'shared'] as const;

/** Takes records in the order of performance. */
export type Sink = (kind: number, cpu: number, a: number, b: number, c: number, d: number, e: number) => void;

/** Doubles of a logged record: order number, kind, cpu, a to e. */
const RECORD = 8;
/** Records that may be logged per access: drains, walks and findings come on top of it. */
const RECORDS_PER_ACCESS = 8;
const HEAD = 16;
/** Word of the head that holds the seed, which the model needs for random replacement. */
const SEED = 15;

function logRecords(accesses: number): number {
  return accesses * RECORDS_PER_ACCESS + 1024;
}

/** A buffer for the logs of all CPUs: word 0 counts order numbers, then one counter of records per CPU. */
export function makeLogs(cpus: number, accessesEach: number): SharedArrayBuffer {
  return new SharedArrayBuffer((HEAD + cpus * logRecords(accessesEach) * RECORD) * 8);
}

export class Log {
  private readonly order: Int32Array;
  private readonly records: Float64Array;
  private readonly counter: number;
  private readonly capacity: number;

  constructor(buffer: SharedArrayBuffer, cpu: number, accessesEach: number, seed = 0) {
    this.capacity = logRecords(accessesEach);
    this.order = new Int32Array(buffer, 0, HEAD);
    this.counter = 1 + cpu;
    if (seed !== 0) this.order[SEED] = seed;
    const at = (HEAD + cpu * this.capacity * RECORD) * 8;
    this.records = new Float64Array(buffer, at, this.capacity * RECORD);
  }

  readonly sink: Sink = (kind, cpu, a, b, c, d, e) => {
    const index = this.order[this.counter]++;
    if (index >= this.capacity)
      throw new Error(`random-coherency: the log of ${this.capacity} records is full`);
    const at = index * RECORD;
    const r = this.records;
    r[at] = Atomics.add(this.order, 0, 1);
    r[at + 1] = kind;
    r[at + 2] = cpu;
    r[at + 3] = a;
    r[at + 4] = b;
    r[at + 5] = c;
    r[at + 6] = d;
    r[at + 7] = e;
  };

  /** Hands all CPUs' records to `sink` in their common order. */
  static replay(buffer: SharedArrayBuffer, cpus: number, accessesEach: number, sink: Sink): void {
    const logs = Array.from({ length: cpus }, (_, cpu) => new Log(buffer, cpu, accessesEach));
    const next = new Array<number>(cpus).fill(0);
    const total = Atomics.load(logs[0].order, 0);
    for (let order = 0; order < total; order++) {
      const cpu = logs.findIndex((log, i) => log.records[next[i]] === order && next[i] < log.end);
      if (cpu < 0) throw new Error(`random-coherency: record ${order} of the logs is missing`);
      const r = logs[cpu].records;
      const at = next[cpu];
      next[cpu] += RECORD;
      sink(r[at + 1], r[at + 2], r[at + 3], r[at + 4], r[at + 5], r[at + 6], r[at + 7]);
    }
  }

  static seedOf(buffer: SharedArrayBuffer): number {
    return new Int32Array(buffer)[SEED];
  }

  private get end(): number {
    return this.order[this.counter] * RECORD;
  }
}
