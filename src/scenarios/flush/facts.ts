/** Facts of a platform, in words and with their source: the reasons for what a scenario must show on it. */
import type { Platform } from '../../machine/platform.ts';

/**
 * One figure or property of a platform with its source.
 * @param path where it stands in the description, such as `l1d.organisation`
 * @throws Error if there is nothing at `path`
 */
export function fact(platform: Platform, path: string): string {
  let value: unknown = platform;
  for (const key of path.split('.')) {
    value = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
  }
  if (value === undefined) throw new Error(`platform ${platform.name} has no '${path}'`);
  const source = platform.sources[path];
  const shown = typeof value === 'object' ? JSON.stringify(value) : String(value);
  return `${path} of ${platform.name} is ${shown}${source === undefined ? '' : ` (${source})`}`;
}

/** How the L1D of a platform is addressed, with its source. */
export function dataCacheFact(platform: Platform): string {
  const { l1d, name, sources } = platform;
  const wayBytes = l1d.sizeBytes / l1d.ways;
  const source = sources['l1d.organisation'] ?? sources['l1d.sizeBytes'];
  const shape = `the L1D of ${name} is ${l1d.organisation.toUpperCase()} with ways of ${wayBytes >> 10} KB, ${l1d.write}`;
  return `${shape}${source === undefined ? '' : ` (${source})`}`;
}
