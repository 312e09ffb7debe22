import { describe, expect, it } from 'vitest';
import { whyNot } from '../../../src/lab/experiments/experiment.ts';
import { experiments } from '../../../src/lab/experiments/index.ts';
import { measurePoint } from '../../../src/lab/sweep/measure-point.ts';
import { layOutSweep, PLATFORM } from '../../../src/lab/sweep/points.ts';
import { platforms } from '../../../src/platforms/index.ts';

describe.each(Object.values(experiments))('experiment $name', (experiment) => {
  const usual = layOutSweep({
    ...{ experiment, scans: [], set: {}, repeat: 1, seed: 1 },
    findPlatform: (name) => {
      expect(Object.keys(platforms)).toContain(name);
      return platforms[name];
    },
  });

  it('says what it is, where it comes from and what it measures', () => {
    expect(experiment.title).not.toBe('');
    expect(experiment.source).not.toBe('');
    const measures = Object.values(experiment.measures);
    expect(measures.length).toBeGreaterThan(0);
    for (const { title, unit } of measures) expect([title, unit]).not.toContain('');
  });

  it('has parameters that cannot be taken for a platform or a seed', () => {
    expect(Object.keys(experiment.parameters)).not.toContain(PLATFORM);
    expect(Object.keys(experiment.parameters)).not.toContain('seed');
  });

  it('has usual points, some of which mean something', () => {
    const some = usual.points.filter(
      ({ platform, parameters }) => whyNot(experiment, platform, parameters) === undefined,
    );
    expect(some.length).toBeGreaterThan(0);
  });

  it('measures what it says, the same twice', async () => {
    const point = usual.points.find(
      ({ platform, parameters }) => whyNot(experiment, platform, parameters) === undefined,
    )!;
    const { platform, parameters } = point;
    const task = { experiment: experiment.name, platform, parameters, seed: 3 };
    const outcome = await measurePoint(task);
    if (!('measures' in outcome)) throw new Error(JSON.stringify(outcome));
    const names = Object.keys(outcome.measures);
    expect(names.length).toBeGreaterThan(0);
    expect(Object.keys(experiment.measures)).toEqual(expect.arrayContaining(names));
    expect(Object.values(outcome.measures).every(Number.isFinite)).toBe(true);
    expect(await measurePoint(task)).toEqual(outcome);
  });
});
