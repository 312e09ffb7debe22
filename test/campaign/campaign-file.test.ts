import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CampaignError, demandBuiltIn, readCampaign } from '../../src/campaign/campaign-file.ts';
import { planCampaign } from '../../src/campaign/plan.ts';
import { campaignJsonSchema } from '../../src/campaign/schema.ts';
import { platforms } from '../../src/platforms/index.ts';
import { ownFolder, stressEntry } from './small-campaign.ts';

const folder = ownFolder();
const path = join(folder, 'campaign.json');

function read(value: unknown) {
  writeFileSync(path, typeof value === 'string' ? value : JSON.stringify(value));
  return readCampaign(path);
}

const withEntry = (parts: object) => ({ name: 'x', entries: [{ ...stressEntry(3), ...parts }] });

describe('a campaign file that is wrong', () => {
  it.each<[string, unknown, RegExp]>([
    ['no JSON', '{ "name": ', /is not JSON/],
    ['a list', [], /expected object/],
    ['no name', { entries: [stressEntry(1)] }, /: name: /],
    ['no entries', { name: 'x', entries: [] }, /: entries: /],
    ['another kind', withEntry({ kind: 'bounded' }), /: entries\[0\]\.kind: /],
    ['a key too many', withEntry({ sed: 1 }), /: entries\[0\]: .*sed/],
    [
      'a seed that is text',
      withEntry({ seeds: [{ from: 'a', to: 2 }] }),
      /: entries\[0\]\.seeds\[0\]\.from: /,
    ],
    [
      'a range that ends before it begins',
      withEntry({ seeds: [{ from: 3, to: 2 }] }),
      /seeds\[0\]\.to: .*'to'/,
    ],
    ['a seed that no run takes', withEntry({ seeds: [{ from: 0, to: 2 ** 31 }] }), /seeds\[0\]\.to: /],
    ['no scenario', withEntry({ scenarios: [] }), /: entries\[0\]\.scenarios: /],
    ['no name of a platform', withEntry({ platforms: [3] }), /: entries\[0\]\.platforms/],
  ])('%s: one line that says where', (_, value, where) => {
    let message = '';
    try {
      read(value);
    } catch (error) {
      expect(error).toBeInstanceOf(CampaignError);
      message = (error as Error).message;
    }
    expect(message).toMatch(where);
    expect(message.startsWith(`${path}: `)).toBe(true);
    expect(message).not.toContain('\n');
    expect(message).toMatch(/: see flushlab campaign --schema$/);
  });

  it('that is not there', () => {
    expect(() => readCampaign(join(folder, 'nowhere.json'))).toThrow(
      /cannot be read \(ENOENT\): name a JSON file/,
    );
  });

  it.each<[string, object, RegExp]>([
    ['scenario', { scenarios: ['nonsense'] }, /entries\[0\]: there is no scenario 'nonsense'/],
    ['variant', { variants: ['nonsense'] }, /entries\[0\]: reclaim-batch has no variant 'nonsense'/],
    ['platform', { platforms: ['nonsense'] }, /entries\[0\]: there is no platform 'nonsense'/],
    ['parameter', { set: [{ nonsense: 1 }] }, /entries\[0\]: reclaim-batch has no parameter 'nonsense'/],
    ['number of CPUs', { cpus: [1] }, /entries\[0\]: nothing of it can run: .*at least/],
  ])('a %s that there is not', async (_, parts, message) => {
    await expect(planCampaign(read(withEntry(parts)), folder)).rejects.toThrow(message);
  });
});

describe('a campaign file', () => {
  it('takes in the platforms that it names by files', async () => {
    const file = join(folder, 'mine.json');
    writeFileSync(file, JSON.stringify({ ...platforms.neoverse, name: 'mine' }));
    const campaign = read(withEntry({ platforms: [file, 'x86-64'] }));
    writeFileSync(file, 'no more');
    const { cells } = await planCampaign(campaign, folder);
    expect([...new Set(cells.map(({ plans }) => plans[0].platform.name))]).toEqual(['mine', 'x86-64']);
    writeFileSync(file, '{ "name": 3 }');
    expect(() => read(withEntry({ platforms: [file] }))).toThrow(CampaignError);
  });

  it('is every combination, each with units of its own, and leaves out what cannot run', async () => {
    const entry = { scenarios: ['tlb-shootdown'], variants: ['cross-call', 'broadcast'] };
    const campaign = read(withEntry({ ...entry, platforms: ['neoverse', 'x86-64'], cpus: [2, 3] }));
    const { cells, skipped, units } = await planCampaign(campaign, folder);
    // x86-64 has no broadcast, and every platform can send an IPI.
    expect(cells.map(({ name }) => name)).toEqual(
      [
        'cross-call/neoverse cpus=2',
        'cross-call/neoverse cpus=3',
        'cross-call/x86-64 cpus=2',
        'cross-call/x86-64 cpus=3',
        'broadcast/neoverse cpus=2',
        'broadcast/neoverse cpus=3',
      ].map((name) => `tlb-shootdown/${name}`),
    );
    expect(skipped.map(({ name }) => name)).toEqual([
      'tlb-shootdown/broadcast/x86-64 cpus=2',
      'tlb-shootdown/broadcast/x86-64 cpus=3',
    ]);
    expect(cells.map(({ first }) => first)).toEqual([0, 3, 6, 9, 12, 15]);
    expect(units).toBe(18);
  });

  it('has another hash whenever something else would be run', async () => {
    const texts = [
      {},
      { cpus: [3] },
      { maxSteps: 99 },
      { scheduler: 'clock' },
      { seeds: [{ from: 1, to: 4 }] },
    ];
    const hashes = await Promise.all(
      [...texts, {}].map(async (parts) => (await planCampaign(read(withEntry(parts)), folder)).hash),
    );
    expect(new Set(hashes).size).toBe(texts.length);
    expect(hashes.at(-1)).toBe(hashes[0]);
  });

  it('goes to a queue only if every machine has its scenarios', () => {
    expect(() => demandBuiltIn(read(withEntry({})))).not.toThrow();
    expect(() => demandBuiltIn(read(withEntry({ scenarios: ['./my-race.ts'] })))).toThrow(/--shard/);
  });

  it('has a JSON schema that says what may be left out', () => {
    const text = JSON.stringify(campaignJsonSchema());
    expect(text).toContain('"const":"dpor"');
    expect(text).toMatch(/"required":\["kind","scenarios","seeds"\]/);
  });
});
