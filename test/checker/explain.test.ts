import { describe, expect, it } from 'vitest';
import { explain, type StuckCpu } from '../../src/checker/explain.ts';
import { type FindingKind, type FindingRecord, findingKinds } from '../../src/checker/finding.ts';
import { runLockstep } from '../../src/hosts/lockstep.ts';
import { RandomWalk } from '../../src/hosts/schedulers/random.ts';
import { jobOf, makePlan } from '../../src/lab/plan.ts';
import { PTE } from '../../src/machine/attributes.ts';
import { PLACE_L1D, PLACE_L1I, PLACE_UNCACHED } from '../../src/machine/check-port.ts';
import { platforms } from '../../src/platforms/index.ts';
import { findVariant } from '../../src/scenarios/scenario.ts';
import { tlbShootdown } from '../../src/scenarios/tlb-shootdown/scenario.ts';
import { createWorkload } from '../../src/scenarios/tlb-shootdown/workload.ts';

const blank = {
  cpu: 2,
  va: 0x4000_0008,
  pa: 0x9008,
  got: 1,
  expected: 2,
  version: 3,
  newest: 5,
  place: PLACE_L1D,
  writer: 0,
  writerClock: 900,
  clock: 1000,
  fillClock: 800,
  ptePa: 0x6000,
  pte: 0x9000 | PTE.VALID | PTE.WRITE,
  newestPte: 0,
  diagnosis: 0,
  other: -1,
  write: 1,
  detail: -1,
};
const record = (kind: FindingKind, more: Partial<FindingRecord> = {}): FindingRecord => ({
  kind,
  ...blank,
  ...more,
});

/** The sentence with a label, or an empty one. */
function sentence(finding: FindingRecord, label: string, platform = platforms.neoverse): string {
  return explain(finding, platform).lines.find((line) => line.label === label)?.text ?? '';
}

describe('every kind', () => {
  it.each(Object.keys(findingKinds) as FindingKind[])(
    '%s has a title, an explanation and a remedy',
    (kind) => {
      for (const platform of Object.values(platforms)) {
        const { title, lines } = explain(record(kind, kind === 'invariant' ? { detail: 7 } : {}), platform);
        expect(title).toMatch(/CPU 2/);
        expect(lines.at(-1)?.label).toBe('remedy');
        const text = lines.map((line) => line.text).join('\n');
        expect(text).not.toMatch(/undefined|NaN|-1/);
      }
    },
  );
});

describe('a load that finds memory older than a cache', () => {
  const past = (platform: string) =>
    sentence(record('stale-data', { place: PLACE_UNCACHED }), 'remedy', platforms[platform]);

  it('wants the line cleaned by its address, on whatever CPU that can be', () => {
    expect(past('neoverse')).toBe(
      'clean the line by its address to the point of coherency, on any CPU, after the write',
    );
    expect(past('arm11mpcore')).toContain('on CPU 0, after the write');
  });

  it('wants it out of an outer cache that only its controller cleans', () => {
    expect(past('cortex-a9')).toMatch(/through its controller$/);
  });
});

describe('a stale translation of a guest', () => {
  const stage = (n: number, platform: string) =>
    sentence(
      record('stale-translation', { stage: n, ipa: 0x5000, detail: 1 << 16 }),
      'remedy',
      platforms[platform],
    );

  it('of stage 2 has a remedy in the fences that the platform has', () => {
    expect(stage(2, 'neoverse')).toMatch(/broadcast.*IPAS2E1.*VMALLE1/);
    expect(stage(2, 'riscv-h')).toMatch(/HFENCE.GVMA.* before it runs the VM again/);
    expect(stage(2, 'riscv-h')).not.toMatch(/IPAS2E1/);
  });

  it('of its own stage may be the hypervisor’s fault, if it has moved the vCPU', () => {
    expect(stage(1, 'neoverse')).toMatch(/HCR_EL2\.FB/);
    expect(stage(1, 'riscv-h')).toMatch(/the hypervisor invalidates the VMID where a vCPU did not run last/);
    expect(stage(1, 'riscv-h')).not.toMatch(/HCR_EL2/);
  });
});

describe('a stale translation', () => {
  it('names access, copy, origin, culprit and what was missing', () => {
    const finding = record('stale-translation', { detail: 1 });
    expect(sentence(finding, 'access')).toBe(
      'CPU 2 stored to virtual 0x40000008 and reached physical 0x9008 at cycle 1000',
    );
    expect(sentence(finding, 'copy')).toBe(
      'an entry in the TLB of CPU 2, ASID 1, filled at cycle 800 from the table word at 0x6000, version 3: frame 0x9000, writable',
    );
    expect(sentence(finding, 'culprit')).toBe(
      'CPU 0 wrote version 5 of that word at its cycle 900: no translation',
    );
    expect(sentence(finding, 'missing')).toBe(
      'no TLB invalidate for this page reached CPU 2 after the table was changed',
    );
  });

  it('says so when the write is still in a write buffer', () => {
    const finding = record('stale-translation', { newest: 3, other: 1 });
    expect(sentence(finding, 'culprit')).toMatch(
      /^CPU 1 changed that word to no translation; .* in its write buffer/,
    );
  });

  it('has a remedy that the platform knows', () => {
    const finding = record('stale-translation');
    expect(sentence(finding, 'remedy', platforms.neoverse)).toMatch(/TLBI/);
    expect(sentence(finding, 'remedy', platforms['x86-64'])).toMatch(/cross call/);
    expect(sentence(finding, 'remedy', platforms['x86-64'])).not.toMatch(/TLBI/);
    expect(sentence({ ...finding, diagnosis: 1 }, 'remedy')).toMatch(/DSB\) after the last invalidate/);
    expect(sentence({ ...finding, diagnosis: 2 }, 'remedy')).toMatch(
      /between the table write and the invalidate/,
    );
  });
});

