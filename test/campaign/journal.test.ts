import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, copyFileSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { encodeHeader, type Header, headerOf } from '../../src/campaign/header.ts';
import { Journal } from '../../src/campaign/journal.ts';
import { lockJournal } from '../../src/campaign/journal-lock.ts';
import { encodeLine, type UnitLine } from '../../src/campaign/line.ts';
import type { CampaignPlan } from '../../src/campaign/plan.ts';
import { lineOf, linesIn, ownFolder, planOf, stressEntry } from './small-campaign.ts';

const folder = ownFolder();
let plan: CampaignPlan;
let header: Header;
let count = 0;
const fresh = () => join(folder, `journal-${++count}.ndjson`);
const line = (unit: number) => lineOf(plan, unit);
const lines = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => line(from + i));

beforeAll(async () => {
  // 40 units: two variants of the scenario.
  plan = await planOf([stressEntry(20)]);
  header = headerOf(plan);
});

/** A journal with the first units done. */
async function withUnits(to: number): Promise<string> {
  const path = fresh();
  const journal = await Journal.open(path, header, () => {});
  await journal.add(lines(0, to));
  await journal.close();
  return path;
}

async function unitsOf(path: string): Promise<number[]> {
  const units: number[] = [];
  const journal = await Journal.open(path, header, ({ unit }) => units.push(unit));
  expect(journal.done.size).toBe(units.length);
  await journal.close();
  return units;
}

