import { describe, expect, it } from 'vitest';
import { platforms } from '../../src/platforms/index.ts';
import { compareMechanisms, mechanismsText, variationsOf } from '../../src/trace/mechanisms.ts';
import { KERNEL_AT_REST, runTrace } from '../../src/trace/run.ts';
import { TraceError } from '../../src/trace/trace-error.ts';
import type { Access } from './reference-cache.ts';
import { runLoaded, runWith, traceFile } from './runs.ts';

const geometry = { size: 8192, ways: 4, line: 64 };

/** Several CPUs that read and write the same pages. */
function sharing(cpu: number, accesses: number): Access[] {
  let state = 12_345 + cpu * 977;
  const random = (below: number) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
    return (state >>> 8) % below;
  };
  return Array.from({ length: accesses }, () => {
    const kind = [0, 0, 1, 3, 2][random(5)];
    const page = kind === 2 ? 32 + random(4) : random(24);
    return { kind, address: 0x40_0000 + page * 4096 + random(1024) * 4, size: 4 };
  });
}

const ACCESSES = 1200;
const paths = [0, 1, 2].map((cpu) => traceFile(sharing(cpu, ACCESSES)));
const atWork = { ...KERNEL_AT_REST, munmapEvery: 110, migrateEvery: 250, forkEvery: 700, pages: 2 };

describe('the kernel at work under traces', () => {
  for (const mechanism of ['cross-call', 'broadcast'] as const) {
    for (const host of ['lockstep', 'threads'] as const) {
      it(`takes pages away without a finding, by ${mechanism}, on ${host}`, async () => {
        const run = runWith(paths, geometry, { mechanism, host, checked: true, work: atWork });
        const result = await runLoaded(run);
        expect(result).toMatchObject({ outcome: 'finished', findingCount: 0 });
        for (const [i, cpu] of result.cpus.entries()) {
          expect(cpu.shootdowns).toBeGreaterThan(10);
          const accesses = sharing(i, ACCESSES);
          expect(cpu.reads).toBe(accesses.filter(({ kind }) => kind === 0 || kind === 3).length);
          expect(cpu.writes).toBe(accesses.filter(({ kind }) => kind === 1 || kind === 3).length);
        }
        const sent = result.cpus.reduce((sum, cpu) => sum + cpu.ipisSent, 0);
        const broadcasts = result.cpus.reduce((sum, cpu) => sum + cpu.broadcasts, 0);
        expect(mechanism === 'broadcast' ? sent : broadcasts).toBe(0);
      });
    }
  }

  it('is found out when it does not flush', async () => {
    const run = runWith(paths, geometry, { mechanism: 'none', checked: true, work: atWork });
    expect(await runLoaded(run)).toMatchObject({ outcome: 'finding' });
  });

  it('runs on the platforms whose caches it shares', async () => {
    for (const platform of Object.values(platforms).filter(({ maxCpus }) => maxCpus >= paths.length)) {
      const { l1d } = platform;
      const own = { size: l1d.sizeBytes, ways: l1d.ways, line: platform.lineBytes };
      const run = runWith(paths, own, { checked: true, work: atWork }, { base: platform });
      // Small machines: a large one of each platform would be more than a process may map beside a thread of its own.
      const small = { ...run.platform, memoryBytes: 1 << 24 };
      const result = await runLoaded({ ...run, platform: small, mechanism: platform.shootdown });
      expect([platform.name, result.outcome, result.findingCount, result.error]).toEqual([
        platform.name,
        'finished',
        0,
        undefined,
      ]);
    }
  });

  it('gives the same figures twice on lockstep', async () => {
    const run = runWith(paths, geometry, { work: atWork });
    const [a, b] = [await runLoaded(run), await runLoaded(run)];
    const plain = (cpus: typeof a.cpus) => cpus.map((cpu) => ({ ...cpu, milliseconds: 0 }));
    expect(plain(a.cpus)).toEqual(plain(b.cpus));
  });
});

describe('comparisons', () => {
  it('show what each mechanism costs', async () => {
    const run = runWith(paths, geometry, { work: { ...KERNEL_AT_REST, munmapEvery: 150, pages: 2 } });
    const results = await compareMechanisms(variationsOf(run), () => {});
    expect(results.map(({ name }) => name)).toEqual([
      'kernel at rest',
      'munmap, cross-call',
      'munmap, broadcast',
    ]);
    const [rest, call, broadcast] = results;
    expect(call.shootdownCycles).toBeGreaterThan(broadcast.shootdownCycles);
    expect(call.tlbMisses).toBeGreaterThan(rest.tlbMisses);
    expect(call.ipisSent).toBeGreaterThan(0);
    expect(broadcast.broadcasts).toBeGreaterThan(0);
    expect(mechanismsText(results).split('\n')).toHaveLength(4);
  });

  it('of time slices show what ASIDs save', async () => {
    const work = { ...KERNEL_AT_REST, switchEvery: 80 };
    const run = runWith(paths, geometry, { cpus: 1, spaces: 'each', work });
    const [alone, asids, flush] = await compareMechanisms(variationsOf(run), () => {});
    expect(asids.result.cpus[0].switches).toBeGreaterThan(30);
    expect(asids.tlbMisses).toBeGreaterThanOrEqual(alone.tlbMisses);
    expect(flush.tlbMisses).toBeGreaterThan(asids.tlbMisses);
    expect(flush.cycles).toBeGreaterThan(asids.cycles);
  });

  it('need something to compare', () => {
    expect(() => variationsOf(runWith(paths, geometry))).toThrow(TraceError);
  });
});

describe('traces', () => {
  it('of the same addresses in spaces of their own do not meet', async () => {
    const run = runWith(paths, geometry, { spaces: 'each' });
    const result = await runTrace(run);
    expect(result.cpus.every((cpu) => cpu.invalidationsReceived === 0)).toBe(true);
  });

  it('may touch addresses far apart, but not more chunks than fit', async () => {
    const far = Array.from({ length: 300 }, (_, i) => ({ kind: 0, address: i * 0x100_0000, size: 4 }));
    const fits = await runTrace(runWith([traceFile(far.slice(0, 256))], geometry));
    expect(fits.cpus[0]).toMatchObject({ reads: 256, pagesMapped: 256 });
    await expect(runTrace(runWith([traceFile(far)], geometry))).rejects.toThrow(/more than 256 chunks/);
  });
});
