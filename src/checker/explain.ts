/**
 * Puts a finding into the words of an engineer: what happened, through which copy, made stale by whose
 * write, and which operation was missing or came too late.
 */
import {
  PLACE_DEVICE,
  PLACE_FETCHED_AHEAD,
  PLACE_L1D,
  PLACE_L1I,
  PLACE_L2,
  PLACE_MEMORY,
  PLACE_UNCACHED,
  PLACE_UNCACHED_FETCH,
  PLACE_WALKER,
} from '../machine/check-port.ts';
import { nameDevices } from '../machine/cpu-names.ts';
import type { Platform } from '../machine/platform.ts';
import { MOST_CPUS } from '../machine/state.ts';
import { asidRules } from './asid-rules.ts';
import { tableWrite, translation } from './explain-translation.ts';
import { type Description, type Explanation, entryWords, frame, hex, line, wrote } from './explanation.ts';
import { type FindingRecord, findingKinds } from './finding.ts';
import { isOfAnotherPage, remedyOf, whereDevicesRead } from './remedies.ts';

/** A CPU that had not ended its program when the run stopped. */
export interface StuckCpu {
  readonly cpu: number;
  readonly waitingFor: string;
  readonly interruptsMasked: boolean;
}

/**
 * Explains a finding.
 * @param platform where it was found: decides which remedy is the right one
 * @param stuck CPUs that had not ended; a deadlock is explained through them
 * @param processors CPUs that are no devices: the first ones
 */
export function explain(
  finding: FindingRecord,
  platform: Platform,
  stuck: readonly StuckCpu[] = [],
  processors = MOST_CPUS,
): Explanation {
  const isDevice = finding.cpu >= processors;
  const { title, lines } = describe(finding, platform, stuck, processors);
  const remedy = remedyOf(finding, platform, processors);
  // Below here there are only CPUs, with TLBs.
  const named = (text: string) =>
    nameDevices(isDevice ? text.replace(/\bTLB\b/g, 'IOTLB') : text, processors);
  return {
    kind: finding.kind,
    title: named(title),
    lines: [...lines, line('remedy', remedy)].map(({ label, text }) => line(label, named(text))),
  };
}

function describe(
  finding: FindingRecord,
  platform: Platform,
  stuck: readonly StuckCpu[],
  processors: number,
): Description {
  switch (finding.kind) {
    case 'stale-translation':
    case 'freed-frame':
      return translation(finding);
    case 'walker-old-entry':
      return walker(finding, platform, finding.cpu >= processors);
    case 'freed-table':
      return freedTable(finding);
    case 'stale-data':
    case 'stale-instruction':
      return staleCopy(finding, platform, finding.writer >= processors);
    case 'device-old-data':
      return oldData(finding, platform);
    case 'lost-write':
      return lostWrite(finding);
    case 'multiple-match':
      return multipleMatch(finding);
    case 'deadlock':
      return deadlock(finding, stuck);
    case 'flush-order':
      return flushOrder(finding);
    case 'invariant':
      if (finding.detail in asidRules) return asidRule(finding);
      return {
        title: `CPU ${finding.cpu}: ${findingKinds.invariant}`,
        lines: [
          line('access', `condition ${finding.detail}: found ${finding.got}, expected ${finding.expected}`),
        ],
      };
  }
}

function walker(f: FindingRecord, platform: Platform, isDevice: boolean): Description {
  const where = { l1: 'the L1 data cache', l2: 'the point of unification', memory: 'memory' };
  const reads = isDevice ? where.memory : where[platform.mmu.walkerReads];
  return {
    title: `the table walker of CPU ${f.cpu} read an entry that had been replaced`,
    lines: [
      line('access', `a walk for virtual ${hex(f.va)} on CPU ${f.cpu} at cycle ${f.clock}`),
      line('copy', `the table word at ${hex(f.ptePa)}, version ${f.version}, read from ${reads}`),
      line('culprit', f.other >= 0 ? tableWrite(f) : `${wrote(f)}: ${entryWords(f.newestPte)}`),
      line('missing', `the new entry was not made visible where the walker reads (${reads})`),
    ],
  };
}

