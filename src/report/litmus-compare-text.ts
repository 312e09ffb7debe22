/** How outcomes differ from a reference, a line for each state, and what they come to. */
import type { Comparison } from '../litmus/outcomes.ts';

export interface ComparedTest {
  readonly name: string;
  /** Undefined if the reference does not know the test or has no states for it. */
  readonly comparison: Comparison | undefined;
}

/** Lines of one test; none if it has all the allowed states and no other. */
export function differencesText({ name, comparison }: ComparedTest): string[] {
  if (comparison === undefined) return [`no reference  ${name}`];
  return [
    ...comparison.unsound.map((state) => `unsound       ${name}  ${state}`),
    ...comparison.unreached.map((state) => `unreached     ${name}  ${state}`),
  ];
}

export function comparisonSummary(tests: readonly ComparedTest[]): string {
  const known = tests.flatMap(({ comparison }) => (comparison === undefined ? [] : [comparison]));
  const sum = (count: (comparison: Comparison) => number) => known.reduce((all, one) => all + count(one), 0);
  const unsound = sum((one) => one.unsound.length);
  const allowed = sum((one) => one.allowed);
  const reached = allowed - sum((one) => one.unreached.length);
  const equal = known.filter((one) => one.unsound.length + one.unreached.length === 0).length;
  return [
    `${known.length} tests compared, ${equal} with exactly the allowed states`,
    `${reached} of ${allowed} allowed states reached, ${unsound} unsound`,
    ...(known.length === tests.length ? [] : [`${tests.length - known.length} tests without a reference`]),
  ].join('\n');
}
