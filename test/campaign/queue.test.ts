import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { headerOf } from '../../src/campaign/header.ts';
import { Journal } from '../../src/campaign/journal.ts';
import type { CampaignPlan } from '../../src/campaign/plan.ts';
import {
  parseQueue,
  QUEUE_NAME,
  QUEUE_PREFIX,
  type QueueAddress,
  reach,
} from '../../src/campaign/queue-address.ts';
import { partId } from '../../src/campaign/queue-job.ts';
import { workQueue } from '../../src/campaign/queue-worker.ts';
import { runQueued } from '../../src/campaign/run-queued.ts';
import { lacksRedis, removeRedis, startRedis } from '../support/redis.ts';
import { linesIn, ownFolder, planOf, runPlan, stressEntry } from './small-campaign.ts';

const folder = ownFolder();
let count = 0;
const fresh = () => join(folder, `${++count}.ndjson`);

// Threads that start from source, while other tests run.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

describe('the address of a queue', () => {
  it('is a URL', () => {
    expect(parseQueue('redis://host').connection).toMatchObject({ host: 'host', port: 6379, db: 0 });
    const all = parseQueue('rediss://me:se%40cret@[::1]:7000/3');
    expect(all.connection).toMatchObject({
      host: '::1',
      port: 7000,
      db: 3,
      username: 'me',
      password: 'se@cret',
      tls: {},
    });
    expect(all.shown).toBe('rediss://[::1]:7000/3');
  });

  it.each([
    ...['', 'nonsense', 'http://host', 'redis://', 'redis://host/name', 'redis://me:secret@host/x'],
    // No URL at all, and no percent-encoding.
    ...['redis://me:secret/x@host', 'redis://me:%zzsecret@host'],
  ])('is not %j', (text) => {
    let message = '';
    try {
      parseQueue(text);
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toMatch(/is no address of a Redis server: use redis:/);
    expect(message).not.toMatch(/secret|\n/);
  });

  it('of no server is said to be that', async () => {
    await expect(reach(parseQueue('redis://127.0.0.1:1'))).rejects.toThrow(
      /^--queue redis:\/\/127\.0\.0\.1:1: no Redis server.*ECONNREFUSED/,
    );
  });

  it('of somebody who answers otherwise, or hangs up, as well', async () => {
    const server = createServer((socket) => {
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n', () => socket.destroy());
    });
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const { port } = server.address() as { port: number };
    await expect(reach(parseQueue(`redis://127.0.0.1:${port}`))).rejects.toThrow(
      /no Redis server can be used there/,
    );
    await new Promise((closed) => server.close(closed));
  });
});

it('who needs no queue loads none', () => {
  const src = new URL('../../src/', import.meta.url);
  const statics = readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .filter((name) =>
      /^import (?!type ).*from '(?:bullmq|ioredis)'/m.test(readFileSync(new URL(name, src), 'utf8')),
    );
  expect(statics).toEqual([]);
});

describe.skipIf(lacksRedis)('a campaign through a queue', () => {
  let server: Awaited<ReturnType<typeof startRedis>>;
  let gone: typeof server;
  let address: QueueAddress;
  let plan: CampaignPlan;
  let whole: string[];
  const stop = new AbortController();
  let working: Promise<void>;

  beforeAll(async () => {
    // Both before machines are built here: a large process may not be let fork where memory is not overcommitted.
    server = await startRedis();
    gone = await startRedis();
    address = parseQueue(server.url);
    plan = await planOf([stressEntry(45)]);
    whole = (await runPlan(plan, fresh())).sort();
  });

  afterAll(async () => {
    stop.abort();
    await working;
    await removeRedis(server);
    await removeRedis(gone);
  });

  const queue = () => new Queue(QUEUE_NAME, { connection: address.connection, prefix: QUEUE_PREFIX });
  const notices: string[] = [];
  const options = (parts: object = {}) => ({
    jobRuns: 20,
    patienceSeconds: 20,
    signal: new AbortController().signal,
    onNotice: (text: string) => notices.push(text),
    ...parts,
  });

  async function through(path: string, parts: object = {}): Promise<string[]> {
    const journal = await Journal.open(path, headerOf(plan), () => {});
    try {
      await runQueued(plan, journal, address, options(parts));
    } finally {
      await journal.close();
    }
    return linesIn(path);
  }

  it('puts each part into it once, however often it is begun, and leaves it there when it is stopped', async () => {
    const looking = queue();
    const path = fresh();
    for (let i = 0; i < 2; i++) {
      const abort = new AbortController();
      const over = through(path, { signal: abort.signal });
      while ((await looking.getWaitingCount()) < 5) await sleep(20);
      await sleep(300);
      abort.abort();
      expect(await over).toEqual([]);
    }
    const ids = (await looking.getWaiting()).map(({ id }) => id);
    expect(ids.sort()).toEqual([0, 1, 2, 3, 4].map((part) => partId(plan.hash, 20, part)));
    await looking.close();
  });

  it('puts in again what the server has lost', async () => {
    const looking = queue();
    const abort = new AbortController();
    const over = through(fresh(), { signal: abort.signal });
    const all = async () => {
      while ((await looking.getWaitingCount()) < 5) await sleep(20);
    };
    await all();
    await looking.obliterate({ force: true });
    await all();
    abort.abort();
    expect(await over).toEqual([]);
    await looking.close();
  });

  it('comes back as it would be made here, and nothing of it stays in the queue', async () => {
    working = workQueue(address, {
      workers: 0,
      leaseSeconds: 5,
      idleSeconds: undefined,
      signal: stop.signal,
      onJob: () => {},
    });
    expect((await through(fresh())).sort()).toEqual(whole);
    const looking = queue();
    expect(await looking.getJobCounts('waiting', 'active', 'completed', 'failed')).toEqual({
      waiting: 0,
      active: 0,
      completed: 0,
      failed: 0,
    });
    // What is left of the events is their last block, of 4 KiB.
    const { host, port } = address.connection;
    const client = new Redis({ host, port });
    const events = await client.xrange(looking.keys.events, '-', '+');
    client.disconnect();
    expect(events.filter(([, words]) => words.includes('returnvalue')).length).toBeLessThan(4);
    await looking.close();
  });

  it('is what a journal lacks', async () => {
    const path = fresh();
    const done: number[] = [];
    const journal = await Journal.open(path, headerOf(plan), () => {});
    const { runUnit } = await import('../../src/campaign/run-unit.ts');
    for (const unit of [0, 1, 25, 89]) journal.add([await runUnit(plan.cells[unit < 45 ? 0 : 1], unit)]);
    await journal.close();
    const again = await Journal.open(path, headerOf(plan), ({ unit }) => done.push(unit));
    await runQueued(plan, again, address, options());
    await again.close();
    expect(done.slice(0, 4)).toEqual([0, 1, 25, 89]);
    expect(linesIn(path).sort()).toEqual(whole);
  });

  it('is waited for as long as something of it comes, however long that takes to write', async () => {
    const looking = queue();
    const { campaign, hash } = plan;
    const posted = [0, 1, 2, 3, 4].map((part) => ({
      name: campaign.name,
      data: { campaign, plan: hash, ranges: [[part * 20, Math.min(90, part * 20 + 20)]] },
      opts: { jobId: partId(hash, 20, part) },
    }));
    await looking.addBulk(posted);
    while ((await looking.getCompletedCount()) < posted.length) await sleep(20);
    const path = fresh();
    const journal = await Journal.open(path, headerOf(plan), () => {});
    const add = journal.add.bind(journal);
    // All of them take longer than the patience, each one does not.
    vi.spyOn(journal, 'add').mockImplementation(async (lines) => {
      await sleep(400);
      await add(lines);
    });
    await runQueued(plan, journal, address, options({ patienceSeconds: 1 }));
    await journal.close();
    expect(linesIn(path).sort()).toEqual(whole);
    await looking.close();
  });

  it('that is put in by two at once is done for both', async () => {
    const both = await Promise.all([through(fresh()), through(fresh())]);
    for (const lines of both) expect(lines.sort()).toEqual(whole);
  });

  it('that another flushlab would plan otherwise fails with a line', async () => {
    const other = { ...plan, hash: 'f'.repeat(64) };
    const journal = await Journal.open(fresh(), headerOf(other), () => {});
    await expect(runQueued(other, journal, address, options())).rejects.toThrow(
      /^job f+-20-\d: this flushlab makes another plan of the campaign: use the same version everywhere/,
    );
    await journal.close();
  });

  it('is not waited for for ever when the server is gone', async () => {
    const journal = await Journal.open(fresh(), headerOf(plan), () => {});
    const over = runQueued(plan, journal, parseQueue(gone.url), options({ patienceSeconds: 1 }));
    over.catch(() => {});
    await sleep(300);
    await removeRedis(gone);
    await expect(over).rejects.toThrow(
      /no answer for 1 s: what has come back is in the journal; run it again/,
    );
    await journal.close();
  });
});
