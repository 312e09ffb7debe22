/**
 * Memory management reads and writes what users have mapped, through the kernel’s own mapping: a debugger looks
 * at a page and changes it, and a file is read and written whose page somebody has mapped. In between the task
 * goes on storing to both pages and reading them. All of it happens in the task’s own context (/proc/self/mem),
 * so no switch of context flushes anything.
 */
import { type BootPage, bootInto } from '../../kernel/boot-process.ts';
import type { FlushArchitecture } from '../../kernel/flush/architecture.ts';
import type { UserPage } from '../../kernel/flush/interfaces.ts';
import { type KernelLayout, layKernel, properKernel, READ_WRITE } from '../../kernel/kernel.ts';
import { FILE_SITES, PTRACE_SITES, peek, poke, readFile, writeFile } from '../../kernel/kernel-access.ts';
import { type Cpu, noSteps, type Steps } from '../../machine/cpu.ts';
import type { Platform } from '../../machine/platform.ts';
import type { Expectation } from '../scenario.ts';
import { clean, flushed, found, storesAllocate, withoutAliases, writesBack } from './alias-facts.ts';
import { bootMapEven, oddPage } from './colours.ts';
import { loadAll, OFFSETS, storeAll, taskVectors } from './cow-tasks.ts';
import { defineFlushScenario } from './define-flush.ts';
import { dataCacheFact, fact } from './facts.ts';

interface Layout {
  readonly kernel: KernelLayout;
  readonly traced: BootPage;
  readonly file: BootPage;
}

export default defineFlushScenario<Layout>({
  name: 'kernel-alias-write',
  title: 'The kernel reads and writes users’ pages through its own mapping',
  source:
    'David S. Miller, "The Linux Cache Flush Architecture", flush_page_to_ram, and Documentation/core-api/cachetlb.rst, flush_dcache_folio; access_one_page of Linux 2.4 (kernel/ptrace.c), generic_perform_write (mm/filemap.c)',
  module: import.meta.url,
  sites: { ...PTRACE_SITES, ...FILE_SITES },
  variants: [
    {
      name: 'right',
      title: 'flushes the user’s lines before, the kernel’s lines after',
      expectOn: (platform) => flushed(platform, 'each side’s lines are flushed before the other side looks'),
    },
    {
      name: 'no-flush-before-peek',
      title: 'the kernel reads while the user’s stores are in its lines',
      omit: ['peek.cache'],
      expectOn: (platform) => withoutAliases(platform) ?? beforePeek(platform),
    },
    {
      name: 'no-flush-after-peek',
      title: 'the lines that the kernel read through stay',
      omit: ['peek.to-ram'],
      expectOn: (platform) =>
        withoutAliases(platform) ??
        found(
          ['stale-data'],
          `reading brings lines in that do not follow what the user stores, and the kernel’s next read hits them: ${dataCacheFact(platform)}`,
        ),
    },
    {
      name: 'no-flush-before-poke',
      title: 'the kernel writes while the user has lines of the page',
      omit: ['poke.cache'],
      expectOn: (platform) =>
        withoutAliases(platform) ??
        found(
          ['stale-data', 'lost-write'],
          `the user goes on hitting its own lines, which do not follow the kernel’s stores: ${dataCacheFact(platform)}`,
        ),
    },
    {
      name: 'no-flush-after-poke',
      title: 'what the kernel wrote stays in its lines',
      omit: ['poke.to-ram'],
      expectOn: (platform) => withoutAliases(platform) ?? afterPoke(platform),
    },
    {
      name: 'no-flush-before-read',
      title: 'read(2) of a mapped file without flushDcachePage',
      omit: ['read.before'],
      expectOn: (platform) => withoutAliases(platform) ?? beforeRead(platform),
    },
    {
      name: 'no-flush-before-write',
      title: 'write(2) to a mapped file without flushDcachePage before',
      omit: ['write.before'],
      expectOn: (platform) => withoutAliases(platform) ?? beforeWrite(platform),
    },
    {
      name: 'no-flush-after-write',
      title: 'write(2) to a mapped file without flushDcachePage after',
      omit: ['write.after'],
      expectOn: (platform) => withoutAliases(platform) ?? afterWrite(platform),
    },
  ],
  cpus: 1,
  platform: 'r4000pc',

  setup(machine) {
    const { kernel, prepared } = layKernel(machine, ['task'], (boot, [space]) => ({
      traced: bootMapEven(boot, space, oddPage(0), READ_WRITE),
      file: bootMapEven(boot, space, oddPage(1), READ_WRITE),
    }));
    bootInto(machine, 0, kernel.spaces[0]);
    return { kernel, ...prepared };
  },

  start({ machine, checker, cpu, layout: { kernel: laid, traced, file } }, _, flushesOf) {
    const kernel = properKernel(machine, laid, checker);
    const flushes = flushesOf(kernel);
    const [space] = laid.spaces;
    return {
      program: cpu.index === 0 ? task(cpu, flushes, { ...traced, space }, { ...file, space }) : noSteps(),
      vectors: taskVectors(kernel),
    };
  },
});

