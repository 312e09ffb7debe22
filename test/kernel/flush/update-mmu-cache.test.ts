import { describe, expect, it } from 'vitest';
import { bootEntryOf, bootMap } from '../../../src/kernel/boot-process.ts';
import { FlushArchitecture } from '../../../src/kernel/flush/architecture.ts';
import { areBadAliases, sharedAddress } from '../../../src/kernel/flush/update-mmu-cache.ts';
import { READ_WRITE, USED } from '../../../src/kernel/kernel.ts';
import { MAP_SHARED_SITES, mapShared } from '../../../src/kernel/map-shared.ts';
import { layTables } from '../../../src/kernel/page-table.ts';
import { bootMapping, laySharedPage, type SharedPage } from '../../../src/kernel/rmap.ts';
import { ATTRIBUTE_UNCACHED, attributesOf } from '../../../src/machine/attributes.ts';
import { platforms } from '../../../src/platforms/index.ts';
import { newestWord, runKernel } from '../../support/kernel.ts';

const EVEN = 0x4000_0000;
const ODD = 0x4000_1000;
const OTHER_EVEN = 0x4000_8000;

describe('bad aliases', () => {
  it.each([
    ['arm926', true, true],
    ['arm1136', true, false],
    ['sun4c', true, true],
    ['hypersparc', true, true],
    ['r4000pc', true, false],
    ['arm1176', false, false],
    ['x86-64', false, false],
    ['cortex-a9', false, false],
  ])('on %s: of odd and even page %s, of even pages %s', (name, oddAndEven, evens) => {
    const platform = platforms[name];
    expect(areBadAliases(platform, EVEN, ODD)).toBe(oddAndEven);
    expect(areBadAliases(platform, EVEN, OTHER_EVEN)).toBe(evens);
    expect(areBadAliases(platform, EVEN, EVEN)).toBe(false);
  });

  it('places a mapping at the next address of a colour', () => {
    expect(sharedAddress(platforms.arm1136, 0x5000_0000, ODD)).toBe(0x5000_1000);
    expect(sharedAddress(platforms.arm1136, 0x5000_1000, ODD)).toBe(0x5000_1000);
    expect(sharedAddress(platforms.sun4c, 0x5000_2000, ODD)).toBe(0x5001_1000);
    expect(sharedAddress(platforms['x86-64'], 0x5000_2000, ODD)).toBe(0x5000_2000);
  });
});

it('reaches the lines and the translations of every CPU that uses the page', () => {
  const seen: number[] = [];
  let page: SharedPage | undefined;
  const older = EVEN;
  const newer = ODD;
  const { result } = runKernel(
    platforms.hypersparc,
    [
      function* (cpu, { kernel, spaces: [space], lines: [flag], machine }) {
        const flushes = new FlushArchitecture(kernel, null, Object.keys(MAP_SHARED_SITES));
        yield* kernel.switchMm(cpu, space);
        yield* cpu.waitUntil(flag, (now) => now === 1, { why: 'the first store' });
        const mapping = { space, va: newer, ptePa: bootEntryOf(machine, space, newer) };
        yield* mapShared(cpu, flushes, mapping, page ?? expect.fail('no page'), READ_WRITE);
        seen.push(yield* cpu.load(newer));
        yield* cpu.storePhysical(flag, 2);
        yield* cpu.waitUntil(flag, (now) => now === 3, { why: 'the second store' });
        seen.push(yield* cpu.load(newer));
      },
      function* (cpu, { kernel, spaces: [space], lines: [flag] }) {
        yield* kernel.switchMm(cpu, space);
        yield* cpu.store(older, 1);
        yield* cpu.dsb();
        yield* cpu.storePhysical(flag, 1);
        yield* cpu.waitUntil(flag, (now) => now === 2, { why: 'the second mapping' });
        yield* cpu.store(older, 2);
        yield* cpu.dsb();
        yield* cpu.storePhysical(flag, 3);
      },
    ],
    {
      prepare(boot, [space], lock) {
        const [{ frame }] = bootMap(boot, space, older, 1, READ_WRITE);
        layTables(boot, space.root, newer, 1);
        page = laySharedPage(boot, frame, lock('page'));
        bootMapping(boot.machine, page, 0, older);
      },
    },
  );
  expect(result.error).toBeUndefined();
  expect(result.outcome).toBe('finished');
  expect(seen).toEqual([1, 2]);
});

