import { describe, expect, it } from 'vitest';
import type { PlatformInput } from '../../src/machine/platform.ts';
import { parsePlatform } from '../../src/machine/platform-checks.ts';
import { neoverse } from '../../src/platforms/neoverse.ts';

type Virtualization = NonNullable<PlatformInput['virtualization']>;

function problemsAfter(change: (p: PlatformInput, v: Virtualization) => unknown): string[] {
  const copy = structuredClone(neoverse) as PlatformInput;
  change(copy, copy.virtualization as Virtualization);
  const parsed = parsePlatform(copy, 'my.json');
  return 'problems' in parsed ? parsed.problems : [];
}

const levels = (...bits: number[]) => bits.map((each, i) => ({ bits: each, leaf: i === bits.length - 1 }));

const cases: [what: string, change: Parameters<typeof problemsAfter>[0], path: string, ...words: string[]][] =
  [
    [
      'a cost of exits without guests',
      (p) => {
        delete p.virtualization;
        p.costs.guestEntryCycles = 0;
        p.costs.guestExitCycles = 5;
      },
      'costs.guestExitCycles',
      'there are no guests',
      'set it to 0 or add virtualization',
    ],
    [
      'a cost of entries without guests',
      (p) => {
        delete p.virtualization;
        p.costs.guestExitCycles = 0;
        p.costs.guestEntryCycles = 5;
      },
      'costs.guestEntryCycles',
      'there are no guests',
    ],
    [
      'too few bits',
      (_, v) => (v.stage2Levels = levels(9, 9)),
      'virtualization.stage2Levels',
      'add up to 18',
      'by 2',
    ],
    [
      'a last level without pages',
      (_, v) => (v.stage2Levels = levels(11, 9).map(({ bits }) => ({ bits, leaf: false }))),
      'virtualization.stage2Levels.1.leaf',
      'set it to true',
    ],
    [
      'a root table too large',
      (_, v) => (v.stage2Levels = levels(12, 8)),
      'virtualization.stage2Levels.0.bits',
      '16 KB',
      'use at most 11',
    ],
    [
      'a lower table too large',
      (_, v) => (v.stage2Levels = levels(10, 10)),
      'virtualization.stage2Levels.1.bits',
      'one page',
      'use at most 9',
    ],
    [
      'a refill by software',
      (p) => (p.mmu.refill = 'software'),
      'mmu.refill',
      'only a hardware walker knows two stages',
      "use 'hardware', or leave out virtualization",
    ],
    ['no ASIDs', (p) => (p.mmu.tlb.asidBits = 0), 'mmu.tlb.asidBits', 'VMID', 'or leave out virtualization'],
    [
      'virtual tags of data',
      (p) => Object.assign(p.l1d, { organisation: 'vivt', aliasPolicy: 'flush' }),
      'l1d.organisation',
      'virtual tags would have to carry a VMID',
      'use pipt or vipt',
    ],
    [
      'virtual tags of instructions',
      (p) => Object.assign(p.l1i, { organisation: 'vivt' }),
      'l1i.organisation',
      'virtual tags would have to carry a VMID',
    ],
    [
      'exceptions of a guest’s L2',
      (p) => {
        Object.assign(p.l1d, { organisation: 'vipt', aliasPolicy: 'unmanaged' });
        Object.assign(p.l2 as object, { primaryIndex: true });
      },
      'l2.primaryIndex',
      'a guest has no handler',
      'use false',
    ],
    [
      'maintenance of unmapped addresses that does nothing',
      (p) => Object.assign(p.maintenance, { unmapped: 'ignored' }),
      'maintenance.unmapped',
      "use 'fault'",
    ],
    [
      'broadcast fences without broadcasts',
      (p, v) => {
        delete p.broadcast;
        v.stage2Fences = 'broadcast';
      },
      'virtualization.stage2Fences',
      'needs a broadcast section',
      "use 'local'",
    ],
    ['no VMIDs', (_, v) => (v.vmidBits = 0), 'virtualization.vmidBits', 'at least 1', 'it is 0'],
    ['VMIDs of 15 bits', (_, v) => (v.vmidBits = 15), 'virtualization.vmidBits', 'at most 14', 'it is 15'],
    [
      'an IPA cache without entries',
      (_, v) => (v.ipaCache = { entries: 0 }),
      'virtualization.ipaCache.entries',
      'at least 1',
    ],
    [
      'an unknown reach',
      (_, v) => Object.assign(v, { stage2Fences: 'global' }),
      'virtualization.stage2Fences',
      "'broadcast' or 'local'",
    ],
    [
      'a misspelt key',
      (_, v) => Object.assign(v, { forcedWriteback: true }),
      'virtualization.forcedWriteback',
      'unknown key',
      "'forcedWriteBack'",
    ],
  ];

describe('virtualization that the rest of a platform contradicts', () => {
  it('is not there in the platform that all cases start from', () => {
    expect(problemsAfter(() => {})).toEqual([]);
  });

  it.each(cases)('%s: one line', (_, change, path, ...words) => {
    const problems = problemsAfter(change);
    const lines = problems.filter((line) => line.startsWith(`my.json: ${path}: `));
    expect(lines, problems.join('\n')).toHaveLength(1);
    for (const word of words) expect(lines[0]).toContain(word);
    expect(lines[0]).not.toContain('\n');
  });
});