function freedTable(f: FindingRecord): Description {
  const { cpu } = f;
  return {
    title: `CPU ${cpu} walked through a page table that had been freed`,
    lines: [
      line('access', `a walk for virtual ${hex(f.va)} on CPU ${cpu} at cycle ${f.clock}`),
      line(
        'copy',
        `the word at ${hex(f.ptePa)}, which says ${entryWords(f.newestPte)} if it is a table entry`,
      ),
      line('culprit', `the frame at ${hex(frame(f.ptePa))} had gone back to the allocator; ${wrote(f)}`),
      line(
        'missing',
        `CPU ${cpu} knew of the table from before, and nobody waited until it had forgotten it`,
      ),
    ],
  };
}

/** Where a copy is, in words that go after "from". */
function placeName(place: number, cpu: number): string {
  switch (place) {
    case PLACE_L1D:
      return `the L1 data cache of CPU ${cpu}`;
    case PLACE_L2:
      return `the L2 cache of CPU ${cpu}`;
    case PLACE_L1I:
      return `the instruction cache of CPU ${cpu}`;
    case PLACE_MEMORY:
      return 'memory or a cache behind the private ones';
    case PLACE_WALKER:
      return `the table walker of CPU ${cpu}`;
    case PLACE_FETCHED_AHEAD:
      return `what CPU ${cpu} had fetched ahead of running it`;
    case PLACE_UNCACHED:
    case PLACE_UNCACHED_FETCH:
    case PLACE_DEVICE:
      return 'memory, read past the caches';
    default:
      return 'a copy';
  }
}

function staleCopy(f: FindingRecord, platform: Platform, byDevice: boolean): Description {
  const fetch = f.kind === 'stale-instruction';
  const did = fetch ? 'fetched an instruction' : 'loaded a value';
  const at = `${hex(f.pa)} (virtual ${hex(f.va)})`;
  const uncached = f.place === PLACE_UNCACHED || f.place === PLACE_UNCACHED_FETCH || f.place === PLACE_MEMORY;
  const missing = missingMaintenance(f, platform, uncached, byDevice);
  const isOther = isOfAnotherPage(f);
  const whose = isOther ? 'a word of another page,' : `version ${f.version} of the word,`;
  return {
    title: `CPU ${f.cpu} ${did} that is not the newest of its location`,
    lines: [
      line(
        'access',
        `CPU ${f.cpu} read ${hex(f.got)} at ${at} at cycle ${f.clock}; it should be ${hex(f.expected)}`,
      ),
      line('copy', `${whose} from ${placeName(f.place, f.cpu)}`),
      line('culprit', isOther ? `virtual ${hex(f.va)} was another page when that line was filled` : wrote(f)),
      line('missing', missing),
    ],
  };
}

function missingMaintenance(
  f: FindingRecord,
  { l1i }: Platform,
  uncached: boolean,
  byDevice: boolean,
): string {
  if (f.place === PLACE_FETCHED_AHEAD) {
    return `a context synchronization (ISB) on CPU ${f.cpu} after the caches were maintained`;
  }
  if (isOfAnotherPage(f)) {
    return `the line was not dropped on CPU ${f.cpu} before its tag could match this page: same virtual address, same address space or ASID`;
  }
  if (byDevice) {
    return `an invalidate of the line on CPU ${f.cpu} after CPU ${f.writer} wrote it past the caches, before the CPU read`;
  }
  if (uncached) {
    return `version ${f.newest} was not cleaned from the cache that holds it to where CPU ${f.cpu} reads`;
  }
  if (f.kind === 'stale-data' && f.writer === f.cpu) {
    return `version ${f.newest} was written by another way than this copy is reached: it was not cleaned before the copy was made, or the copy not dropped after it`;
  }
  if (f.kind === 'stale-instruction' && l1i.fillsFrom === 'unification') {
    return `version ${f.newest} was not cleaned to where the instruction cache fills from before this copy was made, or the copy not dropped after it`;
  }
  return `CPU ${f.cpu} did not invalidate its copy after version ${f.newest} was written`;
}

