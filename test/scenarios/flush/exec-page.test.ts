import { describe, expect, it } from 'vitest';
import { explain } from '../../../src/checker/explain.ts';
import { PLACE_L1I } from '../../../src/machine/check-port.ts';
import type { Platform } from '../../../src/machine/platform.ts';
import { platformByName, platforms } from '../../../src/platforms/index.ts';
import execPage from '../../../src/scenarios/flush/exec-page.ts';
import { findVariant } from '../../../src/scenarios/scenario.ts';
import { describeFlushScenario, disagreements, neededOn, runFlush } from '../../support/flush-scenarios.ts';
import { changed } from '../../support/machine.ts';

describeFlushScenario(execPage);

const platformNamed = (name: string): Platform => platformByName(name) ?? expect.fail(name);

describe('an instruction cache with virtual tags and ASIDs', () => {
  const tagged = changed(platformNamed('cortex-a9'), (platform) => {
    platform.name = 'asid-tagged';
    platform.l1i = { ...platform.l1i, organisation: 'vivt', asidTagged: true };
  });

  it.each(execPage.variants)('shows what is expected of $name', (variant) => {
    expect(disagreements(execPage, variant, tagged)).toEqual([]);
  });

  it('must be emptied when an ASID is given out again', () => {
    const variant = findVariant(execPage, 'rollover-no-icache-flush');
    expect(variant.expectOn?.(tagged).expect).toEqual(['stale-instruction']);
  });

  it('is emptied on every CPU, by a call where the operation is local', () => {
    const local = changed(tagged, (platform) => {
      platform.maintenance = { ...platform.maintenance, icache: 'local' };
    });
    for (const variant of execPage.variants) expect(disagreements(execPage, variant, local)).toEqual([]);
  });
});

it('x86 runs old instructions on another CPU that was not made to fetch again, and nothing else', () => {
  const x86 = platformNamed('x86-64');
  const wrong = execPage.variants.filter((variant) => runFlush(execPage, variant, x86).findings.length > 0);
  expect(wrong.map(({ name }) => name)).toEqual(['no-sync']);
});

it('one CPU has nobody to interrupt', () => {
  const variant = findVariant(execPage, 'no-sync');
  expect(runFlush(execPage, variant, platformNamed('x86-64'), { cpus: 1 }).findings).toEqual([]);
});

it.each([
  ['rollover.icache', 'l1i'],
  ['rollover.cache', 'l1d'],
] as const)('%s matters where lines of the %s have an ASID in their tag', (site, cache) => {
  const tagged = Object.values(platforms).filter((platform) => platform[cache].asidTagged);
  expect(tagged).not.toEqual([]);
  expect(neededOn(execPage, site)).toEqual(tagged.map(({ name }) => name));
});

it('says of an instruction of the other space that it is one', () => {
  const platform = platformNamed('sun4c');
  const variant = findVariant(execPage, 'rollover-no-icache-flush');
  const { findings, unfinished } = runFlush(execPage, variant, platform);
  const texts = explain(findings[0], platform, unfinished).lines.map(({ text }) => text);
  expect(texts[1]).toBe('a word of another page, from the instruction cache of CPU 0');
  expect(texts[2]).toMatch(/^virtual 0x\w+ was another page when that line was filled$/);
});

it('finds the cache of another CPU by the cache, not by what that had fetched ahead', () => {
  const platform = platformNamed('arm11mpcore');
  const { findings } = runFlush(execPage, findVariant(execPage, 'local-only'), platform);
  expect(findings[0]).toMatchObject({ kind: 'stale-instruction', cpu: 1, place: PLACE_L1I });
});
