import { describe, expect, it } from 'vitest';
import { runLockstep } from '../../../src/hosts/lockstep.ts';
import { RandomWalk } from '../../../src/hosts/schedulers/random.ts';
import {
  cannotShootDown,
  machineFor,
  type ShootdownName,
  shootdownMechanisms,
} from '../../../src/kernel/shootdown/mechanisms.ts';
import { shootdownWorkload } from '../../../src/lab/experiments/bench/shootdown-bench.ts';
import type { ShootdownBench } from '../../../src/lab/experiments/bench/shootdown-spec.ts';
import type { Platform } from '../../../src/machine/platform.ts';
import { platforms } from '../../../src/platforms/index.ts';
import type { Workload } from '../../../src/program/workload.ts';
import { changed } from '../../support/machine.ts';

/** As little memory as the programs need: a checked machine has a shadow of it. */
const small = (name: string) =>
  changed(platforms[name], (p) => {
    p.memoryBytes = 1 << 20;
    if (p.shared) p.shared = { sizeBytes: 1 << 18, ways: 16 };
    if (p.outer) p.outer = { ...p.outer, sizeBytes: 1 << 18 };
    if (p.sockets) p.sockets.cpusEach = 2;
  });
const machines = ['x86-haswell', 'kunpeng920', 'x86-invlpgb', 'sun4m'].map(small);
const names = Object.keys(shootdownMechanisms) as ShootdownName[];

/** Users that go on while their pages are taken away and given to others, in any order. */
function run(platform: Platform, bench: Partial<ShootdownBench>, seed: number) {
  const mechanism = bench.mechanism ?? 'cross-call';
  const workload = shootdownWorkload({
    ...{ mechanism, bystanders: 1, initiators: 1, pages: 2, ownPages: 1, rounds: 3, passes: 1, isBusy: true },
    ...bench,
  });
  const job = {
    ...{ platform: machineFor(platform, mechanism), cpus: 4, seed, checked: true, quantumCycles: 0 },
    ...{ source: { module: '', parameters: {} }, maxSteps: 500_000, maxSeconds: 60 },
  };
  return runLockstep(job, workload as unknown as Workload, new RandomWalk(seed));
}

describe.each(machines)('on $name', (platform) => {
  const able = names.filter((name) => cannotShootDown(platform, name) === undefined);

  it.each(able)('%s leaves nobody with an old translation', (mechanism) => {
    for (let seed = 1; seed <= 3; seed++) {
      const { outcome, findings, error } = run(platform, { mechanism }, seed);
      expect({ outcome, kinds: findings.map(({ kind }) => kind), error }).toEqual({
        ...{ outcome: 'finished', kinds: [], error: undefined },
      });
    }
  });

  it.each(able)('%s by two CPUs at the same time does not either', (mechanism) => {
    const { outcome, error } = run(platform, { mechanism, initiators: 2, bystanders: 0 }, 5);
    expect([outcome, error]).toEqual(['finished', undefined]);
  });
});

describe('a mechanism that does less than it must is found', () => {
  const [haswell] = machines;
  const kinds = (bench: Partial<ShootdownBench>) => {
    const found = new Set<string>();
    for (let seed = 1; seed <= 8; seed++) {
      for (const { kind } of run(haswell, bench, seed).findings) found.add(kind);
    }
    return [...found];
  };

  it('lazy, with frames that are free before the others have flushed', () => {
    expect(kinds({ mechanism: 'lazy', wrong: 'frees-at-once' })).toContain('freed-frame');
  });

  it.each(['cross-call', 'concurrent', 'early-ack'] as const)('%s, without the flush', (mechanism) => {
    const found = kinds({ mechanism, wrong: 'forgets-flush' });
    expect(found.some((kind) => kind === 'stale-translation' || kind === 'freed-frame')).toBe(true);
  });
});

describe('which mechanisms there are', () => {
  it('depends on broadcasts', () => {
    expect(cannotShootDown(platforms.sun4m, 'broadcast')).toMatch(/cannot invalidate/);
    expect(cannotShootDown(platforms.sun4m, 'early-ack')).toBeUndefined();
    expect(cannotShootDown(platforms.kunpeng920, 'broadcast-mm')).toBeUndefined();
  });

  it('and only what asks what if changes the machine', () => {
    for (const name of names) {
      const machine = machineFor(platforms.kunpeng920, name);
      expect(machine === platforms.kunpeng920).toBe(name !== 'broadcast-targeted');
    }
    expect(machineFor(platforms.kunpeng920, 'broadcast-targeted').broadcast?.targeted).toBe(true);
  });
});
