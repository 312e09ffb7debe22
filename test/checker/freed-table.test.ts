import { describe, expect, it } from 'vitest';
import { Checker } from '../../src/checker/checker.ts';
import { frameAddress } from '../../src/machine/attributes.ts';
import { TLBI_VA } from '../../src/machine/tlb.ts';
import { complete, cpusOf, Mapper, machineOf, tiny } from '../support/machine.ts';

const VA = 0x40_0000;
const NEXT = VA + 4096;

/** A machine with two pages mapped by one table, and a CPU that has begun to use them. */
function walking(walkCache?: { entries: number; asidTagged: boolean }) {
  const platform = tiny((p) => {
    if (walkCache) p.mmu.walkCache = walkCache;
  });
  const machine = machineOf(platform, 2, { checked: true });
  const checker = new Checker(machine.state, { keepGoing: true });
  machine.state.check = checker;
  const mapper = new Mapper(machine);
  mapper.map(VA, 0x1000);
  const table = frameAddress(mapper.map(NEXT, 0x2000));
  const [a, b] = cpusOf(machine);
  complete(b.setContext(mapper.root, 1));
  const free = () => checker.frameFreed(table >>> 12);
  const findings = () => Checker.findings(machine.state).kept;
  const kinds = () => findings().map(({ kind }) => kind);
  return { machine, checker, a, b, table, free, findings, kinds };
}

/** Takes a CPU up to where its walk has read the entry that points to the table. */
function untilTableIsKnown(steps: Generator<unknown, unknown>): void {
  // The first step tries the access; then the walk begins, and reads the upper level.
  for (let i = 0; i < 4; i++) steps.next();
}

describe('a table that was freed', () => {
  it('is a finding for a walk that goes on in it', () => {
    const { b, table, free, findings } = walking();
    const load = b.load(VA);
    untilTableIsKnown(load);
    free();
    complete(load);
    expect(findings()).toHaveLength(1);
    expect(findings()[0]).toMatchObject({ kind: 'freed-table', cpu: 1, va: VA });
    expect(frameAddress(findings()[0].ptePa)).toBe(table);
  });

  it('is none for a walk that an invalidate has cancelled: it starts again', () => {
    const { b, free, kinds } = walking();
    const load = b.load(VA);
    untilTableIsKnown(load);
    b.machine.tlb.localStep(b.hw, TLBI_VA, VA, 1, 1);
    free();
    complete(load);
    expect(kinds()).toEqual([]);
  });

  it('is a finding for a walk that starts in it from the walk cache, until that is invalidated', () => {
    const { b, free, kinds } = walking({ entries: 2, asidTagged: true });
    complete(b.load(VA));
    free();
    complete(b.load(NEXT));
    expect(kinds()).toEqual(['freed-table']);
    complete(b.tlbiLocal(TLBI_VA, VA, 2, 1));
    complete(b.load(NEXT));
    expect(kinds()).toEqual(['freed-table']);
  });

  it('is a table again for whoever learns of it afterwards', () => {
    const { b, free, kinds } = walking();
    free();
    complete(b.load(VA));
    expect(kinds()).toEqual([]);
  });

  it('is a finding for a walk of the kernel that knew of it from before', () => {
    const { checker, b, table, free, kinds } = walking();
    const generation = checker.generationOf(table);
    checker.tableRead(b.hw, VA, table, generation);
    free();
    checker.tableRead(b.hw, VA, table, checker.generationOf(table));
    expect(kinds()).toEqual([]);
    checker.tableRead(b.hw, VA, table, generation);
    expect(kinds()).toEqual(['freed-table']);
  });
});
