/**
 * An ARM1176JZF-S with 16 KB caches, as in the first Raspberry Pi: virtual index, physical tags, but a way is
 * one page, so that index and tag agree and no aliases exist. What remains of the ARM1136's maintenance is
 * instruction caches, page tables and DMA.
 *
 * Deviations from the machine:
 * - as in arm1136: no lockable TLB entries, no tightly coupled memory, no erratum 411920
 * - no secure world
 * - the cache that the BCM2835 has behind the core is left out
 */
import { arm1136 } from './arm1136.ts';
import { definePlatform } from './define.ts';

const TRM = 'ARM1176JZF-S technical reference manual, ARM DDI 0301H';
const CPUINFO = 'pytorch cpuinfo src/arm/cache.c on ARM11: 16 KB, 4 ways, lines of 32 bytes';

const { aliasPolicy: _, ...l1d } = arm1136.l1d;
const { 'l1d.aliasPolicy': __, ...sources } = arm1136.sources;

export const arm1176 = definePlatform({
  ...arm1136,
  name: 'arm1176',
  title: 'ARM1176JZF-S (ARMv6), virtually indexed caches without aliases',
  clockMHz: 700,
  l1d: { ...l1d, sizeBytes: 16384 },
  l1i: { ...arm1136.l1i, sizeBytes: 16384 },
  sources: {
    ...sources,
    clockMHz: 'unverified: the BCM2835 runs this core at 700 MHz, from memory',
    'l1d.sizeBytes': CPUINFO,
    'l1d.ways': CPUINFO,
    'l1d.organisation': `${TRM}, 6.11.3: virtually indexed, and up to 16 KB no pages need be coloured`,
    'l1i.sizeBytes': CPUINFO,
    'l1i.ways': CPUINFO,
    'l1i.organisation': 'as l1d.organisation',
    'costs.memoryCycles': 'unverified: estimate of 40-60 cycles for a miss at 400-700 MHz',
  },
});
