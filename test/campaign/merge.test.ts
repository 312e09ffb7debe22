import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeHeader, headerOf } from '../../src/campaign/header.ts';
import { encodeLine } from '../../src/campaign/line.ts';
import { mergeJournals } from '../../src/campaign/merge.ts';
import type { CampaignPlan } from '../../src/campaign/plan.ts';
import { lineOf, linesIn, ownFolder, planOf, stressEntry } from './small-campaign.ts';

const folder = ownFolder();
let plan: CampaignPlan;
let count = 0;
const fresh = () => join(folder, `${++count}.ndjson`);

beforeAll(async () => {
  plan = await planOf([stressEntry(10)]);
});

function journalOf(units: readonly number[], of = plan): string {
  const path = fresh();
  const lines = units.map((unit) => encodeLine(lineOf(of, unit)));
  writeFileSync(path, [encodeHeader(headerOf(of)), ...lines, ''].join('\n'));
  return path;
}

describe('merging journals', () => {
  it('puts lines in the order of the units, and equal ones once', async () => {
    const output = fresh();
    const merged = await mergeJournals([journalOf([9, 1, 4]), journalOf([0, 4, 12]), journalOf([])], output);
    expect(merged).toEqual({ done: 5, units: 20, duplicates: 1, journals: 3 });
    expect(readFileSync(output, 'utf8')).toBe(readFileSync(journalOf([0, 1, 4, 9, 12]), 'utf8'));
  });

  it('leaves out a torn end', async () => {
    const torn = journalOf([1]);
    appendFileSync(torn, encodeLine(lineOf(plan, 2)));
    const output = fresh();
    expect((await mergeJournals([torn], output)).done).toBe(1);
    expect(linesIn(output)).toHaveLength(1);
  });

  it('refuses lines that contradict each other, and says where', async () => {
    const one = journalOf([3, 5]);
    const other = journalOf([2]);
    appendFileSync(
      other,
      `${encodeLine(lineOf(plan, 5, { verdict: 'found', kind: 'stale-translation', findings: 1 }))}\n`,
    );
    const output = fresh();
    await expect(mergeJournals([one, other], output)).rejects.toThrow(
      `${other}: line 3 says of unit 5 what ${one} does not`,
    );
    expect(existsSync(output)).toBe(false);
  });

  it('refuses journals of different campaigns', async () => {
    const other = journalOf([1], await planOf([stressEntry(11)]));
    const output = fresh();
    await expect(mergeJournals([journalOf([1]), other], output)).rejects.toThrow(
      /is of another campaign than/,
    );
    expect(existsSync(output)).toBe(false);
  });

  it('overwrites nothing', async () => {
    const output = journalOf([7]);
    const before = readFileSync(output);
    await expect(mergeJournals([journalOf([1])], output)).rejects.toThrow(
      /is there already: name a file that is not/,
    );
    expect(readFileSync(output)).toEqual(before);
    await expect(mergeJournals([journalOf([1])], join(folder, 'nowhere', 'x'))).rejects.toThrow(
      /cannot be written \(ENOENT\)/,
    );
  });
});
