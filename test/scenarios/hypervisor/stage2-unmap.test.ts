import { afterAll, describe, expect, it } from 'vitest';
import { explain } from '../../../src/checker/explain.ts';
import { runLockstep } from '../../../src/hosts/lockstep.ts';
import { RandomWalk } from '../../../src/hosts/schedulers/random.ts';
import { ThreadsHost } from '../../../src/hosts/threads.ts';
import { platforms } from '../../../src/platforms/index.ts';
import stage2Unmap from '../../../src/scenarios/hypervisor/stage2-unmap.ts';
import { findVariant } from '../../../src/scenarios/scenario.ts';
import { disagreements, jobFor, runFlush, shown, supported } from '../../support/flush-scenarios.ts';
import { withGuests } from '../../support/hypervisor.ts';

/** Enough for the variant that is found least often, in one run of three. */
const SEEDS = Array.from({ length: 20 }, (_, i) => i + 1);
const SHORT = { rounds: 3, touches: 300 };

/** What the runs of a variant show first: 'clean' if none shows anything. */
function firstShown(variant: string, platform: string, seeds = SEEDS): string {
  for (const seed of seeds) {
    const how = { seed, given: SHORT };
    const got = shown(runFlush(stage2Unmap, findVariant(stage2Unmap, variant), platforms[platform], how));
    if (got !== 'clean') return got;
  }
  return 'clean';
}

const expected = (variant: string, platform: string) =>
  findVariant(stage2Unmap, variant).expectOn?.(platforms[platform]).expect;

describe.each(stage2Unmap.variants.map(({ name }) => name))('stage2-unmap %s', (variant) => {
  const names = supported(stage2Unmap, findVariant(stage2Unmap, variant)).map(({ name }) => name);

  it.each(names)('shows what is expected of it on %s', (platform) => {
    const shows = expected(variant, platform);
    if (shows === 'clean') expect(firstShown(variant, platform, [1, 2])).toBe('clean');
    else expect(shows).toContain(firstShown(variant, platform));
  });

  it('has a reason with its source for every platform', () => {
    for (const name of names) {
      const { reason } = findVariant(stage2Unmap, variant).expectOn?.(platforms[name]) ?? {};
      expect(reason).toMatch(/\w+ \w+/);
      expect(reason).not.toMatch(new RegExp(`\\b[a-z][\\w.]* of ${name} is \\S+$`));
    }
  });
});

describe('stage2-unmap', () => {
  // By hand, from the descriptions: what remembers stage 2 alone makes the first invalidate and its barrier matter.
  it.each(withGuests)('the sequence of two invalidates is that of $name, or it has one fence', (platform) => {
    const { virtualization, name } = platform;
    const { unsupported } = findVariant(stage2Unmap, 'no-ipa');
    const isLocal = virtualization?.stage2Fences === 'local';
    expect(unsupported?.(platform) !== undefined).toBe(isLocal);
    if (!isLocal) expect(expected('no-ipa', name) === 'clean').toBe(virtualization?.ipaCache === undefined);
  });

  it('names the stage, the VMID and the invalidate that was missing', () => {
    const variant = findVariant(stage2Unmap, 'no-stage1');
    const { findings } = runFlush(stage2Unmap, variant, platforms.neoverse, { given: SHORT });
    const text = explain(findings[0], platforms.neoverse)
      .lines.map((line) => line.text)
      .join(' ');
    expect(text).toMatch(/VMID 1/);
    expect(text).toMatch(/stage 2/);
    expect(text).toMatch(/VMALLE1/);
  });

  // By hand, from what each leaves out: indices of `diagnoses`, in runs with several changes of one entry.
  it.each([
    ['no-stage1', 4],
    ['no-ipa', 5],
    ['stage1-first', 5],
    ['no-barrier-before', 6],
    ['no-barrier-after', 1],
    ['this-cpu-only', 0],
  ])('%s is explained by what it leaves out, in whatever round it shows', (name, diagnosis) => {
    const variant = findVariant(stage2Unmap, name);
    const runs = SEEDS.map((seed) =>
      runFlush(stage2Unmap, variant, platforms.neoverse, { seed, given: SHORT }),
    );
    const stale = runs.flatMap(({ findings }) => findings).filter(({ kind }) => kind === 'stale-translation');
    expect(new Set(stale.map((finding) => finding.diagnosis))).toEqual(new Set([diagnosis]));
  });

  // The canary: the right sequence on hardware that does not keep to it, and a wrong expectation.
  it('notices a barrier that does not wait for broadcasts', () => {
    const right = findVariant(stage2Unmap, 'right');
    const shows = SEEDS.map((seed) => {
      const job = { ...jobFor(stage2Unmap, right, platforms.neoverse, { seed, given: SHORT }) };
      const broken = { ...job, mutation: 'dsb-ignores-broadcast' as const };
      const workload = stage2Unmap.createWorkload(job.source.parameters);
      return shown(runLockstep(broken, workload, new RandomWalk(seed)));
    });
    expect(shows).toContain('stale-translation');
  });

  it('is told where runs differ from what is expected', () => {
    const wrong = findVariant(stage2Unmap, 'no-stage1');
    const turned = { ...wrong, expectOn: () => ({ expect: 'clean', reason: 'turned round' }) as const };
    expect(disagreements(stage2Unmap, turned, platforms.neoverse)).toHaveLength(3);
  });

  const host = new ThreadsHost();
  afterAll(() => host.close());
  it('is clean on threads when it is right', { timeout: 60_000 }, async () => {
    const right = findVariant(stage2Unmap, 'right');
    for (const name of ['neoverse', 'cortex-a15', 'riscv-h']) {
      for (const seed of [1, 2]) {
        const job = jobFor(stage2Unmap, right, platforms[name], { seed, given: SHORT });
        expect([name, seed, shown(await host.run(job))]).toEqual([name, seed, 'clean']);
      }
    }
  });
});
