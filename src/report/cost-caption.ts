/** Says what a cost table shows, and how far to trust it. */
import { type CostRow, IDLE_UNITS } from '../lab/shootdown-cost.ts';
import type { Platform } from '../machine/platform.ts';

/** One paragraph. @param quantumCycles the bound on the drift of clocks, threads host */
export function costCaption(
  platform: Platform,
  hosts: readonly CostRow['host'][],
  quantumCycles: number,
): string {
  const parts = [
    `Cycles per munmap on ${platform.name} at ${platform.clockMHz} MHz. initiator: from clearing the first table`,
    'entry until the flush has returned. a target, all: lost by one and by all of the other CPUs, in interrupt',
    'handlers and to incoming broadcasts. These run threads of the same process, which use the pages and',
    `compute for ${IDLE_UNITS} cycles in between.`,
  ];
  if (hosts.includes('lockstep')) parts.push('Lockstep, smallest clock first: the reference.');
  if (hosts.includes('threads')) {
    const what = hosts.length > 1 ? 'threads: the initiator, measured on the threads host.' : 'Threads host.';
    parts.push(
      `${what} Clocks of real threads drift apart by up to ${quantumCycles} cycles, and a message between two CPUs`,
      'can carry that along: close to lockstep, but not exact.',
    );
  }
  return parts.join(' ');
}
