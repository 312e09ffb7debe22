/** Where the queue is: a Redis server, by its URL. */
import { setTimeout as sleep } from 'node:timers/promises';
import { version } from '../lab/version.ts';
import { CampaignError } from './campaign-file.ts';

interface Connection {
  readonly host: string;
  readonly port: number;
  readonly db: number;
  readonly username?: string;
  readonly password?: string;
  readonly tls?: object;
  readonly connectTimeout: number;
  readonly maxRetriesPerRequest: null;
  retryStrategy(times: number): number;
}

export interface QueueAddress {
  readonly connection: Connection;
  /** For messages: without the password. */
  readonly shown: string;
}

/** Another version would run another campaign under the same name. */
export const QUEUE_NAME = `campaign-${version}`;
/** What the keys in Redis begin with. */
export const QUEUE_PREFIX = 'flushlab';

const FORM = 'use redis://HOST, redis://USER:PASSWORD@HOST:PORT/DATABASE, or rediss:// for TLS';

/** @throws CampaignError if it is no URL of a Redis server */
export function parseQueue(text: string): QueueAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const [username, password] = [decoded(url?.username), decoded(url?.password)];
  const database = /^\/?(\d{0,4})$/.exec(url?.pathname ?? '');
  if (
    !url ||
    !/^rediss?:$/.test(url.protocol) ||
    url.hostname === '' ||
    !database ||
    !username ||
    !password
  ) {
    throw new CampaignError(`--queue ${withoutPassword(text)}: is no address of a Redis server: ${FORM}`);
  }
  const port = url.port === '' ? 6379 : Number(url.port);
  const db = Number(database[1]);
  return {
    connection: {
      host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
      port,
      db,
      ...(username.text !== '' && { username: username.text }),
      ...(password.text !== '' && { password: password.text }),
      ...(url.protocol === 'rediss:' && { tls: {} }),
      connectTimeout: CONNECT_MS,
      // Whoever waits for a server that is being restarted goes on where it was.
      maxRetriesPerRequest: null,
      retryStrategy: (times: number) => Math.min(100 * 2 ** Math.min(times, 5), 2000),
    },
    shown: `${url.protocol}//${url.host}${db === 0 ? '' : `/${db}`}`,
  };
}

/** @returns undefined for what is no percent-encoding of a text */
function decoded(part = ''): { readonly text: string } | undefined {
  try {
    return { text: decodeURIComponent(part) };
  } catch {
    return undefined;
  }
}

/** What is no URL may have anything in its password, even a slash. */
function withoutPassword(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/\/\/.*@/, '//');
}

const CONNECT_MS = 5000;

/**
 * Looks whether a Redis server answers, once.
 * @throws CampaignError, one line, after at most some seconds
 */
export async function reach({ connection, shown }: QueueAddress): Promise<void> {
  const { Redis } = await import('ioredis');
  const { db, ...rest } = connection;
  const client = new Redis({
    ...rest,
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
  });
  let why = '';
  client.on('error', (error: Error) => {
    why ||= error.message;
  });
  const asked = (async () => {
    await client.connect();
    await client.select(db);
    await client.ping();
    return true;
  })().catch((error: Error) => {
    why ||= error.message;
    return false;
  });
  const tooLate = new AbortController();
  const late = sleep(2 * CONNECT_MS, false, { signal: tooLate.signal }).catch(() => false);
  const answered = await Promise.race([asked, late]);
  tooLate.abort();
  client.disconnect();
  if (answered) return;
  const what = (why === '' ? 'no answer' : why).replace(/\s+/g, ' ');
  throw new CampaignError(
    `--queue ${shown}: no Redis server can be used there (${what}): start one, or mend the address`,
  );
}
