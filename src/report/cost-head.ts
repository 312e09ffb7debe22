/** What every report of `flushlab cost` begins with as JSON. */
import type { Platform } from '../machine/platform.ts';

export function costHead(experiment: string, { name, clockMHz }: Platform) {
  return { command: 'cost', experiment, platform: name, clockMHz };
}
