/**
 * Results of finished shards in a file, a line each, so that a long exploration goes on after it was killed.
 * A line that was cut off in the middle is a shard that is run again.
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { ShardResult } from './shard.ts';

/** The file does not belong to this exploration. */
export class CheckpointError extends Error {}

export class Checkpoint {
  readonly path: string;
  private readonly results = new Map<number, ShardResult>();

  /**
   * Opens or creates the file.
   * @param key says what is explored and how: another key is another exploration
   * @throws CheckpointError if the file is of another exploration
   */
  constructor(path: string, key: string) {
    this.path = path;
    if (existsSync(path)) this.read(key);
    else writeFileSync(path, `${JSON.stringify({ exploration: key })}\n`);
  }

  private read(key: string): void {
    const { path } = this;
    const lines = readFileSync(path, 'utf8').split('\n');
    const head = parse(lines[0]) as { exploration?: string } | undefined;
    if (head?.exploration !== key) {
      throw new CheckpointError(
        `${path}: the checkpoint of another exploration, or none: give another file, or the options it was made with`,
      );
    }
    for (const line of lines.slice(1)) {
      const entry = parse(line) as { shard: number; result: ShardResult } | undefined;
      if (entry) this.results.set(entry.shard, entry.result);
    }
    // What was cut off must not swallow the next line.
    if (lines[lines.length - 1] !== '') appendFileSync(path, '\n');
  }

  /** Shards that were finished before. */
  get finished(): number {
    return this.results.size;
  }

  result(shard: number): ShardResult | undefined {
    return this.results.get(shard);
  }

  add(shard: number, result: ShardResult): void {
    appendFileSync(this.path, `${JSON.stringify({ shard, result })}\n`);
  }
}

function parse(line: string | undefined): unknown {
  try {
    return JSON.parse(line ?? '');
  } catch {
    return undefined;
  }
}
