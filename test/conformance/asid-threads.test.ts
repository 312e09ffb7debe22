import { afterAll, describe, expect, it } from 'vitest';
import { ThreadsHost } from '../../src/hosts/threads.ts';
import { fewestRollovers, rollsOver } from './asid.ts';

const host = new ThreadsHost();
afterAll(() => host.close());

// For long: scripts/asid-long.mjs. On three CPUs and more arm-ipi is right only where no space runs on two of them.
describe.each([
  ['arm-ipi', 'cortex-a9', 'own'],
  ['arm64-bitmap', 'neoverse', 'spread'],
  ['mips', 'x86-64', 'spread'],
  ['srmmu', 'sun4m', 'spread'],
  ['x86-pcid', 'x86-64', 'spread'],
])('%s on %s on threads', (allocator, platform, order) => {
  it('rolls over on two CPUs', () =>
    rollsOver((job) => host.run(job), allocator, platform, { cpus: 2, tasks: 8, asids: 3, switches: 200 }));

  it('rolls over again and again on four CPUs', async () => {
    const size = { cpus: 4, tasks: 40, asids: 11, switches: 1200, order };
    const times = await rollsOver((job) => host.run(job), allocator, platform, size);
    expect(times).toBeGreaterThanOrEqual(fewestRollovers(size));
  });
});