/** Maps one page at places of two spaces, one after the other. @returns which entries are uncacheable at the end */
function mapAll(platform: string, places: readonly { space: number; va: number; rights: number }[]) {
  let page: SharedPage | undefined;
  const { result, machine, layout } = runKernel(
    platforms[platform],
    [
      function* (cpu, { kernel, spaces }) {
        const flushes = new FlushArchitecture(kernel, null, Object.keys(MAP_SHARED_SITES));
        yield* kernel.switchMm(cpu, spaces[0]);
        for (const { space, va, rights } of places) {
          const ptePa = bootEntryOf(machineOf(kernel), spaces[space], va);
          const mapping = { space: spaces[space], va, ptePa };
          yield* mapShared(cpu, flushes, mapping, page ?? expect.fail('no page'), rights);
        }
      },
    ],
    {
      spaces: 2,
      prepare(boot, spaces, lock) {
        for (const { space, va } of places) layTables(boot, spaces[space].root, va, 1);
        page = laySharedPage(boot, boot.pages(1), lock('page'));
      },
    },
  );
  expect(result.error).toBeUndefined();
  expect(result.outcome).toBe('finished');
  return places.map(({ space, va }) => {
    const entry = newestWord(machine, bootEntryOf(machine, layout.spaces[space], va));
    return attributesOf(entry) === ATTRIBUTE_UNCACHED;
  });
}

const machineOf = <M>({ machine }: { machine: M }): M => machine;

describe('updateMmuCache', () => {
  it.each(['arm926', 'arm1136', 'hypersparc', 'sun4c', 'r4000pc'])(
    'takes all mappings out of the cache (%s)',
    (name) => {
      const third = { space: 0, va: EVEN + 0x4_0000, rights: READ_WRITE };
      for (const [a, b] of [
        [READ_WRITE, READ_WRITE],
        [READ_WRITE, USED],
        [USED, READ_WRITE],
      ]) {
        const places = [
          { space: 0, va: EVEN, rights: a },
          { space: 0, va: ODD, rights: b },
        ];
        expect(mapAll(name, places)).toEqual([true, true]);
        expect(mapAll(name, [...places, third])).toEqual([true, true, true]);
      }
    },
  );

  it('lets pages be that nobody may store to, and aliases of one colour', () => {
    const readOnly = [EVEN, ODD].map((va) => ({ space: 0, va, rights: USED }));
    const oneColour = [EVEN, OTHER_EVEN].map((va) => ({ space: 0, va, rights: READ_WRITE }));
    expect(mapAll('arm926', readOnly)).toEqual([false, false]);
    expect(mapAll('arm1136', oneColour)).toEqual([false, false]);
  });

  it('looks at other spaces where their lines stay in the cache', () => {
    const places = [EVEN, ODD].map((va, space) => ({ space, va, rights: READ_WRITE }));
    expect(mapAll('arm1136', places)).toEqual([true, true]);
    expect(mapAll('sun4c', places)).toEqual([true, true]);
    // A switch of context leaves nothing of the other one.
    expect(mapAll('arm926', places)).toEqual([false, false]);
  });

  it.each(['arm1176', 'x86-64', 'cortex-a9', 'r4000'])(
    'leaves it to the hardware where that sees to it (%s)',
    (name) => {
      const places = [EVEN, ODD].map((va) => ({ space: 0, va, rights: READ_WRITE }));
      expect(mapAll(name, places)).toEqual([false, false]);
    },
  );
});
