import { describe, expect, it } from 'vitest';
import type { Job } from '../../../src/hosts/job.ts';
import { runLockstep } from '../../../src/hosts/lockstep.ts';
import { RoundRobin } from '../../../src/hosts/schedulers/round-robin.ts';
import { platforms } from '../../../src/platforms/index.ts';
import arm32Decompressor from '../../../src/scenarios/hypervisor/arm32-decompressor.ts';
import { bareMetal, bootCompressed, type Executor } from '../../../src/scenarios/hypervisor/decompressor.ts';
import { findVariant } from '../../../src/scenarios/scenario.ts';
import { runFlush, shown } from '../../support/flush-scenarios.ts';
import { describeHypervisorScenario } from '../../support/hypervisor-scenarios.ts';
import { changed } from '../../support/machine.ts';

describeHypervisorScenario(arm32Decompressor, ['cortex-a15', 'neoverse', 'arm926']);

const expected = (variant: string, platform: string) =>
  findVariant(arm32Decompressor, variant).expectOn?.(platforms[platform]).expect;

describe('arm32-decompressor', () => {
  it.each([
    ['guest-ignored', 'cortex-a15', ['stale-instruction', 'stale-data']],
    ['guest-ignored', 'neoverse', ['stale-data']],
    ['guest-to-the-letter', 'cortex-a15', 'clean'],
    ['guest-to-the-letter', 'neoverse', ['stale-data']],
    ['guest-untrapped', 'cortex-a15', 'clean'],
    ['guest-untrapped', 'neoverse', ['stale-data']],
    ['guest-kvm', 'neoverse', 'clean'],
    ['guest-xen-accessed', 'neoverse', 'clean'],
    ['guest-forced-write-back', 'neoverse-v1', 'clean'],
    ['set-way', 'cortex-a15', 'clean'],
    ['set-way', 'cortex-a53', 'clean'],
    ['system-cache', 'neoverse', ['stale-data']],
    ['by-address', 'neoverse', 'clean'],
    ['by-address', 'cortex-a9', ['stale-data']],
    ['no-flush', 'cortex-a15', ['stale-instruction', 'stale-data']],
    ['no-flush', 'neoverse', ['stale-data']],
  ])('%s on %s', (variant, platform, expectation) => {
    expect(expected(variant, platform)).toEqual(expectation);
  });

  // Each of these lost lines while a second CPU unpacked the same kernel over it.
  it.each(['by-address', 'guest-xen-accessed'])('%s has other CPUs stand still', (name) => {
    const variant = findVariant(arm32Decompressor, name);
    const platform = platforms[arm32Decompressor.defaultPlatform(name)];
    const seeds = Array.from({ length: 20 }, (_, i) => i + 1);
    const got = seeds.map((seed) => shown(runFlush(arm32Decompressor, variant, platform, { seed, cpus: 2 })));
    expect(got.filter((kind) => kind !== 'clean')).toEqual([]);
  });

  /** Runs a decompressor whose operations by set and way go through somebody, and notes what they were. */
  function operations(emptying: 'set-way' | 'by-address' | 'none'): string[] {
    const platform = changed(platforms['cortex-a15'], (p) => {
      p.l1d.sizeBytes = 256;
      p.shared = { sizeBytes: 128, ways: 2 };
      p.agents = [];
    });
    const noted: string[] = [];
    const job: Job = {
      ...{ platform, cpus: 1, seed: 1, checked: true, strict: true, quantumCycles: 1, maxSteps: 10_000 },
      ...{ source: { module: '', parameters: {} }, maxSeconds: 10 },
    };
    const result = runLockstep(
      job,
      {
        setup: () => ({}),
        start: ({ cpu }) => {
          const real = bareMetal(cpu);
          const executor: Executor = {
            ...real,
            *setWay(level, set, way, operation) {
              noted.push(`${level} ${set} ${way}`);
              yield* real.setWay(level, set, way, operation);
            },
            *caches(on) {
              noted.push(on ? 'on' : 'off');
              yield* real.caches(on);
            },
          };
          const program = bootCompressed(executor, { va: 0x1000, lines: 1 }, emptying);
          return { program, vectors: null };
        },
      },
      new RoundRobin(),
    );
    expect(result.outcome).toBe(emptying === 'none' ? 'finding' : 'finished');
    return noted;
  }

  it('names every set and way of each level, before and after the caches go off', () => {
    const first = ['l1d 0 0', 'l1d 1 0', 'l1d 0 1', 'l1d 1 1', 'shared 0 0', 'shared 0 1'];
    expect(operations('set-way')).toEqual(['on', ...first, 'off', ...first]);
  });

  it('names none of them by address', () => {
    expect(operations('by-address')).toEqual(['on', 'off']);
    expect(operations('none')).toEqual(['on', 'off']);
  });
});
