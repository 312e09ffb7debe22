import { expect, it } from 'vitest';
import { runLockstep } from '../../../src/hosts/lockstep.ts';
import { ClockFirst } from '../../../src/hosts/schedulers/clock-first.ts';
import { jobOf, makePlan } from '../../../src/lab/plan.ts';
import { platforms } from '../../../src/platforms/index.ts';
import r4000Vce from '../../../src/scenarios/flush/r4000-vce.ts';
import { findVariant } from '../../../src/scenarios/scenario.ts';
import { describeFlushScenario } from '../../support/flush-scenarios.ts';

describeFlushScenario(r4000Vce);

const limits = {
  checked: true,
  keepGoing: false,
  quantumCycles: 10_000,
  maxSteps: 1_000_000,
  maxSeconds: 60,
};

/** Exceptions and cycles of a run without evictions. */
function cost(name: string, lines: number, readings = 2) {
  const variant = findVariant(r4000Vce, name);
  const plan = makePlan({
    scenario: r4000Vce,
    variant,
    platform: platforms.r4000,
    given: { lines, readings },
  });
  const job = jobOf(plan, limits, 1);
  const workload = r4000Vce.createWorkload(job.source.parameters);
  const { outcome, cpus } = runLockstep(job, workload, new ClockFirst());
  expect(outcome).toBe('finished');
  return { exceptions: cpus[0].counters.coherencyExceptions, cycles: cpus[0].clockCycles };
}

it('raises an exception for each line that comes in through another index', () => {
  const lines = 40;
  // The page that is mapped twice changes its index at every reading but the first.
  const readOnly = (2 * 3 - 1) * lines;
  expect(cost('nothing', lines, 3).exceptions).toBe(3 * lines + readOnly);
  expect(cost('flush-before-copy', lines, 3).exceptions).toBe(2 * lines + readOnly);
  expect(cost('flush-both', lines, 3).exceptions).toBe(lines + readOnly);
  expect(cost('colouring', lines, 3).exceptions).toBe(0);
  expect(cost('nothing', lines, 0).exceptions).toBe(3 * lines);
});

it('costs less the fewer exceptions there are, where whole pages are in use', () => {
  const whole = ['nothing', 'flush-before-copy', 'flush-both', 'colouring'].map((name) => cost(name, 128));
  for (const [i, { exceptions, cycles }] of whole.entries()) {
    if (i === 0) continue;
    expect(exceptions).toBeLessThan(whole[i - 1].exceptions);
    expect(cycles).toBeLessThan(whole[i - 1].cycles);
  }
});

it('costs more with flushes than with exceptions, where few lines are in use: a flush goes over all of them', () => {
  expect(cost('flush-before-copy', 4).cycles).toBeGreaterThan(cost('nothing', 4).cycles);
  expect(cost('colouring', 4).cycles).toBeLessThan(cost('nothing', 4).cycles);
});
