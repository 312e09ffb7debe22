/** How the first failure of a cell can be looked at: a command line, made from the campaign in the journal. */
import { encodeToken } from '../explore/token.ts';
import { version } from '../lab/version.ts';
import { platformByName } from '../platforms/index.ts';
import { parseCampaign } from './campaign-file.ts';
import { type Cell, exploreJobOf } from './cells.ts';
import type { Header } from './header.ts';
import { type CampaignPlan, cellOf, planCampaign } from './plan.ts';
import { scheduleOf } from './schedule-text.ts';
import type { CellSummary, Summary } from './summary.ts';

/**
 * Command lines that show the first failure of each cell, by the cells' names. None for a campaign that this flushlab,
 * in this folder, would run otherwise.
 */
export async function firstFailures({ header, cells }: Summary): Promise<ReadonlyMap<string, string>> {
  const lines = new Map<string, string>();
  if (cells.every(({ first }) => first === undefined)) return lines;
  const plan = await planAgain(header);
  if (!plan) return lines;
  for (const summary of cells) {
    if (!summary.first) continue;
    const line = commandOf(cellOf(plan, summary.cell.first), summary);
    if (line !== undefined) lines.set(summary.cell.name, line);
  }
  return lines;
}

async function planAgain({ flushlab, campaign, plan }: Header): Promise<CampaignPlan | undefined> {
  if (flushlab !== version) return undefined;
  try {
    const again = await planCampaign(parseCampaign(campaign, 'the journal'), process.cwd());
    return again.hash === plan ? again : undefined;
  } catch {
    return undefined;
  }
}

function commandOf(cell: Cell, { first }: CellSummary): string | undefined {
  if (!first) return undefined;
  return cell.entry.kind === 'stress' ? runLine(cell, first.unit, first.seed ?? 0) : replayLine(cell, first);
}

function runLine({ entry, reference, plans, first }: Cell, unit: number, seed: number): string | undefined {
  if (entry.kind !== 'stress') return undefined;
  const { scenario, variant, platform, cpus, parameters, parts } = plans[(unit - first) % plans.length];
  const words = ['flushlab', 'run', reference, '--variant', variant.name, '--seed', String(seed)];
  if (!parts.platform && entry.platforms !== undefined) {
    const reference = referenceOf(entry.platforms, platform.name);
    if (reference === undefined) return undefined;
    words.push('--platform', reference);
  }
  if (parts.cpus === undefined && cpus !== scenario.defaultCpus) words.push('--cpus', String(cpus));
  if (entry.scheduler !== 'random') words.push('--scheduler', entry.scheduler);
  for (const [name, { default: usual }] of Object.entries(scenario.parameters)) {
    if (parameters[name] !== usual) words.push('--set', `${name}=${parameters[name]}`);
  }
  if (entry.maxSteps !== undefined) words.push('--max-steps', String(entry.maxSteps));
  if (entry.keepGoing) words.push('--keep-going');
  return words.map(quoted).join(' ');
}

/** What the user calls a platform by: its name, or its file. */
function referenceOf(platforms: NonNullable<Cell['entry']['platforms']>, name: string): string | undefined {
  if (platformByName(name)) return name;
  if (platforms === 'all') return undefined;
  const file = platforms.find((each) => typeof each !== 'string' && each.platform.name === name);
  return typeof file === 'object' ? file.file : undefined;
}

function replayLine(
  cell: Cell,
  { what, choices = '' }: { readonly what: string; readonly choices?: string },
): string {
  const { platform, cpus, parameters, variant } = cell.plans[0];
  const { seed, maxSteps } = exploreJobOf(cell);
  const token = encodeToken({
    version,
    scenario: cell.reference,
    variant: variant.name,
    platform: platformByName(platform.name) === platform ? platform.name : platform,
    cpus,
    parameters,
    seed,
    maxSteps,
    signature: what,
    choices: scheduleOf(choices),
  });
  return `flushlab replay ${token}`;
}

/** A word that can be pasted into a POSIX shell. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
