import { expect, it } from 'vitest';
import { explain } from '../../../src/checker/explain.ts';
import { platformByName, platforms } from '../../../src/platforms/index.ts';
import walkerNotCoherent from '../../../src/scenarios/flush/walker-not-coherent.ts';
import { findVariant } from '../../../src/scenarios/scenario.ts';
import { describeFlushScenario, neededOn, runFlush } from '../../support/flush-scenarios.ts';

describeFlushScenario(walkerNotCoherent);

it.each(['map.section-clean', 'map.page-clean'])(
  'the clean at %s matters where entries are cleaned',
  (site) => {
    const cleaning = Object.values(platforms).filter(({ mmu }) => mmu.pageTables === 'clean');
    expect(neededOn(walkerNotCoherent, site)).toEqual(cleaning.map(({ name }) => name));
  },
);

function explained(variant: string, name: string): readonly string[] {
  const platform = platformByName(name) ?? expect.fail(name);
  const { findings, unfinished } = runFlush(
    walkerNotCoherent,
    findVariant(walkerNotCoherent, variant),
    platform,
  );
  return explain(findings[0], platform, unfinished).lines.map(({ text }) => text);
}

it('names the clean as the remedy', () => {
  expect(explained('section-no-clean', 'arm1136').at(-1)).toMatch(/clean its line to where the walker reads/);
});

it('names the write buffer as the place where the entry is', () => {
  expect(explained('clean-without-barrier', 'neoverse')[2]).toMatch(
    /^CPU 0 changed that word .*write buffer/,
  );
});
