import { expect, it } from 'vitest';
import { NumberMap } from '../../../src/kernel/asid/number-map.ts';
import type { Cpu, Steps } from '../../../src/machine/cpu.ts';
import { neoverse } from '../../../src/platforms/neoverse.ts';
import { runPrograms } from '../../support/machine.ts';

const PA = 0x5000;

/** What steps over a map of the numbers to 40 return. */
function onMap<T>(act: (cpu: Cpu, map: NumberMap) => Steps<T>): T {
  const returned: T[] = [];
  function* program(cpu: Cpu): Steps {
    returned.push(yield* act(cpu, new NumberMap(PA, 40, false)));
  }
  expect(runPrograms(neoverse, [program]).result.error).toBeUndefined();
  return returned[0];
}

it('finds the lowest free number from a place on', () => {
  const found = onMap(function* (cpu, map) {
    yield* map.setTo(cpu, [1, 2, 30, 31, 32]);
    return [yield* map.findFree(cpu, 1), yield* map.findFree(cpu, 30), yield* map.findFree(cpu, 40)];
  });
  expect(found).toEqual([3, 33, 40]);
});

it('finds none if all from there on are taken', () => {
  const found = onMap(function* (cpu, map) {
    yield* map.setTo(cpu, [38, 39, 40]);
    return [yield* map.findFree(cpu, 38), yield* map.findFree(cpu, 41)];
  });
  expect(found).toEqual([0, 0]);
});

it('takes a number once', () => {
  const took = onMap(function* (cpu, map) {
    yield* map.setTo(cpu, [7]);
    const first = yield* map.testAndSet(cpu, 32);
    return [first, yield* map.testAndSet(cpu, 32), yield* map.testAndSet(cpu, 7)];
  });
  expect(took).toEqual([true, false, false]);
});

it('forgets what was taken before', () => {
  const took = onMap(function* (cpu, map) {
    yield* map.setTo(cpu, [7, 33]);
    yield* map.setTo(cpu, [8]);
    const first = yield* map.testAndSet(cpu, 7);
    return [first, yield* map.testAndSet(cpu, 33), yield* map.testAndSet(cpu, 8)];
  });
  expect(took).toEqual([true, true, false]);
});
