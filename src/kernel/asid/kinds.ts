/** All allocators, by name. */
import type { AllocatorKind } from './allocator.ts';
import { armIpi } from './arm-ipi.ts';
import { arm64Bitmap } from './arm64-bitmap.ts';
import { mips } from './mips.ts';
import { srmmu } from './srmmu.ts';
import { x86Pcid } from './x86-pcid.ts';

const kinds: readonly AllocatorKind[] = [armIpi, arm64Bitmap, mips, srmmu, x86Pcid];

export const allocatorNames: readonly string[] = kinds.map(({ name }) => name);

/** @throws Error naming the allocators there are */
export function allocatorKind(name: string): AllocatorKind {
  const kind = kinds.find((each) => each.name === name);
  if (kind) return kind;
  throw new Error(`there is no ASID allocator '${name}': use one of ${allocatorNames.join(', ')}`);
}
