/** Two CPUs that come to states together or do not: small enough for every schedule to be tried. */
import type { Checker } from '../../src/checker/checker.ts';
import type { Cpu, Steps } from '../../src/machine/cpu.ts';
import { defineScenario } from '../../src/scenarios/define.ts';

interface Layout {
  readonly wordPa: number;
  readonly otherPa: number;
  /** Word that is set by who has seen nothing. */
  readonly nonePa: number;
}

export default defineScenario<Layout>({
  name: 'meetings',
  title: 'A CPU that writes and one that looks',
  source: '',
  module: import.meta.url,
  variants: [
    { name: 'plain', title: 'nothing is wrong', expect: 'clean' },
    { name: 'wrong', title: 'it is a mistake to see the store', expect: ['invariant'] },
    { name: 'unknown', title: 'says that it has reached what is not declared', expect: 'clean' },
  ],
  reachable: {
    'saw-store': { title: 'the store is seen' },
    within: { title: 'the other CPU looks between the two stores' },
    never: { title: 'the second store is seen without the first', variants: ['wrong'] },
    'saw-nothing': { title: 'no store had been seen when all is over' },
  },
  cpus: 2,
  platform: 'x86-64',

  setup: () => ({ wordPa: 0x3000, otherPa: 0x3040, nonePa: 0x3080 }),

  start: ({ cpu, checker, layout }, { variant }) =>
    cpu.index === 0 ? write(cpu, checker, layout) : look(cpu, checker, layout, variant),

  finish({ state }, { nonePa }, checker) {
    if (state.shadow?.value[nonePa >> 2] === 1) checker?.reached('saw-nothing');
  },
});

function* write(cpu: Cpu, checker: Checker | null, { wordPa, otherPa }: Layout): Steps {
  yield* cpu.storePhysical(wordPa, 1);
  checker?.enters('within');
  yield* cpu.storePhysical(otherPa, 1);
  checker?.leaves('within');
}

function* look(cpu: Cpu, checker: Checker | null, layout: Layout, variant: string): Steps {
  const { wordPa, otherPa, nonePa } = layout;
  const other = yield* cpu.loadPhysical(otherPa);
  checker?.reachedWithin('within');
  const word = yield* cpu.loadPhysical(wordPa);
  if (variant === 'unknown') checker?.reached('nobody-knows');
  if (word === 1) checker?.reached('saw-store');
  if (other === 1 && word === 0) checker?.reached('never');
  if (word === 1 && variant === 'wrong') checker?.violated(cpu.hw, 1, 1, 0);
  if (word === 0) yield* cpu.storePhysical(nonePa, 1);
}
