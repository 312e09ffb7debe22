/** The matrix as a page that needs nothing else: no script, no style sheet, no font from anywhere. */
import type { CellOutcome } from '../lab/matrix.ts';
import { matrixRows, platformsOf, summary } from './matrix-rows.ts';
import { verdictText } from './matrix-text.ts';

const STYLE = `body{font:14px/1.4 system-ui,sans-serif;margin:2rem;color:#222}
table{border-collapse:collapse}
th,td{border:1px solid #ccc;padding:.25rem .5rem;text-align:left;vertical-align:top}
thead th{position:sticky;top:0;background:#fff}
td.found{background:#f7d4cf}td.clean{background:#d5edd8}td.na{background:#eee;color:#777}
td.bound,td.error{background:#f5e3a8}
td.surprise{outline:3px solid #b00020;outline-offset:-3px;font-weight:bold}
small{display:block}
details{margin:.5rem 0}summary{cursor:pointer}dt{font-weight:bold;margin-top:.4rem}dd{margin-left:1.5rem}
@media (prefers-color-scheme:dark){body{background:#181818;color:#ddd}thead th{background:#181818}
th,td{border-color:#444}td.found{background:#5c2a24}td.clean{background:#23452a}td.na{background:#2a2a2a;color:#888}
td.bound,td.error{background:#5a4c17}}`;

/** @param how in a line: the host, runs and seed of the cells */
export function matrixHtml(outcomes: readonly CellOutcome[], how: string): string {
  const platforms = platformsOf(outcomes);
  const rows = matrixRows(outcomes);
  const titles = platforms.map(
    ({ platform }) => `<th scope="col" title="${escaped(platform.title)}">${escaped(platform.name)}</th>`,
  );
  const body = rows.map(({ scenario, variant, title, isFirst, cells }) => {
    const names = `<th scope="row">${isFirst ? escaped(scenario) : ''}</th><th scope="row" title="${escaped(title)}">${escaped(variant)}</th>`;
    return `<tr>${names}${platforms.map((on) => cellHtml(cells.get(on))).join('')}</tr>`;
  });
  const reasons = rows.map(({ scenario, variant, title, cells }) => {
    const entries = [...cells].map(
      ([on, outcome]) =>
        `<dt>${escaped(on.platform.name)}: ${escaped(verdictText(outcome))}</dt><dd>${escaped(outcome.cell.reason)}</dd>`,
    );
    const heading = `${escaped(scenario)} / ${escaped(variant)}: ${escaped(title)}`;
    return `<details><summary>${heading}</summary><dl>${entries.join('')}</dl></details>`;
  });
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Who needs which flush</title>
<style>
${STYLE}
</style>
</head>
<body>
<h1>Who needs which flush</h1>
<p>${escaped(how)}</p>
<p>${escaped(summary(outcomes))}</p>
<table>
<thead><tr><th scope="col">scenario</th><th scope="col">variant</th>${titles.join('')}</tr></thead>
<tbody>
${body.join('\n')}
</tbody>
</table>
<h2>Why</h2>
${reasons.join('\n')}
</body>
</html>
`;
}

function cellHtml(outcome: CellOutcome | undefined): string {
  if (!outcome) return '<td></td>';
  const { result, asExpected, kinds, cell, found, runs } = outcome;
  const classes = `${result === 'n/a' ? 'na' : result}${asExpected ? '' : ' surprise'}`;
  const rate = runs > 1 && cell.expect !== 'clean' ? ` ${found}/${runs}` : '';
  const details = kinds.map((kind) => `<small>${kind}</small>`).join('');
  const title = `${verdictText(outcome)}: ${cell.reason}`;
  return `<td class="${classes}" title="${escaped(title)}">${result}${rate}${details}</td>`;
}

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (char) => ENTITIES[char]);
}
