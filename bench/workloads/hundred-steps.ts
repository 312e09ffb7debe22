/**
 * Two CPUs that use a page that they share: about a hundred steps in a run, those of the write buffers included.
 * Nothing in it is wrong, nobody waits, and every schedule takes the same steps.
 */
import { type BootPage, bootInto, bootMap } from '../../src/kernel/boot-process.ts';
import { bootTouched, withoutPaging } from '../../src/kernel/boot-user.ts';
import { Kernel, type KernelLayout, layKernel, READ_WRITE } from '../../src/kernel/kernel.ts';
import type { Cpu, Steps } from '../../src/machine/cpu.ts';
import type { Workload } from '../../src/program/workload.ts';

const PAGE = 0x4000_0000;
const ROUNDS = 11;

interface Layout {
  readonly kernel: KernelLayout;
  readonly page: BootPage;
}

export function createWorkload(): Workload<Layout> {
  return {
    setup(machine) {
      const { kernel, prepared } = layKernel(machine, ['process'], (boot, [space]) => ({
        page: bootMap(boot, space, PAGE, 1, READ_WRITE)[0],
      }));
      for (const { index } of machine.state.cpus) {
        bootInto(machine, index, kernel.spaces[0]);
        bootTouched(machine, index, prepared.page);
      }
      return { kernel, ...prepared };
    },
    start({ machine, layout, checker, cpu }) {
      const policy = { mechanism: machine.platform.shootdown, barrierBefore: true, barrierAfter: true };
      const kernel = new Kernel(machine, layout.kernel, policy, checker);
      return { program: use(cpu, machine.platform.lineBytes), vectors: withoutPaging(kernel) };
    },
  };
}

/** A line of its own, the other CPU's line, and a word that both count in. */
function* use(cpu: Cpu, lineBytes: number): Steps {
  const own = PAGE + (1 + cpu.index) * lineBytes;
  const other = PAGE + (2 - cpu.index) * lineBytes;
  for (let round = 1; round <= ROUNDS; round++) {
    yield* cpu.store(own, round);
    yield* cpu.load(other);
    yield* cpu.load(own);
    if (round % 4 === 0) yield* cpu.fetchAdd(PAGE, 1);
  }
}
