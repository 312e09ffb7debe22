import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { maintainLines } from '../../src/kernel/maintain-lines.ts';
import { CLEAN, FLUSH, INVALIDATE } from '../../src/machine/cache-maintenance.ts';
import { complete, cpusOf, machineOf, tiny } from '../support/machine.ts';

const LINE = 16;

describe('maintenance of a range', () => {
  it('is one operation on each line that has a byte of it, from the lowest on', () => {
    const [cpu] = cpusOf(machineOf(tiny(), 1));
    const operation = vi.spyOn(cpu, 'maintainPhysical');
    fc.assert(
      fc.property(
        fc.integer({ min: 0x1000, max: 0x1000 + 4 * LINE }),
        fc.integer({ min: 1, max: 5 * LINE }),
        fc.constantFrom(CLEAN, INVALIDATE, FLUSH),
        fc.constantFrom('unification', 'coherency', 'memory'),
        (pa, sizeBytes, what, reach) => {
          operation.mockClear();
          complete(maintainLines(cpu, pa, sizeBytes, what, reach));
          const bytes = Array.from({ length: sizeBytes }, (_, i) => pa + i);
          const lines = [...new Set(bytes.map((byte) => Math.floor(byte / LINE)))];
          expect(operation.mock.calls).toEqual(lines.map((line) => [line * LINE, what, reach]));
        },
      ),
    );
  });
});
