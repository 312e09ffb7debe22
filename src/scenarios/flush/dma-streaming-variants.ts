/** What each wrong driver must show on each platform. */
import type { Platform } from '../../machine/platform.ts';
import type { Expectation } from '../scenario.ts';
import { clean, found } from './alias-facts.ts';
import type { FlushVariant } from './define-flush.ts';
import {
  asksForAll,
  memoryIsCurrent,
  speculates,
  tableInCache,
  whereSnooped,
  withoutIommu,
} from './dma-facts.ts';
import { dataCacheFact, fact } from './facts.ts';

export const streamingVariants: readonly FlushVariant[] = [
  {
    name: 'right',
    title: 'flushes for each direction before a transfer, and after it where lines may have come in',
    expectOn: (platform) =>
      whereSnooped(platform) ??
      clean(
        `no cache has a line of a buffer that memory does not agree with when its owner changes, although ${fact(platform, 'dma.snooped')}`,
      ),
  },
  {
    name: 'ownership',
    title: 'the other CPUs are not called: each line is read or written first',
    unsupported: withoutOwnership,
    expectOn: (platform) =>
      clean(
        `the protocol brings each line to the CPU that maintains it, and ${asksForAll(platform)}: ${fact(platform, 'coherence')}`,
      ),
  },
  {
    name: 'ownership-speculative',
    title: 'the same, on CPUs that load lines on their own account',
    unsupported: withoutOwnership,
    expectOn: (platform) =>
      found(
        ['stale-data'],
        `another CPU brings a line back during the transfer, and nobody invalidates it after that, because to write it first would be to write over what the device has written: ${fact(platform, 'maintenance.byAddress')}`,
      ),
  },
  {
    name: 'no-clean',
    title: 'what the device reads is left in the caches',
    omit: ['map.clean'],
    expectOn: (platform) =>
      whereSnooped(platform) ??
      writtenThrough(platform) ??
      found(
        ['device-old-data'],
        `what the CPU stored is dirty in its cache, and the device reads memory: ${dataCacheFact(platform)}; ${fact(platform, 'dma.snooped')}`,
      ),
  },
  {
    name: 'no-invalidate',
    title: 'lines of what the device writes are left in the caches',
    omit: ['map.invalidate', 'unmap.invalidate'],
    expectOn: (platform) =>
      whereSnooped(platform) ??
      found(
        memoryIsCurrent(platform) ? ['stale-data'] : ['stale-data', 'lost-write'],
        `the CPU hits lines that it had before the transfer, or they are written back over it: ${dataCacheFact(platform)}; ${fact(platform, 'dma.snooped')}`,
      ),
  },
  {
    name: 'invalidate-after-only',
    title: 'lines of what the device will write are left until it has',
    omit: ['map.invalidate'],
    expectOn: (platform) => whereSnooped(platform) ?? afterOnly(platform),
  },
  {
    name: 'invalidate-before-only',
    title: 'lines that come in during the transfer are left',
    omit: ['unmap.invalidate', 'sync.cpu'],
    expectOn: (platform) =>
      whereSnooped(platform) ??
      (speculates(platform)
        ? found(
            ['stale-data'],
            `a line that the hardware loads before the device writes it is hit after that: ${fact(platform, 'agents')}`,
          )
        : clean(`nothing is left out: ${asksForAll(platform)}`)),
  },
  {
    name: 'shared-line',
    title: 'the line that a buffer shares with its neighbour is invalidated, not written back',
    omit: ['dma.edges'],
    expectOn: (platform) =>
      whereSnooped(platform) ??
      writtenThrough(platform) ??
      found(
        ['lost-write'],
        `what the neighbour stored is thrown away with the line: ${dataCacheFact(platform)}; ${fact(platform, 'lineBytes')}`,
      ),
  },
  {
    name: 'line-in-use',
    title: 'the neighbour stores to the shared line while the buffer is the device’s',
    expectOn: (platform) =>
      whereSnooped(platform) ??
      writtenThrough(platform) ??
      found(
        ['lost-write'],
        `the line is written back with the buffer’s old words over what the device wrote, and no flush helps: buffers must have lines of their own: ${dataCacheFact(platform)}; ${fact(platform, 'lineBytes')}`,
      ),
  },
  {
    name: 'inner-only',
    title: 'the outer cache is forgotten',
    omit: ['dma.outer'],
    expectOn: (platform) => whereSnooped(platform) ?? outerForgotten(platform),
  },
  {
    name: 'inner-first',
    title: 'after a transfer the outer cache is invalidated last',
    expectOn: (platform) => whereSnooped(platform) ?? outerLast(platform),
  },
  {
    name: 'local-only',
    title: 'lines of other CPUs are forgotten',
    omit: ['dma.others'],
    expectOn: (platform) => whereSnooped(platform) ?? othersForgotten(platform),
  },
  {
    name: 'io-table-in-cache',
    title: 'entries of the I/O table are left in the cache',
    omit: ['io.table'],
    expectOn: (platform) => tableInCache(platform),
  },
  {
    name: 'stale-iotlb',
    title: 'an I/O address is given to another page while the IOMMU’s TLB has the old one',
    omit: ['io.tlb'],
    expectOn: (platform) =>
      withoutIommu(platform) ??
      found(
        ['stale-translation'],
        `the device goes on reaching the page that it had before: ${fact(platform, 'dma.iommu')}`,
      ),
  },
];

