import { z } from 'zod';
import { type Platform, platformSchema } from '../machine/platform.ts';
import { arm11mpcore } from './arm11mpcore.ts';
import { arm926 } from './arm926.ts';
import { arm1136 } from './arm1136.ts';
import { arm1176 } from './arm1176.ts';
import { cortexA9 } from './cortex-a9.ts';
import { cortexA15 } from './cortex-a15.ts';
import { cortexA53 } from './cortex-a53.ts';
import { hypersparc } from './hypersparc.ts';
import { kunpeng920 } from './kunpeng920.ts';
import { neoverse } from './neoverse.ts';
import { neoverseV1 } from './neoverse-v1.ts';
import { r4000 } from './r4000.ts';
import { r4000pc } from './r4000pc.ts';
import { riscvH } from './riscv-h.ts';
import { sun4c } from './sun4c.ts';
import { sun4d } from './sun4d.ts';
import { sun4m } from './sun4m.ts';
import { x86_64 } from './x86-64.ts';
import { x86Haswell } from './x86-haswell.ts';
import { x86Invlpgb } from './x86-invlpgb.ts';
import { x86Ivybridge } from './x86-ivybridge.ts';
import { x86IvybridgeEx } from './x86-ivybridge-ex.ts';

const all = [
  arm926,
  arm1136,
  arm1176,
  arm11mpcore,
  cortexA9,
  cortexA15,
  cortexA53,
  hypersparc,
  kunpeng920,
  neoverse,
  neoverseV1,
  r4000,
  r4000pc,
  riscvH,
  sun4c,
  sun4d,
  sun4m,
  x86_64,
  x86Haswell,
  x86Invlpgb,
  x86Ivybridge,
  x86IvybridgeEx,
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
