import { z } from 'zod';
import { type Platform, platformSchema } from '../machine/platform.ts';
import { neoverse } from './neoverse.ts';
import { sun4d } from './sun4d.ts';
import { sun4m } from './sun4m.ts';
import { x86_64 } from './x86-64.ts';

/** The platforms that come with flushlab, by name, in the order of the names. */
export const platforms: Readonly<Record<string, Platform>> = Object.fromEntries(
  [neoverse, sun4d, sun4m, x86_64]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((platform) => [platform.name, platform]),
);

export function platformByName(name: string): Platform | undefined {
  return Object.hasOwn(platforms, name) ? platforms[name] : undefined;
}

/** What a platform file may contain, as JSON Schema: fields with a default may be left out. */
export function platformJsonSchema() {
  return z.toJSONSchema(platformSchema, { io: 'input' });
}
