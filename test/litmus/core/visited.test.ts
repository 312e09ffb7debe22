import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VisitedStates } from '../../../src/litmus/core/visited.ts';

describe('visited states', () => {
  it('are told apart by every word, however many there are', () => {
    const key = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 5 });
    fc.assert(
      fc.property(fc.array(key, { maxLength: 200 }), (keys) => {
        const visited = new VisitedStates();
        const known = new Set<string>();
        for (const words of keys) {
          expect(visited.add(Int32Array.from(words), words.length)).toBe(!known.has(words.join()));
          known.add(words.join());
        }
        expect(visited.count).toBe(known.size);
      }),
    );
  });

  it('outgrow their first tables', () => {
    const visited = new VisitedStates();
    const key = new Int32Array(20);
    for (let state = 0; state < 10_000; state++) {
      key[7] = state;
      expect(visited.add(key, key.length)).toBe(true);
    }
    for (let state = 0; state < 10_000; state += 99) {
      key[7] = state;
      expect(visited.add(key, key.length)).toBe(false);
    }
  });
});
