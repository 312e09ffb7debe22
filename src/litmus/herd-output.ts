/**
 * A log as herd7 and litmus7 write it, for programs that read theirs (mcompare7 and its kin; herdtools7,
 * `herd/top_herd.ml`, `tools/lexLog_tools.mll`). Before each state stands how often it was found, with `*>`
 * if it satisfies the condition's proposition and `:>` if not. `Loop` marks a search that a bound ended.
 */
import { conditionText } from './notation.ts';
import { type Outcome, observationWord } from './outcome.ts';
import { testHash } from './test-hash.ts';

const KINDS = { exists: 'Allowed', 'not exists': 'Forbidden', forall: 'Required' } as const;

/** @param sampled runs were made, not every execution looked at: the states are a histogram */
export function logText(outcome: Outcome, sampled = false): string {
  const { test, states, positive, negative, holds, flags, complete, seconds } = outcome;
  const { name, condition } = test;
  // herd7 counts witnesses for the condition here, for the proposition under Observation.
  const [pro, contra] = condition.quantifier === 'not exists' ? [negative, positive] : [positive, negative];
  return [
    `Test ${name} ${KINDS[condition.quantifier]}`,
    sampled ? `Histogram (${states.length} states)` : `States ${states.length}`,
    ...states.map(
      ({ text, count, isWitness }) => `${String(count).padEnd(6)}${isWitness ? '*' : ':'}>${text}`,
    ),
    `${complete || sampled ? '' : 'Loop '}${holds ? 'Ok' : 'No'}`,
    'Witnesses',
    `Positive: ${pro} Negative: ${contra}`,
    ...flags.map((flag) => `Flag ${flag}`),
    `Condition ${conditionText(condition)}`,
    `Observation ${name} ${observationWord(outcome)} ${positive} ${negative}`,
    `Time ${name} ${seconds.toFixed(2)}`,
    `Hash=${testHash(test)}`,
    '',
  ].join('\n');
}