function* task(cpu: Cpu, flushes: FlushArchitecture, traced: UserPage, file: UserPage): Steps {
  yield* debugged(cpu, flushes, traced);
  yield* withFile(cpu, flushes, file);
}

function* debugged(cpu: Cpu, flushes: FlushArchitecture, page: UserPage): Steps {
  for (const value of [0x100, 0x200]) {
    yield* storeAll(cpu, page.va, value);
    yield* peek(cpu, flushes, page, OFFSETS);
  }
  yield* storeAll(cpu, page.va, 0x300);
  yield* poke(cpu, flushes, page, OFFSETS, 0xcc);
  yield* loadAll(cpu, page.va);
  yield* storeAll(cpu, page.va, 0x400);
  yield* peek(cpu, flushes, page, OFFSETS);
}

function* withFile(cpu: Cpu, flushes: FlushArchitecture, user: UserPage): Steps {
  const page = { frame: user.frame, mappings: [user] };
  for (const value of [1, 2]) {
    yield* storeAll(cpu, user.va, value);
    yield* readFile(cpu, flushes, page, OFFSETS);
  }
  yield* storeAll(cpu, user.va, 3);
  yield* writeFile(cpu, flushes, page, OFFSETS, 4);
  yield* loadAll(cpu, user.va);
  yield* storeAll(cpu, user.va, 5);
  yield* readFile(cpu, flushes, page, OFFSETS);
}

function beforePeek(platform: Platform): Expectation {
  if (!writesBack(platform)) {
    return clean(
      `what the user stored is in memory, and no line of the kernel’s mapping has stayed: ${dataCacheFact(platform)}`,
    );
  }
  return found(
    ['stale-data'],
    `the user’s stores are in lines that the kernel’s own address does not find: ${dataCacheFact(platform)}`,
  );
}

/** The kernel has read each word before it stores to it, so the store hits wherever stores may hit. */
function afterPoke(platform: Platform): Expectation {
  const why = writesBack(platform)
    ? 'the kernel’s stores are dirty in its lines, and the user’s address finds memory instead'
    : 'the lines that the kernel stored through do not follow what the user stores next, and the kernel’s next read hits them';
  return found(['stale-data'], `${why}: ${dataCacheFact(platform)}`);
}

function beforeRead(platform: Platform): Expectation {
  const why = writesBack(platform)
    ? 'the user’s stores are in lines that the kernel’s own address does not find'
    : 'the second read hits lines that the first one brought in and that do not follow what the user stored since';
  return found(['stale-data'], `${why}: ${dataCacheFact(platform)}`);
}

function beforeWrite(platform: Platform): Expectation {
  if (!writesBack(platform)) {
    return clean(
      `the user’s lines are never written back over what the kernel stored, and go in the flush after it: ${dataCacheFact(platform)}`,
    );
  }
  return found(
    ['lost-write', 'stale-data'],
    `the user’s dirty lines are written back over what the kernel stored: ${dataCacheFact(platform)}`,
  );
}

function afterWrite(platform: Platform): Expectation {
  if (!storesAllocate(platform)) {
    return clean(
      `the flush before has left no line for the kernel’s stores to hit, and a store that misses goes to memory: ${fact(platform, 'l1d.allocate')}`,
    );
  }
  return found(
    ['stale-data'],
    `the kernel’s stores bring dirty lines in, and the user’s address finds memory instead: ${fact(platform, 'l1d.allocate')}`,
  );
}
