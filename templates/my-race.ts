/**
 * my-race: one CPU takes a page away while another is using it.
 *
 *   flushlab run ./my-race.ts --variant no-flush --seed 1    one run; the same seed gives the same run
 *   flushlab stress ./my-race.ts                             both variants, many seeds
 *   flushlab run ./my-race.ts --host threads                 each CPU in a thread of its own
 */
import {
  type BootPage,
  bootInto,
  bootMap,
  type Checker,
  type Cpu,
  defineScenario,
  Kernel,
  type KernelLayout,
  layKernel,
  READ_WRITE,
  type Steps,
} from 'flushlab';

/** The virtual address of the page that both CPUs are about. */
const PAGE = 0x4000_0000;

/** What `setup` found out and the programs need: plain data, because it is sent to other threads. */
interface Layout {
  readonly kernel: KernelLayout;
  readonly page: BootPage;
  /** Physical address of a word that CPU 1 sets when it has begun. */
  readonly begunPa: number;
}

export default defineScenario<Layout>({
  name: 'my-race',
  title: 'Dropping a page that another CPU is using',
  source: 'madvise(2), MADV_DONTNEED',
  // Where this file is. Every thread of the simulator imports it again from here.
  module: import.meta.url,

  // The same race, right and wrong. `expect` is what a run must show: 'clean', or kinds of findings.
  variants: [
    { name: 'flush', title: 'the other CPU drops its translation first', expect: 'clean' },
    { name: 'no-flush', title: 'nobody tells the other CPU', expect: ['stale-translation'] },
  ],
  // What some run must come to: if it never happens, that nothing goes wrong says nothing.
  reachable: {
    'still-used': { title: 'CPU 1 uses the page while CPU 0 takes it away', variants: ['flush'] },
  },
  // What `--set touches=500` changes.
  parameters: {
    touches: { title: 'accesses of the other CPU', default: 100, min: 1, max: 10_000 },
  },
  // Small enough for every order of its steps to be explored.
  small: { parameters: { touches: 2 } },
  cpus: 2,
  platform: 'x86-64',

  // Runs once, before any CPU does: lays out what exists when the race begins. It takes no simulated time.
  setup(machine) {
    const { kernel, prepared } = layKernel(machine, ['process'], (boot, [space]) => {
      // One page, with a table entry that is present, writable and already used.
      const [page] = bootMap(boot, space, PAGE, 1, READ_WRITE);
      // A cache line of its own for each word that CPUs share.
      return { page, begunPa: boot.line() };
    });
    // Both CPUs run threads of the one process, as if they had for a long time.
    for (const cpu of [0, 1]) bootInto(machine, cpu, kernel.spaces[0]);
    return { kernel, ...prepared };
  },

  // Runs once for each CPU, in that CPU's own thread, and says what its program is. `vectors` are the entry
  // points of its kernel: page faults and interrupts go there.
  start({ machine, checker, cpu, layout }, settings) {
    const mechanism = settings.variant === 'flush' ? 'cross-call' : 'none';
    const policy = { mechanism, barrierBefore: true, barrierAfter: true } as const;
    const kernel = new Kernel(machine, layout.kernel, policy, checker);
    const program =
      cpu.index === 0
        ? drop(cpu, kernel, layout, checker)
        : touch(cpu, kernel, layout, checker, Number(settings.touches));
    return { program, vectors: kernel };
  },
});

/**
 * CPU 0 takes the page away. A program is a generator and goes one step at a time: a step is what hardware
 * does indivisibly, such as a store that enters the write buffer, and each `yield*` below takes one or more
 * of them. Between two steps anything may happen on the other CPU.
 */
function* drop(cpu: Cpu, kernel: Kernel, layout: Layout, checker: Checker | null): Steps {
  const { page, begunPa } = layout;
  // Asleep until CPU 1 uses the page. `why` is what a report of a deadlock would say.
  yield* cpu.waitUntil(begunPa, (begun) => begun !== 0, {
    why: 'the first touch',
    uncached: kernel.uncached,
  });
  // Clear the table entry: whoever walks the table from now on finds nothing...
  yield* kernel.tables.write(cpu, page.ptePa, 0);
  // From here to `leaves` a use by CPU 1 counts as that state.
  checker?.enters('still-used');
  // ...but a TLB that holds the translation does not look at the table. With the mechanism 'none' this does
  // nothing, and that is the bug.
  yield* kernel.flush.page(cpu, layout.kernel.spaces[0], page.va);
  // The contract point: from here on nobody may use the old translation. Before it both are allowed, which
  // is why the checker must be told.
  checker?.leaves('still-used');
  checker?.contract(cpu, page.ptePa);
}

/** CPU 1 keeps using the page. When it is gone the CPU faults, and the kernel maps a fresh one. */
function* touch(cpu: Cpu, kernel: Kernel, layout: Layout, checker: Checker | null, touches: number): Steps {
  yield* cpu.store(PAGE, 0);
  yield* cpu.storePhysical(layout.begunPa, 1, 4, kernel.uncached);
  for (let n = 1; n <= touches; n++) {
    yield* cpu.store(PAGE, n);
    checker?.reachedWithin('still-used');
  }
}
