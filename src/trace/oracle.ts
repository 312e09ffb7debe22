/**
 * Holds a run against counts computed elsewhere. Two forms are known: an L1 cache simulator's counts of one
 * trace at several geometries (`entries`), and per-core counts of private caches on one bus (`per_core`).
 */
import { z } from 'zod';
import type { Platform } from '../machine/platform.ts';
import type { CpuCounts, TraceOrder, TraceResult } from './run.ts';
import { TraceError } from './trace-error.ts';

const pair = z.tuple([z.int(), z.int()]);
const cacheCounts = z.object({
  I: pair,
  R: pair,
  W: pair,
  d_evictions: z.int().optional(),
  d_dirty_evictions: z.int().optional(),
  d_dirty_at_end: z.int().optional(),
});
const geometryOracle = z.object({
  trace: z.string(),
  entries: z
    .array(
      z.object({
        geometry: z.object({ size: z.int(), ways: z.int(), line: z.int() }),
        refsim: cacheCounts,
        dineroIV: z.object({ d_bytes_to_memory: z.int().optional() }).optional(),
      }),
    )
    .min(1),
});
const coreOracle = z.object({
  trace: z.string(),
  cores: z.int(),
  mode: z.enum(['mesi-rr', 'msi-sync']),
  per_core: z.array(z.record(z.string(), z.int())),
});
const oracleSchema = z.union([geometryOracle, coreOracle]);
export type Oracle = z.infer<typeof oracleSchema>;

/** @param where file name, for errors. @throws TraceError if it is no oracle */
export function parseOracle(text: string, where: string): Oracle {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new TraceError(`${where}: not JSON: name a file with "entries" (geometries) or "per_core" counts`);
  }
  const parsed = oracleSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new TraceError(
    `${where}: not counts to compare with: it needs "entries" (geometries) or "per_core" and "mode"`,
  );
}

/** How a run must be made to be comparable. */
export interface OracleNeeds {
  readonly order: TraceOrder;
  readonly coherence: Platform['coherence'] | undefined;
  readonly split: boolean;
}

export function needsOf(oracle: Oracle): OracleNeeds {
  if ('entries' in oracle) return { order: 'clock', coherence: undefined, split: true };
  const isSync = oracle.mode === 'msi-sync';
  // Only first bytes count there.
  return { order: isSync ? 'sync' : 'turns', coherence: isSync ? 'msi' : 'mesi', split: false };
}

interface Difference {
  readonly what: string;
  readonly expected: number;
  readonly got: number;
}

export interface Comparison {
  readonly compared: number;
  readonly differences: readonly Difference[];
}

/** @throws TraceError if the oracle says nothing of this machine */
export function compare(result: TraceResult, oracle: Oracle, where: string): Comparison {
  const rows = 'entries' in oracle ? geometryRows(result, oracle, where) : coreRows(result, oracle, where);
  return {
    compared: rows.length,
    differences: rows.filter(({ expected, got }) => expected !== got),
  };
}

function geometryRows(
  result: TraceResult,
  oracle: z.infer<typeof geometryOracle>,
  where: string,
): Difference[] {
  const { l1d, l1i, lineBytes } = result.run.platform;
  const matches = ({ size, ways, line }: { size: number; ways: number; line: number }) =>
    [l1d, l1i].every((cache) => cache.sizeBytes === size && cache.ways === ways) && line === lineBytes;
  const entry = oracle.entries.find(({ geometry }) => matches(geometry));
  if (!entry) {
    const known = oracle.entries.map(({ geometry: g }) => `${g.size},${g.ways},${g.line}`).join(' ');
    throw new TraceError(`${where}: no counts for these L1 caches: use --l1d and --l1i with one of ${known}`);
  }
  const sum = (name: keyof CpuCounts) => result.cpus.reduce((all, cpu) => all + cpu[name], 0);
  const { refsim, dineroIV } = entry;
  const rows: Difference[] = [
    { what: 'fetches', expected: refsim.I[0], got: sum('fetches') },
    { what: 'fetch misses', expected: refsim.I[1], got: sum('fetchMisses') },
    { what: 'reads', expected: refsim.R[0], got: sum('reads') },
    { what: 'read misses', expected: refsim.R[1], got: sum('readMisses') },
    { what: 'writes', expected: refsim.W[0], got: sum('writes') },
    { what: 'write misses', expected: refsim.W[1], got: sum('writeMisses') },
  ];
  const optional = (what: string, expected: number | undefined, got: number) => {
    if (expected !== undefined) rows.push({ what, expected, got });
  };
  const dirty = sum('l1dDirtyEvictions');
  const atEnd = sum('l1dDirtyAtEnd');
  optional('L1D evictions', refsim.d_evictions, sum('l1dEvictions'));
  optional('L1D dirty evictions', refsim.d_dirty_evictions, dirty);
  optional('L1D dirty lines at the end', refsim.d_dirty_at_end, atEnd);
  optional('bytes written back, rest at the end', dineroIV?.d_bytes_to_memory, (dirty + atEnd) * lineBytes);
  return rows;
}

function coreRows(result: TraceResult, oracle: z.infer<typeof coreOracle>, where: string): Difference[] {
  const { cores, mode, per_core } = oracle;
  if (result.cpus.length !== cores || per_core.length !== cores) {
    throw new TraceError(
      `${where}: counts of ${cores} cores, the run has ${result.cpus.length}: use --cpus ${cores}`,
    );
  }
  return per_core.flatMap((expected, i) => {
    const got = mode === 'mesi-rr' ? inTurns(result.cpus[i]) : simultaneous(result.cpus[i]);
    return Object.entries(expected).map(([name, value]) => {
      const own = Object.hasOwn(got, name) ? got[name] : undefined;
      if (own === undefined) {
        throw new TraceError(`${where}: unknown count '${name}': use ${Object.keys(got).join(', ')}`);
      }
      return { what: `CPU ${i} ${name}`, expected: value, got: own };
    });
  });
}

/** An upgrade is neither hit nor miss; a fill is a peer's if any peer had the line, whoever gave the data. */
function inTurns(cpu: CpuCounts): Record<string, number> {
  return {
    reads: cpu.reads,
    writes: cpu.writes,
    hits: cpu.l1dHits - cpu.upgrades,
    misses: cpu.l1dMisses,
    upgrades: cpu.upgrades,
    inv_received: cpu.invalidationsReceived,
    downgrades: cpu.downgrades,
    evictions: cpu.l1dEvictions,
    dirty_evictions: cpu.l1dDirtyEvictions,
    snoop_flushes: cpu.dirtySupplied,
    fills_from_peer: cpu.heldElsewhere,
    fills_from_memory: cpu.l1dMisses - cpu.heldElsewhere,
  };
}

/** An upgrade is a miss; a flush is a modified copy that a read made shared; fills are not told apart. */
function simultaneous(cpu: CpuCounts): Record<string, number> {
  return {
    reads: cpu.reads,
    writes: cpu.writes,
    hits: cpu.reads + cpu.writes - cpu.syncMisses,
    misses: cpu.syncMisses,
    upgrades: cpu.syncUpgrades,
    inv_received: cpu.syncInvalidations,
    downgrades: cpu.syncDowngrades,
    evictions: cpu.l1dEvictions,
    dirty_evictions: cpu.l1dDirtyEvictions,
    snoop_flushes: cpu.syncDowngrades,
    fills_from_peer: 0,
    fills_from_memory: 0,
  };
}
