import { afterAll, describe, expect, it } from 'vitest';
import { ThreadsHost } from '../../../src/hosts/threads.ts';
import { colours } from '../../../src/machine/platform.ts';
import { platformByName, platforms } from '../../../src/platforms/index.ts';
import shadowPtRead from '../../../src/scenarios/hypervisor/shadow-pt-read.ts';
import { findVariant, type Variant } from '../../../src/scenarios/scenario.ts';
import { disagreements, jobFor, runFlush, shown, supported } from '../../support/flush-scenarios.ts';

const { variants } = shadowPtRead;
const arm1136 = platformByName('arm1136') ?? expect.fail('arm1136');
const expectedOn = (name: string, platform: string) =>
  findVariant(shadowPtRead, name).expectOn?.(platformByName(platform) ?? expect.fail(platform)).expect;

describe.each(variants)('$name', (variant) => {
  it('shows what is expected of it on every platform', () => {
    const wrong = supported(shadowPtRead, variant).flatMap((platform) =>
      disagreements(shadowPtRead, variant, platform, [1]),
    );
    expect(wrong).toEqual([]);
  });

  it('shows it in 20 runs on arm1136, without exception', () => {
    const expected = variant.expectOn?.(arm1136).expect;
    for (let seed = 1; seed <= 20; seed++) {
      const kind = shown(runFlush(shadowPtRead, variant, arm1136, { seed }));
      expect([seed, expected === 'clean' ? [kind] : expected]).toEqual([
        seed,
        expected === 'clean' ? ['clean'] : expect.arrayContaining([kind]),
      ]);
    }
  });

  it('has a reason for every platform, and a source for every fact', () => {
    for (const platform of Object.values(platforms)) {
      const reason = variant.unsupported?.(platform) ?? variant.expectOn?.(platform).reason ?? '';
      expect(reason).toMatch(/\w+ \w+/);
      const bare = new RegExp(`\\b[a-z][\\w.]* of ${platform.name} is \\S+(?=\\s|$)(?! \\()`);
      expect(reason).not.toMatch(bare);
    }
  });
});

describe('the table of the thread, on an ARMv6 of two colours', () => {
  it.each([
    ['invalidate-same', ['lost-write']],
    ['invalidate-other', ['stale-data']],
    ['no-maintenance-same', 'clean'],
    ['no-maintenance-other', ['stale-data']],
    ['clean-invalidate-same', 'clean'],
    ['clean-invalidate-other', ['stale-data']],
    ['both-aliases-same', 'clean'],
    ['both-aliases-other', 'clean'],
    ['uncached-invalidate-other', 'clean'],
    ['uncached-no-maintenance-other', ['stale-data']],
    ['clear-no-flush-same', 'clean'],
    ['clear-no-flush-other', ['lost-write', 'stale-data']],
    ['shadow-not-cleaned', ['walker-old-entry']],
    ['shadow-no-tlb-invalidate', ['stale-translation']],
  ])('%s: %s', (name, expected) => {
    expect(expectedOn(name, 'arm1136')).toEqual(expected);
  });

  it('has nothing of another colour where there is one', () => {
    for (const platform of Object.values(platforms).filter(({ l1d }) => colours(l1d) === 1)) {
      for (const variant of variants.filter(({ name }) => name.endsWith('-other'))) {
        expect([platform.name, variant.unsupported?.(platform)]).toEqual([
          platform.name,
          expect.stringMatching(/one colour/),
        ]);
      }
    }
  });
});

it('what cleans by set and way is right on cores without a second level only', () => {
  expect(expectedOn('as-kvm-arm-same', 'arm1136')).toBe('clean');
  expect(expectedOn('as-kvm-arm-same', 'cortex-a15')).toEqual(['lost-write']);
  const variant = findVariant(shadowPtRead, 'as-kvm-arm-same');
  const a15 = platformByName('cortex-a15') ?? expect.fail('cortex-a15');
  expect(shown(runFlush(shadowPtRead, variant, a15))).toBe('lost-write');
});

describe('an expectation that is turned round is told', () => {
  const turned = (name: string, expected: 'clean' | readonly ['lost-write']): Variant => ({
    ...findVariant(shadowPtRead, name),
    expectOn: () => ({ expect: expected, reason: 'turned round' }),
  });
  it.each([
    ['invalidate-same', 'clean', 'lost-write instead of clean'],
    ['no-maintenance-other', ['lost-write'], 'stale-data instead of lost-write'],
    ['both-aliases-other', ['lost-write'], 'clean instead of lost-write'],
  ] as const)('%s as %s', (name, expected, difference) => {
    expect(disagreements(shadowPtRead, turned(name, expected), arm1136)[0]).toBe(
      `${name} on arm1136: ${difference}`,
    );
  });
});

it('a guest that gets another page than its tables say is told, whatever the loads say', () => {
  const variant = findVariant(shadowPtRead, 'guest-alias-other');
  const { findings } = runFlush(shadowPtRead, variant, arm1136, { keepGoing: true });
  expect(new Set(findings.map(({ kind }) => kind))).toEqual(new Set(['stale-data', 'invariant']));
});

describe('on threads', () => {
  const host = new ThreadsHost();
  afterAll(() => host.close());
  it('what is clean on lockstep is clean', { timeout: 60_000 }, async () => {
    for (const name of ['both-aliases-other', 'guest-cleans-invalidate-other', 'clear-flush-both-other']) {
      const variant = findVariant(shadowPtRead, name);
      for (const platform of supported(shadowPtRead, variant)) {
        const result = await host.run(jobFor(shadowPtRead, variant, platform, { seed: 1 }));
        expect([name, platform.name, shown(result)]).toEqual([name, platform.name, 'clean']);
      }
    }
    for (const platform of Object.values(platforms)) {
      const variant = findVariant(shadowPtRead, 'both-aliases-same');
      const result = await host.run(jobFor(shadowPtRead, variant, platform, { seed: 2 }));
      expect([platform.name, shown(result)]).toEqual([platform.name, 'clean']);
    }
  });
});
