/** flushlab cost asid, flushlab cost world-switch: what ASIDs cost, and what they save. */
import { measureAsids, rolloverCells, switchCells } from '../lab/asid-cost/measure.ts';
import { measureWorlds, noWorlds, worldCells } from '../lab/world-switch-cost.ts';
import type { Platform } from '../machine/platform.ts';
import { asidCaption, asidCostReport, asidCostText } from '../report/asid-cost-text.ts';
import { toJson } from '../report/json.ts';
import { wrap } from '../report/text.ts';
import { worldSwitchCaption, worldSwitchReport, worldSwitchText } from '../report/world-switch-text.ts';
import { type CostFlags, checkOptions, limitsOf, measured } from './cost-run.ts';
import { EXIT, UsageError } from './errors.ts';
import { print, stdoutStyle } from './terminal.ts';

const ROLLOVER_CPUS = [1, 2, 4, 8, 16];
const FOOTPRINT_PAGES = [0, 1, 2, 4, 8, 16, 24, 64, 256];
const WORLD_PAGES = [2, 8, 16, 48];
const WORLD_WORK = [0, 1000, 10_000, 100_000];
const OWN_MECHANISMS = 'mechanisms are its own';

/** @returns the exit code. @throws UsageError */
export async function asidCost(platform: Platform, flags: CostFlags, seed: number): Promise<number> {
  checkOptions('asid', platform, flags, OWN_MECHANISMS);
  if (flags.work !== undefined) {
    throw new UsageError('cost asid: work between switches is fixed: leave out --work');
  }
  const { name, mmu, maxCpus } = platform;
  if (mmu.tlb.asidBits === 0 || mmu.refill === 'software') {
    throw new UsageError(`cost asid: the TLB of ${name} has no ASIDs that its hardware looks up tables for`);
  }
  const rollovers = rolloverCells(platform, flags.cpus ?? ROLLOVER_CPUS.filter((n) => n <= maxCpus));
  const switches = switchCells(flags.pages ?? FOOTPRINT_PAGES);
  const cells = rollovers.length + switches.length;
  const { result, interrupted } = await measured(cells, flags, (pool, tell) =>
    measureAsids(platform, rollovers, switches, limitsOf(flags, seed), pool, counting(cells, tell)),
  );
  if (!result) return EXIT.INTERRUPTED;
  if (flags.json === true) print(toJson(asidCostReport(platform, seed, result)));
  else {
    print(wrap(asidCaption(platform)).join('\n'));
    print(`seed ${seed}\n`);
    print(asidCostText(result, stdoutStyle));
  }
  return interrupted ? EXIT.INTERRUPTED : EXIT.OK;
}

/** @returns the exit code. @throws UsageError */
export async function worldSwitchCost(platform: Platform, flags: CostFlags, seed: number): Promise<number> {
  if (flags.cpus !== undefined) {
    throw new UsageError('cost world-switch: it is measured on one CPU: leave out --cpus');
  }
  checkOptions('world-switch', platform, flags, OWN_MECHANISMS);
  const reason = noWorlds(platform);
  if (reason !== undefined) throw new UsageError(`cost world-switch: ${reason}`);
  const cells = worldCells(flags.pages ?? WORLD_PAGES, flags.work ?? WORLD_WORK);
  const { result, interrupted } = await measured(cells.length, flags, (pool, tell) =>
    measureWorlds(platform, cells, limitsOf(flags, seed), pool, counting(cells.length, tell)),
  );
  // Gains are relative to a row that may not be there.
  if (interrupted || !result) return EXIT.INTERRUPTED;
  if (flags.json === true) print(toJson(worldSwitchReport(platform, seed, result)));
  else {
    print(wrap(worldSwitchCaption(platform)).join('\n'));
    print(`seed ${seed}\n`);
    print(worldSwitchText(result, platform, stdoutStyle));
  }
  return EXIT.OK;
}

/** Tells how many of the cells are done. */
function counting(cells: number, tell: (text: string) => boolean): () => boolean {
  let done = 0;
  return () => tell(`${++done} of ${cells} measured`);
}
