import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compare, parseOracle } from '../../src/trace/oracle.ts';
import { runTrace } from '../../src/trace/run.ts';
import { referenceTurns } from './reference-bus.ts';
import { type Access, type Geometry, referenceCounts } from './reference-cache.ts';
import { runLoaded, runWith, traceFile } from './runs.ts';

const sample = fileURLToPath(new URL('samples/true.lackey.gz', import.meta.url));
const KINDS = { I: 2, L: 0, S: 1, M: 3 } as const;

/** Accesses of the sample, by a reader of its own. */
function sampleAccesses(): Access[] {
  const lines = gunzipSync(readFileSync(sample)).toString('latin1').split('\n');
  return lines.flatMap((line) => {
    const match = /^ ?([ILSM]) +([0-9a-f]+),(\d+)$/.exec(line);
    if (!match) return [];
    const kind = KINDS[match[1] as keyof typeof KINDS];
    return [{ kind, address: Number.parseInt(match[2], 16), size: Number(match[3]) }];
  });
}

const geometries: readonly Geometry[] = [
  { size: 32768, ways: 8, line: 64 },
  { size: 16384, ways: 4, line: 32 },
  { size: 8192, ways: 2, line: 64 },
  { size: 4096, ways: 1, line: 32 },
  { size: 1048576, ways: 16, line: 64 },
  { size: 32768, ways: 512, line: 64 },
];

/** Addresses that share sets, pages and lines now and then, over several chunks of 16 MB. */
const address = fc
  .tuple(
    fc.constantFrom(0x40_0000, 0x401_0000, 0x1_ff00_0000, 0x1_fff0_0000),
    fc.integer({ min: 0, max: 40 }),
  )
  .chain(([base, page]) => fc.integer({ min: 0, max: 4095 }).map((offset) => base + page * 4096 + offset));
const access = fc.record({
  kind: fc.constantFrom(0, 0, 1, 2, 2, 3),
  address,
  size: fc.constantFrom(1, 2, 4, 8, 16, 32),
});

describe('exact counts', () => {
  it.each(geometries)('of a recorded program, $size bytes, $ways ways, lines of $line', async (geometry) => {
    const oracle = { trace: 'true', entries: [referenceCounts(sampleAccesses(), geometry)] };
    const result = await runTrace(runWith([sample], geometry));
    expect(result.outcome).toBe('finished');
    const { compared, differences } = compare(
      result,
      parseOracle(JSON.stringify(oracle), 'oracle'),
      'oracle',
    );
    expect(differences).toEqual([]);
    expect(compared).toBe(9);
  });

  it('of random traces, with the checker or without, whatever the TLB', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(access, { minLength: 1, maxLength: 400 }),
        fc.constantFrom(
          { size: 512, ways: 2, line: 32 },
          { size: 1024, ways: 1, line: 64 },
          { size: 16384, ways: 2, line: 64 },
          { size: 19200, ways: 300, line: 64 },
        ),
        fc.boolean(),
        fc.constantFrom({ entries: 64, ways: 4 }, { entries: 4, ways: 4 }, { entries: 2, ways: 1 }),
        async (accesses, geometry, checked, tlb) => {
          const run = runWith([traceFile(accesses)], geometry, { checked }, { tlb });
          const result = await runLoaded(run);
          expect(result.findingCount).toBe(0);
          const oracle = { trace: 'random', entries: [referenceCounts(accesses, geometry)] };
          expect(compare(result, parseOracle(JSON.stringify(oracle), 'o'), 'o').differences).toEqual([]);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('of several CPUs that take turns', async () => {
    const word = fc.record({
      kind: fc.constantFrom(0, 0, 1, 3),
      address: fc.integer({ min: 0, max: 255 }).map((n) => 0x40_0000 + n * 16),
      size: fc.constant(4),
    });
    const geometry = { size: 1024, ways: 2, line: 64 };
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(word, { minLength: 1, maxLength: 300 }), { minLength: 2, maxLength: 5 }),
        async (traces) => {
          const run = runWith(traces.map(traceFile), geometry, { order: 'turns', split: false });
          const result = await runLoaded(run);
          const oracle = parseOracle(JSON.stringify(referenceTurns(traces, geometry)), 'o');
          expect(compare(result, oracle, 'o').differences).toEqual([]);
        },
      ),
      { numRuns: 20 },
    );
  });
});
