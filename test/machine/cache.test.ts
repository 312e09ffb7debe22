import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Cache, type CacheGeometry, EXCLUSIVE, INVALID, SHARED } from '../../src/machine/cache.ts';
import { Carver } from '../../src/machine/carver.ts';

const LINE_BYTES = 16;
const PAGE_LINES = 4096 / LINE_BYTES;

function cacheOf(geometry: Partial<CacheGeometry>, seed = 1): Cache {
  const whole: CacheGeometry = {
    sizeBytes: 128,
    ways: 2,
    replacement: 'lru',
    organisation: 'pipt',
    asidTagged: false,
    ...geometry,
  };
  const build = (carver: Carver) => new Cache(carver, 'cache', whole, LINE_BYTES, false);
  const measure = new Carver();
  build(measure);
  const cache = build(new Carver(new SharedArrayBuffer(measure.sizeBytes)));
  cache.reset(seed);
  return cache;
}

/** An access by a physical address: hit or fill. Returns the line that had to go, or -1. */
function access(cache: Cache, line: number): number {
  const va = line * LINE_BYTES;
  const hit = cache.lookup(va, line, 0);
  if (hit >= 0) {
    cache.touch(hit);
    return -1;
  }
  const slot = cache.victim(cache.setOf(va, line));
  const gone = cache.pa[slot];
  if (gone >= 0) cache.drop(slot);
  cache.install(slot, va, line, 0, SHARED);
  return gone;
}

function drop(cache: Cache, line: number): void {
  const slot = cache.lookup(line * LINE_BYTES, line, 0);
  if (slot >= 0) cache.drop(slot);
}

const contents = (cache: Cache) =>
  [...cache.pa.keys()]
    .filter((slot) => cache.pa[slot] >= 0)
    .map((slot) => cache.pa[slot])
    .sort((a, b) => a - b);

/** Accesses and, now and then, a line that somebody takes away. */
const traffic = fc.array(fc.record({ line: fc.nat(15), drop: fc.integer({ min: 0, max: 9 }) }), {
  maxLength: 200,
});

describe('geometry', () => {
  it.each([
    { sizeBytes: 128, ways: 2, sets: 4 },
    { sizeBytes: 128, ways: 8, sets: 1 },
    { sizeBytes: 128, ways: 1, sets: 8 },
    { sizeBytes: 320, ways: 5, sets: 4 },
  ])('$sizeBytes bytes in $ways ways make $sets sets', ({ sizeBytes, ways, sets }) => {
    const cache = cacheOf({ sizeBytes, ways });
    expect(cache.sets).toBe(sets);
    expect(cache.lines * LINE_BYTES).toBe(sizeBytes);
    // Lines that are a multiple of the number of sets apart compete, neighbours do not.
    expect(cache.setOf(0, sets)).toBe(cache.setOf(0, 0));
    if (sets > 1) expect(cache.setOf(0, 1)).not.toBe(cache.setOf(0, 0));
  });

  it('has as many colours as pages in a way, and one where the index is physical', () => {
    expect(cacheOf({ organisation: 'vipt', sizeBytes: 16384, ways: 1 }).colours).toBe(4);
    expect(cacheOf({ organisation: 'vipt', sizeBytes: 16384, ways: 4 }).colours).toBe(1);
    expect(cacheOf({ organisation: 'vipt', sizeBytes: 2048, ways: 1 }).colours).toBe(1);
    expect(cacheOf({ organisation: 'pipt', sizeBytes: 16384, ways: 1 }).colours).toBe(1);
  });

  it('starts empty, whatever is looked up', () => {
    const cache = cacheOf({});
    for (let line = 0; line < 32; line++) expect(cache.lookup(line * LINE_BYTES, line, 0)).toBe(-1);
    expect([...cache.state].every((state) => state === INVALID)).toBe(true);
  });
});

