import { readFileSync } from 'node:fs';

/** Version of this flushlab, from its package. The file is two folders up from source and three from dist. */
export const version: string = versionFrom(import.meta.url.endsWith('.ts') ? '../../' : '../../../');

function versionFrom(up: string): string {
  const file = new URL(`${up}package.json`, import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
