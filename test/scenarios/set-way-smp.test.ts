import { describe, expect, it } from 'vitest';
import { runLockstep } from '../../src/hosts/lockstep.ts';
import { RandomWalk } from '../../src/hosts/schedulers/random.ts';
import { jobOf, makePlan } from '../../src/lab/plan.ts';
import { platforms } from '../../src/platforms/index.ts';
import setWaySmp from '../../src/scenarios/races/set-way-smp.ts';
import { findVariant } from '../../src/scenarios/scenario.ts';

const limits = {
  checked: true,
  keepGoing: false,
  quantumCycles: 10_000,
  maxSteps: 1_000_000,
  maxSeconds: 60,
};

function outcome(variant: string, seed: number, platform = platforms['cortex-a53']): string {
  const plan = makePlan({
    scenario: setWaySmp,
    variant: findVariant(setWaySmp, variant),
    platform,
    given: {},
  });
  const job = jobOf(plan, limits, seed);
  const result = runLockstep(job, setWaySmp.createWorkload(job.source.parameters), new RandomWalk(seed));
  const { outcome: how, findings, error } = result;
  return how === 'finding' ? findings[0].kind : (error ?? how);
}

describe('set-way-smp', () => {
  it.each(['buggy', 'all-at-once'])('%s: a line escapes all flushes', (variant) => {
    const found = Array.from({ length: 20 }, (_, i) => outcome(variant, i + 1));
    expect(found).toContain('stale-data');
    for (const one of found) expect(['stale-data', 'finished']).toContain(one);
  });

  it.each(['cortex-a53', 'cortex-a15', 'cortex-a9', 'neoverse', 'x86-64', 'riscv-h'])(
    'fixed: cleaned by address it does not, on %s',
    (platform) => {
      const runs = Array.from({ length: 10 }, (_, i) => outcome('fixed', i + 1, platforms[platform]));
      expect(new Set(runs)).toEqual(new Set(['finished']));
    },
  );

  it('takes operations by set and way, and for the fix operations that are broadcast', () => {
    const why = (variant: string, platform: string) =>
      findVariant(setWaySmp, variant).unsupported?.(platforms[platform]);
    expect(why('buggy', 'riscv-h')).toMatch(/nothing to execute/);
    expect(why('fixed', 'riscv-h')).toBeUndefined();
    expect(why('fixed', 'arm11mpcore')).toMatch(/are local/);
  });
});
