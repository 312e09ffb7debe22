import { describe, it } from 'vitest';
import { runLockstep } from '../../src/hosts/lockstep.ts';
import { RandomWalk } from '../../src/hosts/schedulers/random.ts';
import asidRollover from '../../src/scenarios/asid/asid-rollover.ts';
import { type RunJob, rollsOver } from './asid.ts';

const lockstep: RunJob = (job) =>
  runLockstep(job, asidRollover.createWorkload(job.source.parameters), new RandomWalk(job.seed));

describe.each([
  ['arm-ipi', 'cortex-a9'],
  ['arm64-bitmap', 'neoverse'],
  ['mips', 'x86-64'],
  ['srmmu', 'sun4m'],
  ['x86-pcid', 'x86-64'],
])('%s on %s in lockstep', (allocator, platform) => {
  it('rolls over on one CPU', () =>
    rollsOver(lockstep, allocator, platform, { cpus: 1, tasks: 4, asids: 3, switches: 20 }));
  it('rolls over on two CPUs', () =>
    rollsOver(lockstep, allocator, platform, { cpus: 2, tasks: 4, asids: 3, switches: 40 }));
  it('rolls over on four CPUs', () =>
    rollsOver(lockstep, allocator, platform, { cpus: 4, tasks: 20, asids: 7, switches: 100 }));
});
