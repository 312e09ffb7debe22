import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Checkpoint, CheckpointError } from '../../src/explore/checkpoint.ts';
import type { ShardResult } from '../../src/explore/shard.ts';

const folder = mkdtempSync(join(tmpdir(), 'flushlab-checkpoint-'));
afterAll(() => rmSync(folder, { recursive: true }));

const result = (runs: number): ShardResult => ({
  runs,
  redundant: 0,
  steps: runs * 10,
  longest: 12,
  complete: true,
  failures: [],
  reached: [],
  neighbours: [],
  sawUncached: false,
});

describe('a checkpoint', () => {
  it('gives back what was added', () => {
    const path = join(folder, 'a');
    new Checkpoint(path, 'key').add(3, result(256));
    const again = new Checkpoint(path, 'key');
    expect(again.result(3)).toEqual(result(256));
    expect(again.result(0)).toBeUndefined();
  });

  it('loses only the line that was being written', () => {
    const path = join(folder, 'b');
    const first = new Checkpoint(path, 'key');
    for (let shard = 0; shard < 3; shard++) first.add(shard, result(shard));
    truncateSync(path, readFileSync(path).length - 20);
    const again = new Checkpoint(path, 'key');
    expect(again.finished).toBe(2);
    again.add(2, result(2));
    expect(new Checkpoint(path, 'key').finished).toBe(3);
  });

  it('belongs to one exploration', () => {
    const path = join(folder, 'c');
    new Checkpoint(path, 'key');
    expect(() => new Checkpoint(path, 'other')).toThrow(CheckpointError);
    appendFileSync(join(folder, 'd'), 'something else\n');
    expect(() => new Checkpoint(join(folder, 'd'), 'key')).toThrow(/another exploration, or none/);
  });
});
