import { expect, it } from 'vitest';
import {
  addMapping,
  laySharedPage,
  removeMapping,
  type SharedPage,
  withMappings,
} from '../../src/kernel/rmap.ts';
import type { Cpu } from '../../src/machine/cpu.ts';
import { platforms } from '../../src/platforms/index.ts';
import { type KernelProgram, runKernel } from '../support/kernel.ts';

const FRAME = 0x8_0000;
const VA = 0x4000_0000;

/** Runs programs on a page whose mappings are kept. */
function onPage(platform: string, make: (page: () => SharedPage) => readonly KernelProgram[], seed = 1) {
  let page: SharedPage | undefined;
  const programs = make(() => page ?? expect.fail('no page'));
  const { result } = runKernel(platforms[platform], programs, {
    spaces: 2,
    seed,
    prepare: (boot, _, lock) => {
      page = laySharedPage(boot, FRAME, lock('page'));
    },
  });
  return result;
}

function* none() {}

it.each(['sun4m', 'arm926'])('knows what was entered and not taken out again (%s)', (platform) => {
  const seen: (readonly string[])[] = [];
  const result = onPage(platform, (page) => [
    function* (cpu, { kernel, spaces: [a, b] }) {
      const look = () =>
        withMappings(cpu, kernel, page(), function* (mappings) {
          yield* none();
          seen.push(mappings.map(({ space, va }) => `${space.name} ${va.toString(16)}`));
        });
      yield* addMapping(cpu, kernel, page(), { space: a, va: VA });
      yield* addMapping(cpu, kernel, page(), { space: b, va: 0x9000_1000 });
      yield* look();
      yield* removeMapping(cpu, kernel, page(), { space: a, va: VA });
      yield* look();
    },
  ]);
  expect(result.error).toBeUndefined();
  expect(result.outcome).toBe('finished');
  expect(seen).toEqual([['space 0 40000000', 'space 1 90001000'], ['space 1 90001000']]);
});

it('loses nothing that two CPUs enter at once', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const counts: number[] = [];
    const enter: KernelProgram = function* (cpu: Cpu, { kernel, spaces: [space] }) {
      const own = () => laid ?? expect.fail('no page');
      for (let i = 0; i < 3; i++) {
        yield* addMapping(cpu, kernel, own(), { space, va: VA + (cpu.index * 3 + i) * 4096 });
      }
      yield* withMappings(cpu, kernel, own(), function* (mappings) {
        yield* none();
        counts.push(mappings.length);
      });
    };
    let laid: SharedPage | undefined;
    const { result } = runKernel(platforms.sun4m, [enter, enter], {
      seed,
      prepare: (boot, _, lock) => {
        laid = laySharedPage(boot, FRAME, lock('page'));
      },
    });
    expect([seed, result.outcome, Math.max(...counts)]).toEqual([seed, 'finished', 6]);
  }
});

it('says so when a page is mapped too often, or was not mapped', () => {
  const full = onPage('arm926', (page) => [
    function* (cpu, { kernel, spaces: [space] }) {
      for (let i = 0; i < 9; i++) yield* addMapping(cpu, kernel, page(), { space, va: VA + i * 4096 });
    },
  ]);
  expect(full.error).toMatch('no slot free');
  const absent = onPage('arm926', (page) => [
    function* (cpu, { kernel, spaces: [space] }) {
      yield* removeMapping(cpu, kernel, page(), { space, va: VA });
    },
  ]);
  expect(absent.error).toMatch('no slot for this address');
});
