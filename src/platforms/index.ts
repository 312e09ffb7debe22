import { z } from 'zod';
import { type Platform, platformSchema } from '../machine/platform.ts';
import { arm11mpcore } from './arm11mpcore.ts';
import { arm926 } from './arm926.ts';
import { arm1136 } from './arm1136.ts';
import { arm1176 } from './arm1176.ts';
import { cortexA9 } from './cortex-a9.ts';
import { cortexA15 } from './cortex-a15.ts';
import { hypersparc } from './hypersparc.ts';
import { neoverse } from './neoverse.ts';
import { r4000 } from './r4000.ts';
import { r4000pc } from './r4000pc.ts';
import { sun4c } from './sun4c.ts';
import { sun4d } from './sun4d.ts';
import { sun4m } from './sun4m.ts';
import { x86_64 } from './x86-64.ts';

const all = [
  arm926,
  arm1136,
  arm1176,
  arm11mpcore,
  cortexA9,
  cortexA15,
  hypersparc,
  neoverse,
  r4000,
  r4000pc,
  sun4c,
  sun4d,
  sun4m,
  x86_64,
];

/** The platforms that come with flushlab, by name, in the order of the names. */
export const platforms: Readonly<Record<string, Platform>> = Object.fromEntries(
  all.sort((a, b) => (a.name < b.name ? -1 : 1)).map((platform) => [platform.name, platform]),
);

export function platformByName(name: string): Platform | undefined {
  return Object.hasOwn(platforms, name) ? platforms[name] : undefined;
}

/** What a platform file may contain, as JSON Schema: fields with a default may be left out. */
export function platformJsonSchema() {
  return z.toJSONSchema(platformSchema, { io: 'input' });
}
