/** A trace run in the form of gem5's `stats.txt`, for whatever reads that. */
import type { CpuCounts, TraceResult } from './run.ts';

type Line = readonly [name: string, value: number, description: string];

/** Names as gem5 gives them where it has the figure; ticks are picoseconds. */
export function statsText(result: TraceResult): string {
  const { cpus, run, seconds } = result;
  const cycles = Math.max(...cpus.map((cpu) => cpu.cycles));
  const ticksPerCycle = 1e6 / run.platform.clockMHz;
  const lines: Line[] = [
    ['simSeconds', (cycles * ticksPerCycle) / 1e12, 'Number of seconds simulated (Second)'],
    ['simTicks', Math.round(cycles * ticksPerCycle), 'Number of ticks simulated (Tick)'],
    ['simFreq', 1e12, 'The number of ticks per simulated second ((Tick/Second))'],
    ['hostSeconds', seconds, 'Real time elapsed on the host (Second)'],
    ...cpus.flatMap((cpu) => cpuLines(cpu, `system.cpu${cpus.length === 1 ? '' : cpu.cpu}`)),
  ];
  const text = lines.map(
    ([name, value, description]) =>
      `${name.padEnd(50)} ${format(value).padStart(16)}                       # ${description}`,
  );
  return [
    '',
    '---------- Begin Simulation Statistics ----------',
    ...text,
    '',
    '---------- End Simulation Statistics   ----------',
    '',
  ].join('\n');
}

function format(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(6);
}

function cpuLines(cpu: CpuCounts, at: string): Line[] {
  const ratio = (part: number, whole: number) => (whole === 0 ? 0 : part / whole);
  const accesses = cpu.reads + cpu.writes;
  return [
    [`${at}.numCycles`, cpu.cycles, 'Number of cpu cycles simulated (Cycle)'],
    [`${at}.icache.overallHits::total`, cpu.fetches - cpu.fetchMisses, 'number of overall hits (Count)'],
    [`${at}.icache.overallMisses::total`, cpu.fetchMisses, 'number of overall misses (Count)'],
    [`${at}.icache.overallAccesses::total`, cpu.fetches, 'number of overall accesses (Count)'],
    [`${at}.icache.overallMissRate::total`, ratio(cpu.fetchMisses, cpu.fetches), 'miss rate (Ratio)'],
    [`${at}.icache.replacements`, cpu.l1iEvictions, 'number of replacements (Count)'],
    [`${at}.dcache.ReadReq.accesses::total`, cpu.reads, 'number of ReadReq accesses (Count)'],
    [`${at}.dcache.ReadReq.misses::total`, cpu.readMisses, 'number of ReadReq misses (Count)'],
    [`${at}.dcache.WriteReq.accesses::total`, cpu.writes, 'number of WriteReq accesses (Count)'],
    [`${at}.dcache.WriteReq.misses::total`, cpu.writeMisses, 'number of WriteReq misses (Count)'],
    [`${at}.dcache.UpgradeReq.misses::total`, cpu.upgrades, 'stores to a shared line (Count)'],
    [`${at}.dcache.overallHits::total`, cpu.l1dHits, 'number of overall hits (Count)'],
    [`${at}.dcache.overallMisses::total`, cpu.l1dMisses, 'number of overall misses (Count)'],
    [`${at}.dcache.overallAccesses::total`, accesses, 'number of overall accesses (Count)'],
    [`${at}.dcache.overallMissRate::total`, ratio(cpu.l1dMisses, accesses), 'miss rate (Ratio)'],
    [`${at}.dcache.replacements`, cpu.l1dEvictions, 'number of replacements (Count)'],
    [`${at}.dcache.writebacks::total`, cpu.l1dDirtyEvictions, 'number of writebacks (Count)'],
    [`${at}.dcache.snoopInvalidations`, cpu.invalidationsReceived, 'lines lost to a store elsewhere (Count)'],
    [`${at}.dcache.snoopDowngrades`, cpu.downgrades, 'lines shared because of a read elsewhere (Count)'],
    [`${at}.dcache.cacheToCache`, cpu.cacheToCache, "fills from another CPU's cache (Count)"],
    [`${at}.l2cache.overallHits::total`, cpu.l2Hits, 'number of overall hits (Count)'],
    [`${at}.mmu.tlbMisses`, cpu.tlbMisses, 'lookups that missed the first-level TLB (Count)'],
    [`${at}.mmu.walks`, cpu.walks, 'table walks (Count)'],
    [`${at}.mmu.pageFaults`, cpu.faults, 'page faults (Count)'],
    [`${at}.mmu.shootdowns`, cpu.shootdowns, 'times that pages were taken away (Count)'],
    [`${at}.mmu.shootdownCycles`, cpu.shootdownCycles, 'cycles that took (Cycle)'],
  ];
}