describe('stale copies and lost writes', () => {
  it('name the copy and its version, and whose write it missed', () => {
    const data = record('stale-data');
    expect(sentence(data, 'copy')).toBe('version 3 of the word, from the L1 data cache of CPU 2');
    expect(sentence(data, 'culprit')).toBe('CPU 0 wrote version 5 at its cycle 900');
    expect(sentence({ ...data, place: PLACE_UNCACHED }, 'missing')).toMatch(/was not cleaned/);
    const fetched = record('stale-instruction', { place: PLACE_L1I });
    expect(sentence(fetched, 'copy')).toMatch(/instruction cache of CPU 2/);
    expect(sentence(fetched, 'remedy')).toMatch(/ISB on CPU 2/);
  });

  it('tell a dropped line from an overtaken one', () => {
    expect(explain(record('lost-write'), platforms.neoverse).title).toMatch(/threw away the only copy/);
    expect(explain(record('lost-write', { detail: 4 }), platforms.neoverse).title).toMatch(
      /older value over a newer/,
    );
  });
});

describe('copies that no protocol keeps up to date', () => {
  const instruction = record('stale-instruction', { place: PLACE_L1I });
  const oneCpu = { cpu: 0, writer: 0 };

  it('may be of what had not been cleaned yet, where instruction caches fill from below', () => {
    expect(sentence(instruction, 'missing', platforms.arm1136)).toMatch(/was not cleaned to where/);
    expect(sentence(instruction, 'missing', platforms.sun4m)).toMatch(/did not invalidate its copy/);
  });

  it('are flushed by both addresses where one CPU has an alias', () => {
    const alias = record('stale-data', oneCpu);
    expect(sentence(alias, 'remedy', platforms.arm926)).toMatch(/by the address that was stored through/);
  });

  it('are dropped before their tag can match another page', () => {
    for (const finding of [record('stale-data', oneCpu), instruction]) {
      const otherPage = { ...finding, newest: finding.version };
      expect(sentence(otherPage, 'copy', platforms.sun4c)).toMatch(/^a word of another page/);
      expect(sentence(otherPage, 'remedy', platforms.sun4c)).toMatch(/before another page is mapped/);
    }
  });
});

describe('a deadlock', () => {
  const stuck: StuckCpu[] = [
    { cpu: 3, waitingFor: 'the process lock', interruptsMasked: false },
    { cpu: 1, waitingFor: 'CPU 0', interruptsMasked: true },
    { cpu: 0, waitingFor: 'CPU 1', interruptsMasked: true },
    { cpu: 2, waitingFor: '', interruptsMasked: false },
  ];
  it('names who waits for what, the cycle first', () => {
    const { title, lines } = explain(
      record('deadlock', { cpu: 1, other: 0, detail: 2 }),
      platforms.neoverse,
      stuck,
    );
    expect(title).toBe('CPU 0 and CPU 1 wait for each other');
    expect(lines.slice(0, -1).map((line) => line.text)).toEqual([
      'CPU 0 waits for CPU 1, interrupts masked',
      'CPU 1 waits for CPU 0, interrupts masked',
      'CPU 3 waits for the process lock, interrupts enabled',
    ]);
  });

  it('names all of them when nothing at all can move', () => {
    const { title } = explain(record('deadlock', { cpu: 0, other: 1, detail: 3 }), platforms.neoverse, stuck);
    expect(title).toBe('CPUs 0, 1, 3 wait and nothing can wake them');
  });
});

describe('what the wrong variants of tlb-shootdown are told', () => {
  const cases: readonly [variant: string, missing: RegExp][] = [
    ['none', /^no TLB invalidate for this page reached CPU \d/],
    ['local-only', /^no TLB invalidate for this page reached CPU \d/],
    ['no-dsb-before', /^a TLB invalidate acted before the table change was visible/],
    ['no-dsb-after', /^a TLB invalidate was issued but had not completed/],
    ['free-before-flush', /^the frame was freed before an invalidate had removed the entry/],
  ];
  it.each(cases)('%s', (name, missing) => {
    for (const seed of [1, 2, 3, 4]) {
      const plan = makePlan({ scenario: tlbShootdown, variant: findVariant(tlbShootdown, name), given: {} });
      const limits = { checked: true, keepGoing: false, quantumCycles: 1000, maxSteps: 1e6, maxSeconds: 30 };
      const job = jobOf(plan, limits, seed);
      const { findings } = runLockstep(job, createWorkload(job.source.parameters), new RandomWalk(seed));
      expect(findings).not.toEqual([]);
      expect(sentence(findings[0], 'missing', plan.platform), `seed ${seed}`).toMatch(missing);
      expect(sentence(findings[0], 'culprit', plan.platform)).toMatch(/^CPU 0 |^the frame at /);
    }
  });
});