describe('replacement', () => {
  it.each([1, 2, 4])('least recently used in %i ways is what a list says', (ways) => {
    fc.assert(
      fc.property(traffic, (steps) => {
        const cache = cacheOf({ ways });
        // Each set is a list, least recently used first.
        const sets = Array.from({ length: cache.sets }, (): number[] => []);
        for (const step of steps) {
          const set = step.line % cache.sets;
          if (step.drop === 0) {
            drop(cache, step.line);
            sets[set] = sets[set].filter((line) => line !== step.line);
            continue;
          }
          const hit = sets[set].includes(step.line);
          const gone = !hit && sets[set].length === ways ? sets[set][0] : -1;
          expect(access(cache, step.line)).toBe(gone);
          sets[set] = [...sets[set].filter((line) => line !== step.line && line !== gone), step.line];
        }
        expect(contents(cache)).toEqual(sets.flat().sort((a, b) => a - b));
      }),
    );
  });

  it('round-robin goes through the ways of a full set in turn, each set by itself', () => {
    fc.assert(
      fc.property(traffic, (steps) => {
        const cache = cacheOf({ ways: 2, replacement: 'round-robin' });
        const ways = Array.from({ length: cache.sets }, () => [-1, -1]);
        const turn = Array.from({ length: cache.sets }, () => 0);
        for (const { line, drop: dropped } of steps) {
          const set = line % cache.sets;
          const at = ways[set].indexOf(line);
          if (dropped === 0) {
            drop(cache, line);
            if (at >= 0) ways[set][at] = -1;
            continue;
          }
          const free = ways[set].indexOf(-1);
          let gone = -1;
          if (at < 0 && free >= 0) ways[set][free] = line;
          else if (at < 0) {
            gone = ways[set][turn[set]];
            ways[set][turn[set]] = line;
            turn[set] = 1 - turn[set];
          }
          expect(access(cache, line)).toBe(gone);
        }
      }),
    );
  });

  it('random takes an invalid way first, then each way some time, and the same ones for the same seed', () => {
    const victims = (seed: number) => {
      const cache = cacheOf({ sizeBytes: 64, ways: 4, replacement: 'random' }, seed);
      for (let line = 0; line < 4; line++) expect(access(cache, line)).toBe(-1);
      return Array.from({ length: 64 }, () => cache.victim(0));
    };
    expect(new Set(victims(1))).toEqual(new Set([0, 1, 2, 3]));
    expect(victims(5)).toEqual(victims(5));
    expect(victims(5)).not.toEqual(victims(6));
  });

  it('keeps the order of use when the clock of uses runs out', () => {
    const cache = cacheOf({ sizeBytes: 64, ways: 4 });
    for (const line of [3, 1, 0, 2]) access(cache, line);
    // Two uses from the last number there is: the second one must renumber.
    cache.meta[0] = 0x7fff_fffd;
    access(cache, 3);
    access(cache, 1);
    access(cache, 0);
    const gone = [4, 5, 6, 7].map((line) => access(cache, line));
    expect(gone).toEqual([2, 3, 1, 0]);
  });
});

describe('finding a physical line', () => {
  it('finds each copy of a line once, whatever colours they were filled through', () => {
    const fills = fc.array(fc.record({ page: fc.nat(7), frame: fc.nat(3), line: fc.nat(2) }), {
      maxLength: 40,
    });
    fc.assert(
      fc.property(fills, fc.constantFrom('vipt' as const, 'vivt' as const), (list, organisation) => {
        const cache = cacheOf({ organisation, sizeBytes: 32768, ways: 2 });
        for (const { page, frame, line } of list) {
          const va = (page * PAGE_LINES + line) * LINE_BYTES;
          const pa = frame * PAGE_LINES + line;
          if (cache.lookup(va, pa, 0) >= 0) continue;
          const slot = cache.victim(cache.setOf(va, pa));
          cache.install(slot, va, pa, 0, EXCLUSIVE);
        }
        for (let frame = 0; frame < 4; frame++) {
          for (let line = 0; line < 3; line++) {
            const pa = frame * PAGE_LINES + line;
            const found: number[] = [];
            for (let s = cache.findPhysical(pa, -1); s >= 0; s = cache.findPhysical(pa, s)) found.push(s);
            const there = [...cache.pa.keys()].filter((slot) => cache.pa[slot] === pa);
            expect(found).toEqual(there);
          }
        }
      }),
    );
  });

  it('is not found after it was dropped', () => {
    const cache = cacheOf({});
    access(cache, 9);
    drop(cache, 9);
    expect(cache.findPhysical(9, -1)).toBe(-1);
    expect(cache.lookup(9 * LINE_BYTES, 9, 0)).toBe(-1);
  });
});

describe('virtual tags', () => {
  const filled = (asidTagged: boolean) => {
    const cache = cacheOf({ organisation: 'vivt', asidTagged });
    cache.install(cache.victim(cache.setOf(0x40, 100)), 0x40, 100, 1, SHARED);
    return cache;
  };

  it('hit by virtual address, whatever lies behind it', () => {
    const cache = filled(false);
    expect(cache.lookup(0x40, 999, 2)).toBe(cache.findPhysical(100, -1));
    expect(cache.lookup(0x80, 100, 1)).toBe(-1);
  });

  it('hit only for the ASID that filled the line, where lines carry one', () => {
    const cache = filled(true);
    expect(cache.lookup(0x40, 100, 1)).toBeGreaterThanOrEqual(0);
    expect(cache.lookup(0x40, 100, 2)).toBe(-1);
  });
});
