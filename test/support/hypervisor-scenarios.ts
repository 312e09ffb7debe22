/**
 * What holds for a scenario of hypervisors: on every built-in platform each variant shows what its expectation says,
 * with a reason; and the ones that are to be clean are so on real threads.
 */
import { afterAll, describe, expect, it } from 'vitest';
import { ThreadsHost } from '../../src/hosts/threads.ts';
import type { DefinedScenario } from '../../src/scenarios/define.ts';
import { disagreements, jobFor, shown, supported } from './flush-scenarios.ts';

const SEEDS = [1, 2, 3, 4];

/** The tests that every scenario of hypervisors must pass. @param onThreads platforms whose clean cells run on threads */
export function describeHypervisorScenario(scenario: DefinedScenario, onThreads: readonly string[]): void {
  describe(scenario.name, () => {
    for (const variant of scenario.variants) {
      const platformsOf = supported(scenario, variant);
      it(`${variant.name} can run somewhere, and shows on every platform what is expected of it`, () => {
        expect(platformsOf.length).toBeGreaterThan(0);
        expect(platformsOf.flatMap((platform) => disagreements(scenario, variant, platform, SEEDS))).toEqual(
          [],
        );
      });
      it(`${variant.name} has a reason for every platform, and a source for every fact`, () => {
        for (const platform of platformsOf) {
          const reason = variant.expectOn?.(platform).reason ?? '';
          expect(reason).toMatch(/\w+ \w+/);
          const facts = new RegExp(`\\b[a-z][\\w.]* of ${platform.name} is \\S+(?=\\s|$)(?! \\()`, 'g');
          expect([platform.name, reason.match(facts) ?? []]).toEqual([platform.name, []]);
        }
      });
    }

    const host = new ThreadsHost();
    afterAll(() => host.close());
    it('what is to be clean is so on threads', { timeout: 60_000 }, async () => {
      for (const variant of scenario.variants) {
        for (const platform of supported(scenario, variant)) {
          if (!onThreads.includes(platform.name) || variant.expectOn?.(platform).expect !== 'clean') continue;
          for (const seed of [1, 2]) {
            const got = shown(await host.run(jobFor(scenario, variant, platform, { seed })));
            expect([variant.name, platform.name, seed, got]).toEqual([
              variant.name,
              platform.name,
              seed,
              'clean',
            ]);
          }
        }
      }
    });
  });
}
