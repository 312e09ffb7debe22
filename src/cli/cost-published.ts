/** flushlab cost --against published: the published curves beside simulated ones. */
import { Option } from 'commander';
import { type ComparisonRow, comparePublished } from '../lab/published/compare.ts';
import { toJson } from '../report/json.ts';
import { publishedText } from '../report/published-text.ts';
import { EXIT, UsageError } from './errors.ts';
import { Progress, print, stdoutStyle } from './terminal.ts';

export interface AgainstFlags {
  readonly against?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly platform?: string;
}

/** `--against published` */
export function againstOption(): Option {
  const text = 'in place of an experiment: figures that were published, beside simulated ones';
  return new Option('--against <what>', text).choices(['published']);
}

/**
 * Measures what others have published, on the platforms that stand for their machines.
 * @param experiment what was given as an argument, which there must not be
 * @returns exit code 1 if a figure is farther off than it may be
 * @throws UsageError
 */
export async function publishedCost(experiment: string | undefined, flags: AgainstFlags): Promise<number> {
  if (experiment !== undefined) {
    throw new UsageError(
      `cost ${experiment}: --against published compares all it can: leave out '${experiment}'`,
    );
  }
  if (flags.platform !== undefined) {
    throw new UsageError(
      `--platform ${flags.platform}: --against published takes the platforms that were published: leave it out`,
    );
  }
  const progress = new Progress(flags.quiet === true);
  let rows: ComparisonRow[];
  try {
    rows = await comparePublished((done) => progress.show(`${done} figures compared`));
  } finally {
    progress.clear();
  }
  if (flags.json === true) print(toJson({ rows }));
  else print(publishedText(rows, stdoutStyle));
  return rows.every(({ holds }) => holds) ? EXIT.OK : EXIT.VIOLATION;
}
