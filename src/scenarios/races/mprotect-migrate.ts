/**
 * A hinting pass makes a page inaccessible and flushes only when it is through with its range. Migration
 * finds the page inaccessible, takes it that no TLB can hold it, and copies it without a flush: a CPU that
 * still has the old entry writes to the page that was left behind, and the write is lost.
 */

import { type BootPage, bootMap } from '../../kernel/boot-process.ts';
import { bootUsers, storeRepeatedly, withoutPaging } from '../../kernel/boot-user.ts';
import { type KernelLayout, layKernel, properKernel, READ_WRITE } from '../../kernel/kernel.ts';
import { Migration } from '../../kernel/migration.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { defineScenario } from '../define.ts';

const BASE = 0x4000_0000;
/** What of the page is copied: the word that the threads store to. */
const COPIED_BYTES = 4;

interface Layout {
  readonly kernel: KernelLayout;
  readonly page: BootPage;
  /** Frame that the page moves to. */
  readonly target: number;
  /** Word that is set while a flush of the process is pending. */
  readonly flushPendingPa: number;
}

export default defineScenario<Layout>({
  name: 'mprotect-migrate',
  title: 'Migration copies a page whose flush another CPU has put off',
  source: 'Linux 20841405940e "mm: fix TLB flush race between migration, and change_protection_range"',
  module: import.meta.url,
  variants: [
    {
      name: 'buggy',
      title: 'migration does not flush for an inaccessible entry',
      expect: ['stale-translation', 'freed-frame'],
    },
    {
      name: 'fixed',
      title: 'migration flushes for an inaccessible entry while a flush of the process is pending',
      expect: 'clean',
    },
  ],
  parameters: {
    touches: { title: 'stores of each thread to the page', default: 4, min: 1, max: 1000 },
  },
  cpus: 3,
  minCpus: 2,
  platform: 'neoverse',
  small: { cpus: 2, parameters: { touches: 1 } },

  setup(machine) {
    const { kernel, prepared } = layKernel(machine, ['process'], (boot, [space]) => ({
      page: bootMap(boot, space, BASE, 1, READ_WRITE)[0],
      target: boot.pages(1),
      flushPendingPa: boot.line(),
    }));
    bootUsers(machine, kernel.spaces[0], prepared.page);
    return { kernel, ...prepared };
  },

  start({ machine, checker, cpu, layout }, { variant, touches }) {
    const kernel = properKernel(machine, layout.kernel, checker);
    const mm = { kernel, space: layout.kernel.spaces[0], checker };
    const migration = new Migration(mm, layout.flushPendingPa, { heedsPendingFlush: variant === 'fixed' });
    const program = (): Steps => {
      if (cpu.index === 0) return migration.protectForHinting(cpu, [layout.page]);
      if (cpu.index === 1) return mover(cpu, migration, layout, Number(touches));
      return storeRepeatedly(cpu, BASE, Number(touches));
    };
    return { program: program(), vectors: withoutPaging(kernel) };
  },

  speculation: () => [BASE],
});

/** The thread that has the page moved (move_pages) and goes on writing to it. */
function* mover(cpu: Cpu, migration: Migration, { page, target }: Layout, touches: number): Steps {
  yield* migration.migrate(cpu, page, target, COPIED_BYTES);
  yield* storeRepeatedly(cpu, BASE, touches);
}
