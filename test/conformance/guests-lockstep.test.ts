import { describe, it } from 'vitest';
import { runLockstep } from '../../src/hosts/lockstep.ts';
import { RandomWalk } from '../../src/hosts/schedulers/random.ts';
import stage2Unmap from '../../src/scenarios/hypervisor/stage2-unmap.ts';
import vmidRollover from '../../src/scenarios/hypervisor/vmid-rollover.ts';
import { withGuests } from '../support/hypervisor.ts';
import { type RunJob, rollsOver, takesAway } from './guests.ts';

const lockstep: RunJob = (job) => {
  const scenario = job.source.module === vmidRollover.module ? vmidRollover : stage2Unmap;
  return runLockstep(job, scenario.createWorkload(job.source.parameters), new RandomWalk(job.seed));
};

describe.each(withGuests)('guests on $name in lockstep', (platform) => {
  it.each(['right', 'counter'])('stay apart when VMIDs run out: %s', (variant) =>
    rollsOver(lockstep, platform, variant),
  );

  it('lose what is taken from them', () => takesAway(lockstep, platform));
});
