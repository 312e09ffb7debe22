/** Tests of others that stand in `samples`, with herd7's answers (licence: see the file beside them). */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface Sample {
  readonly file: string;
  readonly name: string;
  readonly cond: string;
  readonly observation: string;
  readonly states: readonly string[];
  readonly flags: readonly string[];
  readonly hash: string;
  readonly core_profile: boolean;
}

export const sampleFolder = fileURLToPath(new URL('./samples', import.meta.url));
export const outcomesFile = `${sampleFolder}/outcomes.jsonl`;

export function sampleText(file: string): string {
  return readFileSync(`${sampleFolder}/${file}`, 'utf8');
}

export const samples: readonly Sample[] = readFileSync(outcomesFile, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Sample);

/** What is there, whether or not the outcomes name it. */
export function sampleFiles(): string[] {
  const all = readdirSync(sampleFolder, { recursive: true, encoding: 'utf8' });
  return all.map((file) => file.replaceAll('\\', '/')).filter((file) => file.endsWith('.litmus'));
}
