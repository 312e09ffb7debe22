import { expect, it } from 'vitest';
import {
  type RegisterOrder,
  usualOrder,
  writeContext,
  writeReserved,
} from '../../../src/kernel/asid/context-registers.ts';
import type { Cpu } from '../../../src/machine/cpu.ts';
import { CTL } from '../../../src/machine/registers.ts';
import { platformByName } from '../../../src/platforms/index.ts';
import { runPrograms } from '../../support/machine.ts';

const RESERVED = 0x9000;
const ROOT = 0x5000;

/** Table base and ASID after each step. */
function written(order: RegisterOrder, name = 'cortex-a9'): string[] {
  const seen: string[] = [];
  function* program(cpu: Cpu) {
    cpu.hw.ctl[CTL.ROOT] = 0x1000;
    cpu.hw.ctl[CTL.ASID] = 1;
    const steps = writeContext(cpu, { order, reservedRoot: RESERVED }, ROOT, 2, () => seen.push('written'));
    for (;;) {
      const step = steps.next();
      const now = `${cpu.hw.ctl[CTL.ROOT].toString(16)}/${cpu.hw.ctl[CTL.ASID]}`;
      if (seen.at(-1) !== now) seen.push(now);
      if (step.done) break;
      yield step.value;
    }
    cpu.hw.ctl[CTL.MMU_ON] = 0;
  }
  const { result } = runPrograms(platformByName(name) ?? expect.fail(name), [program]);
  expect(result.error).toBeUndefined();
  return seen.filter((each, i) => each !== seen[i - 1]);
}

it.each([
  ['reserved-asid', ['1000/1', '1000/0', '5000/0', 'written', '5000/2']],
  ['reserved-base', ['1000/1', '9000/1', '9000/2', 'written', '5000/2']],
  ['asid-first', ['1000/1', '1000/2', 'written', '5000/2']],
  ['base-first', ['1000/1', '5000/1', 'written', '5000/2']],
] as const)('%s', (order, states) => expect(written(order)).toEqual(states));

it('writes one register where it is one', () => {
  expect(written('one', 'neoverse')).toEqual(['1000/1', 'written', '5000/2']);
});

it('does not take two registers for one', () => {
  const cortex = platformByName('cortex-a9') ?? expect.fail();
  const { result } = runPrograms(cortex, [
    (cpu) => writeContext(cpu, { order: 'one', reservedRoot: RESERVED }, ROOT, 2),
  ]);
  expect(result.error).toContain('two registers');
});

it('leaves the space that runs', () => {
  const cortex = platformByName('cortex-a9') ?? expect.fail();
  expect(usualOrder(cortex)).toBe('reserved-asid');
  runPrograms(cortex, [
    function* (cpu) {
      yield* writeReserved(cpu, { order: 'reserved-asid', reservedRoot: RESERVED });
      expect(cpu.hw.ctl[CTL.ASID]).toBe(0);
      yield* writeReserved(cpu, { order: 'reserved-base', reservedRoot: RESERVED });
      expect(cpu.hw.ctl[CTL.ROOT]).toBe(RESERVED);
      cpu.hw.ctl[CTL.MMU_ON] = 0;
    },
  ]);
});
