/** Platforms with memory for as many address spaces as a test wants. */
import { expect } from 'vitest';
import type { Platform } from '../../src/machine/platform.ts';
import { platformByName } from '../../src/platforms/index.ts';

/** Bytes for the tables and the frame of one space, at most. */
const SPACE_BYTES = 1 << 16;

export function findPlatform(name: string, spaces: number): Platform {
  const platform = platformByName(name) ?? expect.fail(name);
  const needed = 2 ** Math.ceil(Math.log2((spaces + 4) * SPACE_BYTES));
  return { ...platform, memoryBytes: Math.max(platform.memoryBytes, needed) };
}
