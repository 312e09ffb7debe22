/** A campaign for CI systems: a test suite for each scenario, a test for each of its cells. No times: not twice the same. */
import type { CellSummary } from '../campaign/summary.ts';
import { type CampaignResults, whyText } from './campaign-rows.ts';
import { type JUnitCase, junitXml, suitesOf } from './junit-xml.ts';
import { plural } from './text.ts';

export function campaignJunit({ summary, shown }: CampaignResults): string {
  const { header, cells } = summary;
  const caseOf = (scenario: string, name: string, result: Partial<JUnitCase>) =>
    [scenario, { name, className: `flushlab.campaign.${scenario}`, ...result }] as const;
  const cases = [
    ...cells.map((each) =>
      caseOf(each.cell.scenario, each.cell.name, resultOf(each, shown.get(each.cell.name))),
    ),
    ...header.skipped.map(({ scenario, name, reason }) => caseOf(scenario, name, { skipped: reason })),
  ];
  const properties = { campaign: header.campaign.name, flushlab: header.flushlab, plan: header.plan };
  return junitXml(suitesOf(cases, properties));
}

function resultOf(each: CellSummary, repeat: string | undefined): Partial<JUnitCase> {
  const { runs, steps } = each;
  const message = whyText(each);
  const text = [
    message,
    `${plural(runs, 'run')}, ${plural(steps, 'step')}`,
    ...(repeat === undefined ? [] : [repeat]),
  ];
  const output = text.join('\n');
  switch (each.state) {
    case 'expected':
      return { output };
    case 'unexpected': {
      const [type = 'not-found'] = each.kinds.keys();
      return { failure: { message, type, text: output } };
    }
    case 'error':
      return { error: { message, type: 'error', text: output } };
    // Neither says that anything is wrong, nor that it is right.
    case 'bound':
      return { error: { message, type: 'limit', text: output } };
    case 'unfinished':
      return { skipped: message };
  }
}
