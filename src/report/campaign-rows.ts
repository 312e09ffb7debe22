/** What every report of a campaign says of its cells. */
import type { CellSummary, Summary } from '../campaign/summary.ts';
import { plural } from './text.ts';

/** A summary, and for cells with a failure the command line that shows it. */
export interface CampaignResults {
  readonly summary: Summary;
  readonly shown: ReadonlyMap<string, string>;
}

/** What must show in a cell. */
export function expectText({ cell: { expect } }: CellSummary): string {
  return expect === 'clean' ? 'nothing' : expect.join(' or ');
}

/** What showed, in one sentence. */
export function whyText(each: CellSummary): string {
  const { cell, done, errors, found, bound, incomplete, firstError } = each;
  const { expect } = cell;
  switch (each.state) {
    case 'error':
      return `a program failed in ${plural(errors, 'run')}: ${firstError?.what ?? ''}`;
    case 'unfinished':
      return `${done} of ${cell.units} parts are done`;
    case 'bound': {
      if (each.wentUncached) return 'the programs go past the caches: add "uncached": true to the entry';
      if (incomplete > 0) return `${plural(incomplete, 'part')} of the search came to no end: raise maxRuns`;
      return `${plural(bound, 'run')} came to no end: raise maxSteps`;
    }
    case 'unexpected':
      if (found === 0) return `${expectText(each)} must show, and nothing did`;
      return `${kindsText(each)} showed, and ${expect === 'clean' ? 'nothing' : `only ${expectText(each)}`} must`;
    case 'expected':
      return found === 0 ? 'nothing must show, and nothing did' : `${kindsText(each)} must show, and did`;
  }
}

/** `stale-translation in 3 runs, deadlock in 1 run`; empty if nothing was found. */
export function kindsText({ kindCounts }: CellSummary): string {
  return kindCounts.map(([kind, count]) => `${kind} in ${plural(count, 'run')}`).join(', ');
}

/** The platforms of a cell, each once. */
export function platformsText({ cell }: CellSummary): string {
  return [...new Set(cell.on.map(({ platform }) => platform))].join(', ');
}
