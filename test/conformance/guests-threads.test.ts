import { afterAll, describe, it } from 'vitest';
import { ThreadsHost } from '../../src/hosts/threads.ts';
import { withGuests } from '../support/hypervisor.ts';
import { type RunJob, rollsOver, takesAway } from './guests.ts';

const host = new ThreadsHost();
afterAll(() => host.close());
const threads: RunJob = (job) => host.run(job);

describe.each(withGuests)('guests on $name on threads', (platform) => {
  it.each(['right', 'counter'])('stay apart when VMIDs run out: %s', (variant) =>
    rollsOver(threads, platform, variant),
  );

  it('lose what is taken from them', () => takesAway(threads, platform));
});
