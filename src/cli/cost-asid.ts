/** flushlab cost asid, flushlab cost world-switch: what ASIDs cost, and what they save. */
import { measureAsids, rolloverCells, switchCells } from '../lab/asid-cost/measure.ts';
import { LockstepPool } from '../lab/lockstep-pool.ts';
import type { CostLimits } from '../lab/shootdown-cost.ts';
import { measureWorlds, noWorlds, worldCells } from '../lab/world-switch-cost.ts';
import type { Platform } from '../machine/platform.ts';
import { asidCaption, asidCostReport, asidCostText } from '../report/asid-cost-text.ts';
import { toJson } from '../report/json.ts';
import { wrap } from '../report/text.ts';
import { worldSwitchCaption, worldSwitchReport, worldSwitchText } from '../report/world-switch-text.ts';
import { EXIT, UsageError } from './errors.ts';
import { Interrupt, Progress, print, stdoutStyle } from './terminal.ts';

interface AsidCostFlags {
  readonly cpus?: readonly number[];
  readonly pages?: readonly number[];
  readonly work?: readonly number[];
  readonly host: string;
  readonly mechanism: string;
  readonly quantum: number;
  readonly maxSteps: number;
  readonly maxSeconds: number;
  readonly workers: number;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

const ROLLOVER_CPUS = [1, 2, 4, 8, 16];
const FOOTPRINT_PAGES = [0, 1, 2, 4, 8, 16, 24, 64, 256];
const WORLD_PAGES = [2, 8, 16, 48];
const WORLD_WORK = [0, 1000, 10_000, 100_000];

/** @returns the exit code. @throws UsageError */
export async function asidCost(platform: Platform, flags: AsidCostFlags, seed: number): Promise<number> {
  check('asid', platform, flags);
  const { name, mmu, maxCpus } = platform;
  if (mmu.tlb.asidBits === 0 || mmu.refill === 'software') {
    throw new UsageError(`cost asid: the TLB of ${name} has no ASIDs that its hardware looks up tables for`);
  }
  const rollovers = rolloverCells(platform, flags.cpus ?? ROLLOVER_CPUS.filter((n) => n <= maxCpus));
  const switches = switchCells(flags.pages ?? FOOTPRINT_PAGES);
  const cells = rollovers.length + switches.length;
  const { result, interrupted } = await measure(cells, flags, (pool, tell) =>
    measureAsids(platform, rollovers, switches, limitsOf(flags, seed), pool, tell),
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
export async function worldSwitchCost(
  platform: Platform,
  flags: AsidCostFlags,
  seed: number,
): Promise<number> {
  if (flags.cpus !== undefined) {
    throw new UsageError('cost world-switch: it is measured on one CPU: leave out --cpus');
  }
  check('world-switch', platform, flags);
  const reason = noWorlds(platform);
  if (reason !== undefined) throw new UsageError(`cost world-switch: ${reason}`);
  const cells = worldCells(flags.pages ?? WORLD_PAGES, flags.work ?? WORLD_WORK);
  const { result, interrupted } = await measure(cells.length, flags, (pool, tell) =>
    measureWorlds(platform, cells, limitsOf(flags, seed), pool, tell),
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

function check(experiment: string, { name, maxCpus }: Platform, flags: AsidCostFlags): void {
  if (flags.host !== 'lockstep') {
    throw new UsageError(
      `cost ${experiment}: it is measured on lockstep only: leave out --host ${flags.host}`,
    );
  }
  if (flags.mechanism !== 'both') {
    throw new UsageError(
      `cost ${experiment}: mechanisms are its own: leave out --mechanism ${flags.mechanism}`,
    );
  }
  if (experiment === 'asid' && flags.work !== undefined) {
    throw new UsageError('cost asid: work between switches is fixed: leave out --work');
  }
  const tooMany = flags.cpus?.find((n) => n > maxCpus);
  if (tooMany !== undefined) {
    throw new UsageError(`--cpus ${tooMany}: ${name} has at most ${maxCpus}: use --cpus ${maxCpus} or fewer`);
  }
}

function limitsOf({ quantum, maxSteps, maxSeconds }: AsidCostFlags, seed: number): CostLimits {
  return { seed, quantumCycles: quantum, maxSteps, maxSeconds };
}

/** Measures with progress; Ctrl-C leaves what there is, if anything. */
async function measure<T>(
  cells: number,
  flags: AsidCostFlags,
  run: (pool: LockstepPool, tell: () => boolean) => Promise<T>,
): Promise<{ result: T | undefined; interrupted: boolean }> {
  const progress = new Progress(flags.quiet === true);
  const pool = new LockstepPool(Math.min(flags.workers, cells));
  const interrupt = new Interrupt(() => pool.close());
  let done = 0;
  let result: T | undefined;
  try {
    result = await run(pool, () => {
      progress.show(`${++done} of ${cells} measured`);
      return !interrupt.interrupted;
    });
  } catch (error) {
    // Ending the threads makes what runs on them fail.
    if (!interrupt.interrupted) throw error;
  } finally {
    interrupt.dispose();
    progress.clear();
    await pool.close();
  }
  return { result, interrupted: interrupt.interrupted };
}