function oldData(f: FindingRecord, platform: Platform): Description {
  const at = f.va === f.pa ? hex(f.pa) : `${hex(f.pa)} (I/O address ${hex(f.va)})`;
  const read = `CPU ${f.cpu} read ${hex(f.got)} at ${at} at cycle ${f.clock}; it should be ${hex(f.expected)}`;
  return {
    title: `CPU ${f.cpu} read memory that was older than what had been stored`,
    lines: [
      line('access', read),
      line('copy', `version ${f.version} of the word, from memory: the device does not see the caches`),
      line('culprit', wrote(f)),
      line(
        'missing',
        `a clean of the line ${whereDevicesRead(f.writer, platform)}, before CPU ${f.cpu} was told`,
      ),
    ],
  };
}

function lostWrite(f: FindingRecord): Description {
  const overtaken = f.detail >= 0;
  const written = wrote(f);
  return overtaken
    ? {
        title: `CPU ${f.cpu} wrote an older value over a newer one`,
        lines: [
          line('access', `CPU ${f.cpu} wrote back the word at ${hex(f.pa)} at cycle ${f.clock}`),
          line(
            'copy',
            `a dirty line with version ${f.version} of the word; below it was version ${f.detail}`,
          ),
          line('culprit', written),
          line('missing', `the dirty line was not cleaned before version ${f.detail} was written elsewhere`),
        ],
      }
    : {
        title: `CPU ${f.cpu} threw away the only copy of a write`,
        lines: [
          line(
            'access',
            `CPU ${f.cpu} dropped a dirty line with the word at ${hex(f.pa)} at cycle ${f.clock}`,
          ),
          line('copy', `version ${f.version} of the word, which was nowhere else`),
          line('culprit', written),
          line('missing', 'the dirty line was invalidated without being cleaned'),
        ],
      };
}

function multipleMatch(f: FindingRecord): Description {
  return {
    title: `a lookup on CPU ${f.cpu} matched two TLB entries`,
    lines: [
      line('access', `CPU ${f.cpu} looked up virtual ${hex(f.va)} at cycle ${f.clock}`),
      line('copy', `two entries in the TLB of CPU ${f.cpu}, made from different tables or versions of them`),
      line('missing', 'the old entry was not invalidated before the new one could be walked'),
    ],
  };
}

function deadlock(f: FindingRecord, stuck: readonly StuckCpu[]): Description {
  const pair = [f.cpu, f.other].sort((a, b) => a - b);
  const isPair = f.detail === 2 && f.other >= 0;
  const waiting = stuck
    .filter(({ waitingFor }) => waitingFor !== '')
    // Who is part of the cycle first; others only wait for one of them.
    .sort((a, b) => Number(pair.includes(b.cpu)) - Number(pair.includes(a.cpu)) || a.cpu - b.cpu);
  const lines = waiting.map(({ cpu, waitingFor, interruptsMasked }) =>
    line(
      'waits',
      `CPU ${cpu} waits for ${waitingFor}, interrupts ${interruptsMasked ? 'masked' : 'enabled'}`,
    ),
  );
  if (isPair) return { title: `CPU ${pair[0]} and CPU ${pair[1]} wait for each other`, lines };
  const cpus = waiting.length > 0 ? waiting.map(({ cpu }) => cpu) : [f.cpu];
  const who = cpus.length === 1 ? `CPU ${cpus[0]} waits` : `CPUs ${cpus.join(', ')} wait`;
  return { title: `${who} and nothing can wake ${cpus.length === 1 ? 'it' : 'them'}`, lines };
}

/** What was done in the wrong order, or left out of it (see ORDER in kernel/flush/flush-order.ts). */
function flushOrder({ cpu, va, detail }: FindingRecord): Description {
  const missing =
    detail === 0
      ? 'the cache was not flushed before: its lines of the page are found only while it is mapped'
      : 'the TLB was not flushed after: an entry made from the old table may be in use';
  return {
    title: `CPU ${cpu}: ${findingKinds['flush-order']}`,
    lines: [line('access', `CPU ${cpu} changed the mapping of virtual ${hex(va)}`), line('missing', missing)],
  };
}

function asidRule(f: FindingRecord): Description {
  const { title, found, missing } = asidRules[f.detail];
  return {
    title: `CPU ${f.cpu}: ${title}`,
    lines: [line('access', found(f)), line('missing', missing)],
  };
}
