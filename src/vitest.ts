/**
 * Matchers for vitest: importing this module teaches `expect` about scenarios and replay tokens.
 *
 *     import 'flushlab/vitest';
 *     await expect(myRace).toStayCoherent({ variant: 'fixed', exhaustive: true });
 *
 * Schedules are explored in the thread of the test. A scenario must be the default export of a module of its
 * own: the programs are imported again from there.
 */
import { expect } from 'vitest';
import type { FindingKind } from './checker/finding.ts';
import { isViolation } from './explore/shard.ts';
import { decodeToken } from './explore/token.ts';
import {
  type CoherencyOptions,
  demandAnswer,
  exampleText,
  explained,
  exploreFor,
  nameOf,
  replayOn,
} from './lab/expectation.ts';
import { version } from './lab/version.ts';
import { loadScenario } from './scenarios/load-scenario.ts';
import type { Scenario } from './scenarios/scenario.ts';

export type { CoherencyOptions } from './lab/expectation.ts';

interface FlushlabMatchers {
  /** No schedule that was tried shows a violation. */
  toStayCoherent(options?: CoherencyOptions): Promise<void>;
  /** Some schedule shows a violation of this kind. */
  toExhibit(kind: FindingKind, options?: CoherencyOptions): Promise<void>;
  /** Some schedule comes to this state, which the scenario declares reachable. */
  toReach(state: string, options?: CoherencyOptions): Promise<void>;
  /**
   * The schedule of a token still ends as it did: on this scenario, or if the token itself is what is expected
   * of, on the one that it names. `.not` guards a fix. Steps that cannot be taken any more are left out.
   */
  toReplay(token?: string): Promise<void>;
}

declare module 'vitest' {
  // biome-ignore lint/suspicious/noExplicitAny: must be declared as vitest declares it.
  interface Matchers<T = any> extends FlushlabMatchers {}
}

interface Result {
  readonly pass: boolean;
  readonly message: () => string;
}

expect.extend({
  async toStayCoherent(received: unknown, options: CoherencyOptions = {}): Promise<Result> {
    const scenario = scenarioOf(received);
    const usual = scenario.variants.find((variant) => variant.expect === 'clean');
    const explored = await exploreFor(scenario, usual?.name, options);
    const violation = explored.report.failures.find(({ signature }) => isViolation(signature));
    if (!violation) demandAnswer(explored, options);
    const tried = `${explored.report.runs} schedules of ${nameOf(explored.plan)}`;
    const text = violation && !this.isNot ? explained(explored, violation) : '';
    return {
      pass: violation === undefined,
      message: () =>
        violation
          ? `${nameOf(explored.plan)} does not stay coherent\n${text}`
          : `expected a violation, but ${tried} show none`,
    };
  },

  async toExhibit(received: unknown, kind: FindingKind, options: CoherencyOptions = {}): Promise<Result> {
    const scenario = scenarioOf(received);
    const usual = scenario.variants.find(({ expect: kinds }) => kinds !== 'clean' && kinds.includes(kind));
    const explored = await exploreFor(scenario, usual?.name, options);
    const { failures, runs } = explored.report;
    const wanted = kind === 'deadlock' ? kind : `finding ${kind}`;
    const match = failures.find(({ signature }) => signature === wanted);
    const other = failures.find(({ signature }) => isViolation(signature));
    if (!match && !other) demandAnswer(explored, options);
    // Whichever is the disappointment; vitest leaves isNot undefined where nothing was negated.
    const shown = this.isNot ? match : match ? undefined : other;
    const text = shown ? explained(explored, shown) : '';
    const found = other ? `'${failures.map(({ signature }) => signature).join("', '")}'` : 'nothing';
    return {
      pass: match !== undefined,
      message: () =>
        match
          ? `${nameOf(explored.plan)} was not to show '${kind}'\n${text}`
          : `${nameOf(explored.plan)} was to show '${kind}', but ${runs} schedules show ${found}\n${text}`,
    };
  },

  async toReach(received: unknown, state: string, options: CoherencyOptions = {}): Promise<Result> {
    const scenario = scenarioOf(received);
    const declared = scenario.reachable?.[state];
    if (!declared) {
      const known = Object.keys(scenario.reachable ?? {}).join(', ') || 'none';
      throw new TypeError(`${scenario.name} declares no state '${state}': it declares ${known}`);
    }
    const explored = await exploreFor(scenario, declared.variants?.[0], options, state);
    const { reached, runs } = explored.report;
    const count = reached.find(({ name }) => name === state)?.count ?? 0;
    if (count === 0) demandAnswer(explored, options);
    const where = nameOf(explored.plan);
    return {
      pass: count > 0,
      message: () =>
        count > 0
          ? `${where} was not to reach '${state}'`
          : `${where} was to reach '${state}', but ${runs} schedules do not`,
    };
  },

  async toReplay(received: unknown, word?: string): Promise<Result> {
    const token = decodeToken(word ?? tokenOf(received));
    if (token.version !== version) {
      const why = 'its steps may not be the same, so neither answer would mean anything';
      throw new Error(
        `the token was made by flushlab ${token.version}, this is ${version}: ${why}: make it anew`,
      );
    }
    const scenario =
      word === undefined ? await loadScenario(token.scenario, process.cwd()) : scenarioOf(received);
    const { plan, on, choices, signature } = await replayOn(scenario, token);
    const pass = signature === token.signature;
    const text = isViolation(signature) ? exampleText(plan, on, choices) : (on.result().error ?? '');
    return {
      pass,
      message: () =>
        pass
          ? `the schedule was not to end with '${signature}' any more\n${text}`
          : `the schedule was to end with '${token.signature}', it ends with '${signature}'\n${text}`,
    };
  },
});

/** @throws TypeError */
function scenarioOf(received: unknown): Scenario {
  const { variants, module } = (received ?? {}) as Partial<Scenario>;
  if (Array.isArray(variants) && typeof module === 'string') return received as Scenario;
  throw new TypeError('expected a scenario: what defineScenario returns');
}

/** @throws TypeError */
function tokenOf(received: unknown): string {
  if (typeof received === 'string') return received;
  throw new TypeError('toReplay needs a token: expect(scenario).toReplay(token) or expect(token).toReplay()');
}
