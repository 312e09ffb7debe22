/** A page that only the guest uses, until the host takes it away. */
import { COHERENT_PAGE } from '../../hypervisor/guest-memory/page-maintenance.ts';
import { dirtyHostLines, oldHostLines } from './uncached-facts.ts';
import { COHERENT, type MappingVariant, rightly } from './uncached-mapping-variant.ts';

export const aloneVariants: readonly MappingVariant[] = [
  {
    name: 'alone',
    title: 'only the guest uses the page, and always uncached; nobody maintains anything',
    subject: 'alone',
    policy: COHERENT,
    expectOn: rightly(
      'no access looks at lines that the host’s mapping brings in, and they are clean, so never written back',
    ),
  },
  {
    name: 'flush-while-off',
    title: 'the host flushes a page at the fault only if the guest’s caches are off, as Linux once did',
    subject: 'alone',
    policy: { atFault: { ...COHERENT_PAGE, onlyWhileOff: true } },
    expectOn: (platform) =>
      dirtyHostLines(
        platform,
        ['lost-write', 'stale-data'],
        'the guest’s caches are on, only this mapping is uncached, and the host’s zeros are dirty over it',
      ),
  },
  {
    name: 'swapped-out',
    title: 'the host takes the page away and reads it through its caches',
    subject: 'swapped-out',
    policy: COHERENT,
    expectOn: (platform) => oldHostLines(platform, 'the host reads what it is to write to disk'),
  },
  {
    name: 'swapped-out-flushed',
    title: 'the host flushes the page when it has taken it away',
    subject: 'swapped-out',
    policy: { ...COHERENT, flushesAtUnmap: true },
    expectOn: rightly('what the hardware loaded before the guest wrote is gone when the host reads'),
  },
  {
    name: 'streaming',
    title: 'the guest uses the page cached, uncached, and cached again, with maintenance as for a transfer',
    subject: 'streaming',
    policy: COHERENT,
    cleansBefore: true,
    invalidatesAfter: true,
    expectOn: rightly('nothing is dirty while the page is used uncached, and no older line is left after it'),
  },
  {
    name: 'streaming-no-clean',
    title: 'the guest leaves its dirty lines when it begins to use the page uncached',
    subject: 'streaming',
    policy: COHERENT,
    invalidatesAfter: true,
    expectOn: (platform) =>
      dirtyHostLines(
        platform,
        ['stale-data', 'lost-write'],
        'what the guest stored before is in its own cache',
      ),
  },
  {
    name: 'streaming-no-invalidate',
    title: 'the guest uses the page cached again without invalidating it',
    subject: 'streaming',
    policy: COHERENT,
    cleansBefore: true,
    expectOn: (platform) => oldHostLines(platform, 'the guest uses the page cached again'),
  },
];
