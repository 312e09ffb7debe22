import { describe, expect, it } from 'vitest';
import { type Experiment, whyNot } from '../../../src/lab/experiments/experiment.ts';
import { experiments } from '../../../src/lab/experiments/index.ts';
import { measurePoint } from '../../../src/lab/sweep/measure-point.ts';
import { platforms } from '../../../src/platforms/index.ts';
import type { Parameters } from '../../../src/program/workload.ts';

/** Every number at its least, but what there must be something of to measure. */
const AT_LEAST: Readonly<Record<string, number>> = { cpus: 2, sockets: 2, memory: 32, bits: 4, pages: 1 };

function smallest({ parameters }: Experiment): Parameters {
  return Object.fromEntries(
    Object.entries(parameters).map(([name, { default: usual, min, max }]) => {
      if (typeof usual !== 'number') return [name, usual];
      const least = Math.max(min ?? usual, AT_LEAST[name] ?? 0);
      return [name, Math.min(least, max ?? least)];
    }),
  );
}

/** On one CPU where there is no second one: what cannot be measured at all is what this is about. */
const onThis = (parameters: Parameters, maxCpus: number): Parameters =>
  typeof parameters.cpus === 'number'
    ? { ...parameters, cpus: Math.min(parameters.cpus, maxCpus) }
    : parameters;

describe.each(Object.values(experiments))('$name at its smallest', (experiment) => {
  const points = Object.values(platforms).map((platform) => ({
    platform,
    parameters: onThis(smallest(experiment), platform.maxCpus),
  }));
  const able = points.filter((point) => whyNot(experiment, point.platform, point.parameters) === undefined);

  it('says why it means nothing on a platform, naming it', () => {
    for (const { platform, parameters } of points) {
      const reason = whyNot(experiment, platform, parameters);
      if (reason !== undefined) expect(reason).toContain(platform.name);
    }
    expect(able.length).toBeGreaterThan(0);
  });

  it('is measured on every other platform, with figures that are some of its measures', async () => {
    for (const { platform, parameters } of able) {
      const outcome = await measurePoint({ experiment: experiment.name, platform, parameters, seed: 1 });
      if (!('measures' in outcome)) throw new Error(`${platform.name}: ${JSON.stringify(outcome)}`);
      const entries = Object.entries(outcome.measures);
      expect(entries.length).toBeGreaterThan(0);
      for (const [name, figure] of entries) {
        expect(Object.keys(experiment.measures)).toContain(name);
        expect([platform.name, name, Number.isFinite(figure)]).toEqual([platform.name, name, true]);
      }
    }
  });

  it('is a function of the point alone: equal after points of other platforms and seeds', async () => {
    const [first, ...others] = able;
    const measure = (point: typeof first, seed: number) => experiment.measure({ ...point, seed });
    const once = await measure(first, 1);
    for (const other of others.slice(-1)) await measure(other, 2);
    expect(await measure(first, 1)).toEqual(once);
    const copy = structuredClone(first);
    expect(await measure(copy, 1)).toEqual(once);
    // Nor does measuring write to what it is given.
    expect(copy).toEqual(first);
  });
});
