import { describe, expect, it } from 'vitest';
import { inProcess } from './in-process.ts';

describe('why a variant goes wrong', () => {
  it.each(['run', 'explore'])('is told by %s with what is found', async (command) => {
    const few = command === 'explore' ? ['--runs', '20', '--workers', '1'] : [];
    const args = ['cnp', '--variant', 'per-cpu-asids', '--seed', '2', ...few];
    const { code, stdout } = await inProcess(command, ...args);
    expect(code).toBe(1);
    expect(stdout.match(/^ {2}why {6}CnP tells the CPUs/gm)).toHaveLength(1);
  });

  it('is not told where nothing is found', async () => {
    const { stdout } = await inProcess('run', 'cnp', '--variant', 'per-cpu-asids-private', '--seed', '2');
    expect(stdout).not.toContain('  why ');
  });
});
