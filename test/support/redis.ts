import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

interface RedisServer {
  readonly url: string;
  readonly port: number;
  readonly folder: string;
  /** Ends it, and waits for its end. */
  kill(signal?: NodeJS.Signals): Promise<void>;
}

const redis = await import(new URL('../../scripts/redis-server.mjs', import.meta.url).href);

/** Is there none, on a machine where leaving tests out is in order? Where it is not, they fail. */
export const lacksRedis: boolean = !process.env.CI && redis.findRedisServer() === undefined;
if (lacksRedis)
  console.warn('no redis-server: tests of campaign --queue are left out; see node scripts/redis-server.mjs');

/** A server of its own on loopback. @param options appendOnly: what it has answered for survives it; port: that one */
export async function startRedis(
  options: { readonly appendOnly?: boolean; readonly port?: number; readonly folder?: string } = {},
): Promise<RedisServer> {
  const { folder = mkdtempSync(join(tmpdir(), 'flushlab-redis-')), ...rest } = options;
  const { url, port, kill } = await redis.startRedisServer(folder, rest);
  return { url, port, folder, kill };
}

/** Ends a server and deletes what it has written. */
export async function removeRedis({ folder, kill }: RedisServer): Promise<void> {
  await kill();
  rmSync(folder, { recursive: true, force: true });
}
