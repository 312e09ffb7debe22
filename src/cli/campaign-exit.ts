/** Exit codes of campaigns, and their mistakes as those of the command line. */
import { CampaignError } from '../campaign/campaign-file.ts';
import type { CellState } from '../campaign/summary.ts';
import { ScenarioError } from '../scenarios/scenario.ts';
import { EXIT, UsageError } from './errors.ts';

/** @param unfinished code of a campaign of which not everything is known */
export function codeOf(state: CellState, unfinished: number): number {
  switch (state) {
    case 'expected':
      return EXIT.OK;
    case 'unexpected':
      return EXIT.VIOLATION;
    case 'bound':
      return EXIT.BOUND;
    case 'error':
      return EXIT.FAULT;
    case 'unfinished':
      return unfinished;
  }
}

/** Does what may find a mistake of the user. @throws UsageError instead of CampaignError */
export async function orUsage<T>(action: () => T | Promise<T>, where?: string): Promise<T> {
  try {
    return await action();
  } catch (error) {
    if (error instanceof CampaignError) throw new UsageError(error.message);
    if (error instanceof ScenarioError && where !== undefined) {
      throw new UsageError(`${where}: ${error.message.split('\n')[0]}`);
    }
    throw error;
  }
}
