/** A campaign as JSON: nothing in it depends on when or where it ran. */
import { type CampaignResults, whyText } from './campaign-rows.ts';

export function campaignReport({ summary, shown }: CampaignResults) {
  const { header, cells, state } = summary;
  return {
    command: 'campaign',
    name: header.campaign.name,
    flushlab: header.flushlab,
    plan: header.plan,
    units: header.units,
    done: summary.done,
    complete: summary.done === header.units,
    state,
    asExpected: state === 'expected',
    cells: cells.map((each) => {
      const { cell, done, runs, found, bound, errors, steps, incomplete, kindCounts, reached, first } = each;
      const repeat = shown.get(cell.name);
      return {
        name: cell.name,
        kind: cell.kind,
        scenario: cell.scenario,
        variant: cell.variant,
        expect: cell.expect,
        on: cell.on,
        units: cell.units,
        done,
        runs,
        found,
        bound,
        errors,
        ...(cell.kind === 'dpor' && { incomplete }),
        steps,
        kinds: Object.fromEntries(kindCounts),
        ...(reached.size > 0 && {
          reached: Object.fromEntries([...reached].sort(([a], [b]) => (a < b ? -1 : 1))),
        }),
        state: each.state,
        why: whyText(each),
        ...(first && { first: { what: first.what, ...(first.seed !== undefined && { seed: first.seed }) } }),
        ...(repeat !== undefined && { repeat }),
      };
    }),
    skipped: header.skipped,
  };
}
