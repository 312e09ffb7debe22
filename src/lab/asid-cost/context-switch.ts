/** Two processes that take turns on one CPU: what they find in the TLB when they come back. */
import { bootInto, bootMap } from '../../kernel/boot-process.ts';
import { withoutPaging } from '../../kernel/boot-user.ts';
import { type Kernel, type KernelLayout, layKernel, properKernel, READ_WRITE } from '../../kernel/kernel.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { PAGE_BYTES } from '../../machine/platform.ts';
import { COUNT } from '../../machine/registers.ts';
import type { Parameters, Workload } from '../../program/workload.ts';

/** Figures that the program leaves in its notes. */
export const SWITCH_NOTE = { SWITCHES: 0, CYCLES: 1, WALKS: 2 } as const;

const USER = 0x4000_0000;
/** The first ones warm up. */
const WARM_SWITCHES = 4;
const SWITCHES = 16;

/** What is timed, as plain data. */
interface ContextSwitchSettings {
  /** Pages that each process uses between two switches. */
  readonly pages: number;
}

function createWorkload(parameters: Parameters): Workload<KernelLayout> {
  const { pages } = parameters as unknown as ContextSwitchSettings;
  return {
    setup(machine) {
      const { kernel } = layKernel(machine, ['process 0', 'process 1'], (boot, spaces) => {
        for (const space of spaces) bootMap(boot, space, USER, pages, READ_WRITE);
      });
      bootInto(machine, 0, kernel.spaces[0]);
      return kernel;
    },
    start({ machine, checker, cpu, layout }) {
      const kernel = properKernel(machine, layout, checker);
      return { program: run(cpu, kernel, pages), vectors: withoutPaging(kernel) };
    },
  };
}

/** The programs, and the URL that jobs name them by. */
export default { module: import.meta.url, createWorkload };

function* run(cpu: Cpu, kernel: Kernel, pages: number): Steps {
  const { notes, counters } = cpu.hw;
  const { lineBytes } = cpu.machine.platform;
  for (let turn = 1; turn <= WARM_SWITCHES + SWITCHES; turn++) {
    const began = cpu.clock;
    const walks = counters[COUNT.walks];
    yield* kernel.switchMm(cpu, kernel.spaces[turn & 1]);
    for (let page = 0; page < pages; page++) {
      // Not the same line of each page: they would all fall into one set.
      yield* cpu.load(USER + page * PAGE_BYTES + ((page * 5 * lineBytes) % PAGE_BYTES));
    }
    if (turn <= WARM_SWITCHES) continue;
    notes[SWITCH_NOTE.SWITCHES]++;
    notes[SWITCH_NOTE.CYCLES] += cpu.clock - began;
    notes[SWITCH_NOTE.WALKS] += counters[COUNT.walks] - walks;
  }
}
