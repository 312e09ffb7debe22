import { describe, expect, it } from 'vitest';
import { matrixCells } from '../../../src/lab/matrix.ts';
import { platforms } from '../../../src/platforms/index.ts';
import { hypervisorScenarios } from '../../../src/scenarios/index.ts';

const columns = Object.values(platforms).map((platform) => ({ reference: platform.name, platform }));

describe.each(hypervisorScenarios.map((scenario) => ({ name: scenario.name, scenario })))(
  'the rows of $name',
  ({ name, scenario }) => {
    const cells = matrixCells([{ reference: name, scenario }], columns);

    it('say on every platform what must show, or why nothing can', () => {
      expect(cells).toHaveLength(scenario.variants.length * columns.length);
      for (const { reason } of cells) expect(reason).toMatch(/\w+ \w+/);
    });

    it('have a right variant and a wrong one, each on some platform', () => {
      const expected = cells.filter(({ plan }) => plan !== undefined).map(({ expect: kinds }) => kinds);
      expect(expected).toContain('clean');
      expect(expected.some((kinds) => kinds !== 'clean')).toBe(true);
    });

    it('name their source', () => {
      expect(scenario.source).toMatch(/\w+ \w+/);
    });
  },
);
