import { afterAll, describe, it } from 'vitest';
import { ThreadsHost } from '../../src/hosts/threads.ts';
import { rollsOver } from './asid.ts';

const host = new ThreadsHost();
afterAll(() => host.close());

describe.each([
  ['arm-ipi', 'cortex-a9'],
  ['arm64-bitmap', 'neoverse'],
  ['mips', 'x86-64'],
  ['srmmu', 'sun4m'],
  ['x86-pcid', 'x86-64'],
])('%s on %s on threads', (allocator, platform) => {
  it('rolls over on two CPUs', () =>
    rollsOver((job) => host.run(job), allocator, platform, { cpus: 2, tasks: 8, asids: 3, switches: 200 }));
});