function withoutOwnership(platform: Platform): string | undefined {
  const { coherence, dma, maintenance, name } = platform;
  if (
    dma.snooped ||
    coherence === 'none' ||
    maintenance.byAddress === 'broadcast' ||
    platform.maxCpus === 1
  ) {
    return `${name} has no lines that maintenance misses and a protocol could bring`;
  }
  return undefined;
}

function writtenThrough(platform: Platform): Expectation | undefined {
  if (!memoryIsCurrent(platform)) return undefined;
  return clean(`no line is ever newer than memory: ${fact(platform, 'l1d.write')}`);
}

function afterOnly(platform: Platform): Expectation {
  if (!memoryIsCurrent(platform)) {
    return found(
      ['lost-write', 'stale-data'],
      `a line that was dirty before the transfer is written back over what the device wrote: ${dataCacheFact(platform)}`,
    );
  }
  if (speculates(platform)) {
    return clean(
      `lines are dropped after the transfer, and none is ever newer: ${fact(platform, 'l1d.write')}`,
    );
  }
  return found(
    ['stale-data'],
    `before the transfer is the only time that lines are dropped, since ${asksForAll(platform)}`,
  );
}

function outerForgotten(platform: Platform): Expectation {
  if (platform.outer?.maintainedBy !== 'controller') {
    return clean(`${platform.name} has no outer cache that operations by address do not reach`);
  }
  return found(
    ['device-old-data', 'stale-data'],
    `what the CPU writes back stays in the outer cache, which the device goes past: ${fact(platform, 'outer.maintainedBy')}`,
  );
}

function outerLast(platform: Platform): Expectation {
  if (platform.outer?.maintainedBy !== 'controller') {
    return clean(`${platform.name} has no outer cache that operations by address do not reach`);
  }
  if (!speculates(platform)) return clean(`nothing is invalidated after a transfer: ${asksForAll(platform)}`);
  return found(
    ['stale-data'],
    `the hardware loads a line once more from the outer cache, which still has the old one: ${fact(platform, 'agents')}`,
  );
}

function othersForgotten(platform: Platform): Expectation {
  const { maxCpus, maintenance, name } = platform;
  if (maxCpus === 1) return clean(`there are no others: ${name} has one CPU`);
  if (maintenance.byAddress === 'broadcast') {
    return clean(`the hardware tells the others: ${fact(platform, 'maintenance.byAddress')}`);
  }
  if (memoryIsCurrent(platform)) {
    return found(
      ['stale-data'],
      `another CPU hits lines that it had before the transfer: ${fact(platform, 'maintenance.byAddress')}`,
    );
  }
  return found(
    ['device-old-data'],
    `what another CPU stored is dirty in its cache, and the device reads memory: ${fact(platform, 'maintenance.byAddress')}`,
  );
}