describe('a journal', () => {
  it('is a header and a line for each unit, and tells of them when it is opened again', async () => {
    const path = await withUnits(3);
    expect(readFileSync(path, 'utf8')).toBe(
      [encodeHeader(header), ...lines(0, 3).map(encodeLine), ''].join('\n'),
    );
    expect(await unitsOf(path)).toEqual([0, 1, 2]);
  });

  it('drops what it has already', async () => {
    const path = await withUnits(3);
    const journal = await Journal.open(path, header, () => {});
    await Promise.all([journal.add(lines(1, 5)), journal.add(lines(2, 6))]);
    await journal.close();
    expect(await unitsOf(path)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('begins in an empty file, which somebody may have reserved', async () => {
    const path = fresh();
    writeFileSync(path, '');
    expect(await unitsOf(path)).toEqual([]);
  });

  it.each([
    ['text', 'nonsense\n'],
    ['another program', '{"a":1}\n'],
    ['a header without its end', '{"flushlab":"0.1.0"'],
  ])('is not begun in a file with %s in it', async (_, text) => {
    const path = fresh();
    writeFileSync(path, text);
    await expect(Journal.open(path, header, () => {})).rejects.toThrow(/is no journal of a campaign/);
    expect(readFileSync(path, 'utf8')).toBe(text);
  });

  it.skipIf(process.platform === 'win32')('is a file: nothing else is replaced by one', async () => {
    // Empty as a new file is, as devices are; root may rename a file over /dev/null.
    const pipe = fresh();
    expect(spawnSync('mkfifo', [pipe]).status).toBe(0);
    for (const path of [pipe, folder, '']) {
      await expect(Journal.open(path, header, () => {})).rejects.toThrow(
        /^--journal .*: is no (file|name): name a file in a folder that exists$/,
      );
    }
    expect(statSync(pipe).isFIFO()).toBe(true);
    expect(readdirSync(folder).filter((name) => /\.lock\.|\.new$/.test(name))).toEqual([]);
  });

  it('of another campaign is refused and left as it is', async () => {
    const path = await withUnits(2);
    const before = readFileSync(path);
    const other = headerOf(await planOf([stressEntry(21)], 'other'));
    await expect(Journal.open(path, other, () => {})).rejects.toThrow(
      /another campaign, 'test': give another --journal$/,
    );
    const changed = headerOf(await planOf([stressEntry(21)]));
    await expect(Journal.open(path, changed, () => {})).rejects.toThrow(/an earlier text of campaign 'test'/);
    expect(readFileSync(path)).toEqual(before);
    expect(readdirSync(folder).filter((name) => name.includes('.lock.'))).toEqual([]);
  });
});

// Whatever of the last write has reached the file when its writer is killed, or the machine loses power.
describe('a torn end', () => {
  it('is cut off, wherever it was torn, and nothing before it is lost', async () => {
    const whole = await withUnits(4);
    const text = readFileSync(whole);
    const keep = (n: number) => [encodeHeader(header), ...lines(0, n).map(encodeLine), ''].join('\n').length;
    for (let end = keep(1); end < text.length; end += end < keep(2) ? 3 : 17) {
      const path = fresh();
      writeFileSync(path, text.subarray(0, end));
      const left = [1, 2, 3, 4].filter((n) => keep(n) <= end).length;
      expect(await unitsOf(path)).toEqual([0, 1, 2, 3].slice(0, left));
      expect(readFileSync(path)).toEqual(text.subarray(0, keep(left)));
    }
  });

  it('may consist of blocks that were never written, and of lines that were', async () => {
    const path = await withUnits(2);
    const before = readFileSync(path);
    appendFileSync(path, `${'\0'.repeat(40)}\n{"unit":\n\0\0`);
    expect(await unitsOf(path)).toEqual([0, 1]);
    expect(readFileSync(path)).toEqual(before);
  });

  it('is no end if whole lines follow: that is damage, and is said', async () => {
    const path = await withUnits(4);
    const text = readFileSync(path, 'utf8').split('\n');
    text[2] = text[2].slice(5);
    writeFileSync(path, text.join('\n'));
    await expect(Journal.open(path, header, () => {})).rejects.toThrow(/line 3 is damaged: delete that line/);
    text.splice(2, 1);
    writeFileSync(path, text.join('\n'));
    expect(await unitsOf(path)).toEqual([0, 2, 3]);
  });

  it('a line twice is damage as well', async () => {
    const path = await withUnits(2);
    appendFileSync(path, `${encodeLine(line(1))}\n`);
    await expect(Journal.open(path, header, () => {})).rejects.toThrow(/line 4 has unit 1 again/);
  });

  it('a unit that the campaign does not have is none of its lines', async () => {
    const path = await withUnits(2);
    appendFileSync(path, `${encodeLine({ ...line(1), unit: 40 } as UnitLine)}\n`);
    expect(await unitsOf(path)).toEqual([0, 1]);
  });
});

describe('the disk', () => {
  afterEach(() => vi.restoreAllMocks());

  async function fileHandle(): Promise<FileHandle> {
    const file = await open(folder, 'r');
    await file.close();
    return Object.getPrototypeOf(file);
  }

  it('has a line before it counts as done, and many lines at once', async () => {
    const path = fresh();
    const done: number[] = [];
    const journal = await Journal.open(path, header, ({ unit }) => done.push(unit));
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const order: string[] = [];
    vi.spyOn(await fileHandle(), 'sync').mockImplementation(async () => {
      order.push(`sync after ${linesIn(path).length} lines`);
      await held;
    });
    const added = [journal.add(lines(0, 1)), ...lines(1, 40).map((one) => journal.add([one]))];
    while (order.length === 0) await new Promise((tick) => setTimeout(tick, 1));
    // The first line is in the file, and the disk has not answered.
    expect(done).toEqual([]);
    expect(journal.done.size).toBe(0);
    release();
    await Promise.all(added);
    expect(done).toEqual(Array.from({ length: 40 }, (_, i) => i));
    // One for whatever was there first, one for all the others.
    expect(order).toEqual(['sync after 1 lines', 'sync after 40 lines']);
    expect(journal.syncs).toBe(2);
    await journal.close();
  });

  it('whoever adds waits for its own lines, and not for those that come meanwhile', async () => {
    const journal = await Journal.open(fresh(), header, () => {});
    let next = 1;
    vi.spyOn(await fileHandle(), 'sync').mockImplementation(async () => {
      // While one is synced the next one comes, for a while.
      if (next < 5) void journal.add(lines(next, ++next));
    });
    await journal.add(lines(0, 1));
    expect(journal.done.size).toBe(1);
    vi.restoreAllMocks();
    await journal.close();
    // What was taken is not given up.
    expect(journal.done.size).toBe(next);
  });

  it('that fails ends it: what was not synced is not done, and nothing is written after it', async () => {
    const path = fresh();
    const done: number[] = [];
    const journal = await Journal.open(path, header, ({ unit }) => done.push(unit));
    await journal.add(lines(0, 2));
    const full = Object.assign(new Error('no space'), { code: 'ENOSPC' });
    vi.spyOn(await fileHandle(), 'sync').mockRejectedValue(full);
    await expect(journal.add(lines(2, 4))).rejects.toThrow(/cannot be written \(ENOSPC\): mend that/);
    vi.restoreAllMocks();
    await expect(journal.add(lines(4, 6))).rejects.toThrow(/ENOSPC/);
    await expect(journal.close()).rejects.toThrow(/ENOSPC/);
    expect(done).toEqual([0, 1]);
    // The next one looks for itself what is there.
    expect((await unitsOf(path)).slice(0, 2)).toEqual([0, 1]);
  });
});

describe('one writer', () => {
  const locks = (path: string) =>
    readdirSync(folder)
      .map((name) => join(folder, name))
      .filter((name) => name.startsWith(`${path}.lock.`));

  it('at a time', async () => {
    const path = fresh();
    const journal = await Journal.open(path, header, () => {});
    await expect(Journal.open(path, header, () => {})).rejects.toThrow(
      new RegExp(`process ${process.pid} is writing it: wait for it, or end it$`),
    );
    await journal.close();
    expect(await unitsOf(path)).toEqual([]);
    expect(locks(path)).toEqual([]);
  });

  it('of many that come at once', async () => {
    const path = fresh();
    const all = await Promise.allSettled(Array.from({ length: 5 }, () => lockJournal(path)));
    const got = all.filter((one) => one.status === 'fulfilled');
    expect(got.length).toBeLessThanOrEqual(1);
    for (const one of got) one.value.release();
    expect(locks(path)).toEqual([]);
    (await lockJournal(path)).release();
  });

  it.skipIf(process.platform !== 'linux')(
    'that is dead stands in nobody’s way, even if its number is used again',
    async () => {
      const path = fresh();
      (await lockJournal(path)).release();
      const mine = await lockJournal(path);
      const [own] = locks(path);
      const child = spawn(process.execPath, ['-e', '']);
      await once(child, 'exit');
      const words = own.slice(`${path}.lock.`.length).split('.');
      const dead = [String(child.pid), ...words.slice(1, 3), '00000001'].join('.');
      const again = [words[0], '1', words[2], '00000002'].join('.');
      mine.release();
      for (const name of [dead, again]) writeFileSync(`${path}.lock.${name}`, '');
      expect(locks(path)).toHaveLength(2);
      expect(await unitsOf(path)).toEqual([]);
      expect(locks(path)).toEqual([]);
    },
  );

  it('on another machine may be alive: which file to delete is said', async () => {
    const path = fresh();
    const file = `${path}.lock.77.1.not-${hostname().replace(/[^\w-]+/g, '-')}.00000001`;
    writeFileSync(file, '');
    await expect(Journal.open(path, header, () => {})).rejects.toThrow(`if that is gone, delete ${file}`);
    expect(readdirSync(folder)).not.toContain(path);
  });

  it('cannot be had where nothing can be written', async () => {
    await expect(Journal.open(join(folder, 'nowhere', 'x'), header, () => {})).rejects.toThrow(
      /cannot be written \(ENOENT\)/,
    );
  });

  it('a copy is a journal of its own', async () => {
    const path = await withUnits(2);
    const copy = fresh();
    const journal = await Journal.open(path, header, () => {});
    copyFileSync(path, copy);
    expect(await unitsOf(copy)).toEqual([0, 1]);
    await journal.close();
  });
});
