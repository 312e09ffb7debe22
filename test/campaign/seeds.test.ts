import fc from 'fast-check';
import { expect, it } from 'vitest';
import { countOf, seedAt, shardAt, shardsIn } from '../../src/campaign/seeds.ts';
import { countIn, UnitSet, unitsToDo } from '../../src/campaign/unit-set.ts';

const range = fc
  .tuple(fc.integer({ min: 0, max: 1000 }), fc.integer({ min: 0, max: 40 }))
  .map(([from, more]) => ({ from, to: from + more }));
const ranges = fc.array(range, { minLength: 1, maxLength: 5 });

const written = (all: readonly { from: number; to: number }[]) =>
  all.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, i) => from + i));

it('numbers the seeds of ranges in order', () => {
  fc.assert(
    fc.property(ranges, (all) => {
      expect(Array.from({ length: countOf(all) }, (_, i) => seedAt(all, i))).toEqual(written(all));
      expect(() => seedAt(all, countOf(all))).toThrow(RangeError);
    }),
  );
});

it('cuts ranges into shards that hold each seed once, and no more than so many', () => {
  fc.assert(
    fc.property(ranges, fc.integer({ min: 1, max: 20 }), (all, size) => {
      const shards = Array.from({ length: shardsIn(all, size) }, (_, i) => shardAt(all, size, i));
      expect(shards.every(({ runs }) => runs >= 1 && runs <= size)).toBe(true);
      const seeds = shards.flatMap(({ firstSeed, runs }) =>
        written([{ from: firstSeed, to: firstSeed + runs - 1 }]),
      );
      expect(seeds).toEqual(written(all));
    }),
  );
});

it('shares hold every unit that is not done once, and say how many they are', () => {
  const units = fc.integer({ min: 1, max: 200 });
  fc.assert(
    fc.property(units, fc.integer({ min: 1, max: 9 }), fc.array(fc.nat(199)), (total, of, finished) => {
      const done = new UnitSet(total);
      for (const unit of finished) if (unit < total) done.add(unit);
      const shares = Array.from({ length: of }, (_, i) => ({ index: i + 1, of }));
      const left = shares.flatMap((share) => [...unitsToDo(done, share)]).sort((a, b) => a - b);
      expect(left).toEqual(Array.from({ length: total }, (_, i) => i).filter((unit) => !done.has(unit)));
      for (const share of shares) {
        expect(countIn(share, total)).toBe([...unitsToDo(new UnitSet(total), share)].length);
      }
    }),
  );
});
