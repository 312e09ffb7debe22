import type { Platform, PlatformInput } from '../machine/platform.ts';
import { parsePlatform } from '../machine/platform-checks.ts';

/** Holds a built-in platform to the same checks as a user's file, when the module is loaded. */
export function definePlatform(input: PlatformInput): Platform {
  const parsed = parsePlatform(input, `platform ${input.name}`);
  if ('problems' in parsed) throw new Error(parsed.problems.join('\n'));
  return parsed.platform;
}
