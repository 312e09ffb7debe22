/** Journals of one campaign, written on several machines, as one: in the order of the units. */
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { CampaignError } from './campaign-file.ts';
import { syncFolder, writeWhole } from './journal.ts';
import { readJournal } from './journal-reader.ts';

export interface Merged {
  /** Units that are done. */
  readonly done: number;
  readonly units: number;
  /** Lines that were in several journals, and equal. */
  readonly duplicates: number;
  readonly journals: number;
}

/**
 * Writes what is in any of the journals. A torn end of one is left out.
 * @throws CampaignError if they are of different campaigns, if two say different things of one unit, or if the output
 * is there already; then nothing is written
 */
export async function mergeJournals(inputs: readonly string[], output: string): Promise<Merged> {
  if (existsSync(output)) throw new CampaignError(`-o ${output}: is there already: name a file that is not`);
  const lines: string[] = [];
  const from: number[] = [];
  let duplicates = 0;
  let done = 0;
  let head: string | undefined;
  let units = 0;
  for (const [index, path] of inputs.entries()) {
    readJournal(
      path,
      (header, text) => {
        head ??= text;
        units = header.units;
        if (text === head) return;
        throw new CampaignError(
          `${path}: is of another campaign than ${inputs[0]}: merge journals of one campaign, from one version`,
        );
      },
      ({ unit }, text, number) => {
        const known = lines[unit];
        if (known === undefined) {
          lines[unit] = text;
          from[unit] = index;
          done++;
        } else if (known === text) duplicates++;
        else {
          throw new CampaignError(
            `${path}: line ${number} says of unit ${unit} what ${inputs[from[unit]]} does not: one of them was changed, or flushlab was`,
          );
        }
      },
    );
  }
  const temporary = `${output}.new.${process.pid}`;
  try {
    await writeWhole(temporary, wholeLines(head ?? '', lines));
    await rename(temporary, output);
    await syncFolder(output);
  } catch (error) {
    await rm(temporary, { force: true });
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new CampaignError(`-o ${output}: cannot be written (${code}): name a file in a folder that exists`);
  }
  return { done, units, duplicates, journals: inputs.length };
}

function* wholeLines(head: string, lines: readonly string[]): Generator<string> {
  yield head;
  for (const line of lines) if (line !== undefined) yield line;
}
