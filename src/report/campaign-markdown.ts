/** A campaign as Markdown, for a pull request or a wiki. */
import { type CampaignResults, expectText, kindsText, platformsText, whyText } from './campaign-rows.ts';
import { campaignLine } from './campaign-text.ts';
import { markdownTable, markdownText } from './markdown-table.ts';

/** With a line feed at its end. */
export function campaignMarkdown(results: CampaignResults): string {
  const { summary, shown } = results;
  const { header, cells } = summary;
  const columns = [
    ...(['scenario', 'variant', 'platform', 'how'] as const).map((title) => ({
      title,
      align: 'left' as const,
    })),
    { title: 'runs', align: 'right' as const },
    ...(['must show', 'found', 'verdict'] as const).map((title) => ({ title, align: 'left' as const })),
  ];
  const rows = cells.map((each) => {
    const { scenario, variant, name, kind } = each.cell;
    const how = name.split(' ').slice(1).join(' ');
    return [
      ...[scenario, variant, platformsText(each), how === '' ? kind : how],
      ...[String(each.runs), expectText(each), kindsText(each) || '-', each.state],
    ];
  });
  const title = markdownText(header.campaign.name);
  const lines = [
    `# ${title}`,
    '',
    `${markdownText(campaignLine(results))}.`,
    '',
    ...markdownTable(columns, rows),
  ];
  const wrong = cells.filter(({ state }) => state !== 'expected');
  if (wrong.length > 0) lines.push('', '## Not as it must be', '');
  for (const each of wrong) {
    lines.push(`- **${markdownText(each.cell.name)}**: ${markdownText(whyText(each))}`);
    const line = shown.get(each.cell.name);
    if (line !== undefined) lines.push('', ...fenced(line).map((part) => `  ${part}`), '');
  }
  if (header.skipped.length > 0) lines.push('', '## Left out', '');
  for (const { name, reason } of header.skipped) lines.push(`- ${markdownText(`${name}: ${reason}`)}`);
  lines.push('', `flushlab ${header.flushlab}, plan ${header.plan.slice(0, 16)}`);
  return `${lines.join('\n')}\n`;
}

/** Code, in a fence longer than any in it. */
function fenced(words: string): string[] {
  const longest = Math.max(2, ...[...words.matchAll(/`+/g)].map(([ticks]) => ticks.length));
  const fence = '`'.repeat(longest + 1);
  return [fence, words.replace(/\s+/g, ' '), fence];
}
