/**
 * The connections of one queue or worker, so that they can be ended at once. BullMQ's own way to close waits for a
 * server that may be gone, and its clients would keep the process alive while they try to reach it again.
 */
import type { Redis, RedisOptions } from 'ioredis';
import type { QueueAddress } from './queue-address.ts';

export class QueueConnections {
  private readonly clients: Redis[] = [];

  /** Opens one for BullMQ, which makes others after it. */
  async open({ connection }: QueueAddress): Promise<Redis> {
    const { Redis: Client } = await import('ioredis');
    return this.keep(new Client({ ...connection }));
  }

  private keep(client: Redis): Redis {
    this.clients.push(client);
    // A server that is being restarted: the client tries again by itself.
    client.on('error', () => {});
    const duplicate = client.duplicate.bind(client);
    client.duplicate = (override?: Partial<RedisOptions>) => this.keep(duplicate(override));
    return client;
  }

  /** Ends all of them, whether they have a server or not. */
  end(): void {
    for (const client of this.clients) client.disconnect();
  }
}
