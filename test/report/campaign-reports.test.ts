import { beforeAll, expect, it } from 'vitest';
import { type Header, headerOf } from '../../src/campaign/header.ts';
import type { StressLine } from '../../src/campaign/line.ts';
import type { CampaignPlan } from '../../src/campaign/plan.ts';
import { Summary } from '../../src/campaign/summary.ts';
import { campaignReport } from '../../src/report/campaign-json.ts';
import { campaignJunit } from '../../src/report/campaign-junit.ts';
import { campaignMarkdown } from '../../src/report/campaign-markdown.ts';
import { campaignText } from '../../src/report/campaign-text.ts';
import { lineOf, planOf, stressEntry } from '../campaign/small-campaign.ts';

let plan: CampaignPlan;
let header: Header;

beforeAll(async () => {
  const pages = {
    kind: 'stress',
    scenarios: ['tlb-shootdown'],
    variants: ['broadcast'],
    seeds: [{ from: 1, to: 1 }],
  };
  plan = await planOf([stressEntry(2), { ...pages, platforms: ['neoverse', 'x86-64'] }], 'a <b> & "c" | `d`');
  header = headerOf(plan);
});

const stale = { verdict: 'found', kind: 'stale-translation', findings: 1 } as const;

function results(parts: readonly [number, Partial<StressLine>][]) {
  const summary = new Summary(header);
  for (const [unit, part] of parts) summary.add(lineOf(plan, unit, part));
  return { summary, shown: new Map([['reclaim-batch/fixed/x86-64', "flushlab run 'x & <y>' ```"]]) };
}

// The wrong variant found nothing in its two runs, the right one did; broadcast fails, and x86-64 has none.
const bad = () =>
  results([
    [0, {}],
    [1, {}],
    [2, stale],
    [3, {}],
    [4, { verdict: 'error', error: 'no <page> "here" & there\u0001' }],
  ]);

it('JUnit: a test for each cell, with what CI systems make of it', () => {
  const xml = campaignJunit(bad());
  expect(xml).toContain('<testsuites tests="4" failures="2" errors="1" skipped="1">');
  expect(xml).toMatch(
    /<testcase name="reclaim-batch\/buggy\/x86-64"[^>]*>\n\s*<failure message="stale-translation must show, and nothing did" type="not-found">/,
  );
  expect(xml).toMatch(
    /<testcase name="reclaim-batch\/fixed\/x86-64"[^>]*>\n\s*<failure message="stale-translation in 1 run showed, and nothing must" type="stale-translation">/,
  );
  expect(xml).toMatch(
    /<testcase name="tlb-shootdown\/broadcast\/neoverse"[^>]*>\n\s*<error message="a program failed in 1 run: no &lt;page&gt; &quot;here&quot; &amp; there" type="error">/,
  );
  expect(xml).toMatch(
    /<testcase name="tlb-shootdown\/broadcast\/x86-64"[^>]*>\n\s*<skipped message="[^"]*broadcast[^"]*"\/>/,
  );
  expect(xml).toContain('value="a &lt;b&gt; &amp; &quot;c&quot; | `d`"');
  expect(xml).not.toMatch(/time=/);
});

it('JUnit: what is not finished is no pass, and a limit no failure', () => {
  const xml = campaignJunit(
    results([
      [2, { verdict: 'bound' }],
      [3, {}],
    ]),
  );
  expect(xml).toContain('<testsuites tests="4" failures="0" errors="1" skipped="3">');
  expect(xml).toMatch(/<error message="1 run came to no end: raise maxSteps" type="limit">/);
  expect(xml).toMatch(/<skipped message="0 of 2 parts are done"\/>/);
});

it('JSON: says what was found, and how to see it again', () => {
  const report = campaignReport(bad());
  expect(report).toMatchObject({ units: 5, done: 5, complete: true, state: 'error', asExpected: false });
  expect(report.cells.map(({ state, found, errors }) => [state, found, errors])).toEqual([
    ['unexpected', 0, 0],
    ['unexpected', 1, 0],
    ['error', 0, 1],
  ]);
  expect(report.cells[1]).toMatchObject({ kinds: { 'stale-translation': 1 }, first: { seed: 2 } });
  expect(report.cells[1].repeat).toContain('flushlab run');
  expect(report.skipped).toHaveLength(1);
});

it('Markdown: a table that no name can break, and the rest by itself', () => {
  const text = campaignMarkdown(bad());
  const [title] = text.split('\n');
  expect(title).toBe('# a \\<b\\> & "c" \\| \\`d\\`');
  const rows = text.split('\n').filter((line) => line.startsWith('|'));
  expect(rows).toHaveLength(2 + 3);
  expect(new Set(rows.map((row) => row.replaceAll('\\|', '').split('|').length)).size).toBe(1);
  // The fence is longer than the one in what it holds.
  expect(text).toContain("  ````\n  flushlab run 'x & <y>' ```\n  ````");
  expect(text).toMatch(/## Left out\n\n- tlb-shootdown\/broadcast\/x86-64: /);
});

it('text: each cell once, then what is wrong', () => {
  const text = campaignText(bad(), { colour: false });
  expect(text).not.toContain('\u001b');
  expect(
    text
      .split('\n')
      .slice(1, 4)
      .map((line) => line.split(/\s{2,}/)[0]),
  ).toEqual(header.cells.map(({ name }) => name));
  expect(text).toMatch(/^reclaim-batch\/fixed\/x86-64: unexpected$/m);
  expect(text).toMatch(/^left out: 1 combination that cannot run$/m);
});
