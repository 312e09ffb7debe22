/** Where in a file an error comes from. */
import { pathToFileURL } from 'node:url';

/** `:line` or `:line:column` of the innermost mention of a file in an error's stack, or nothing. */
export function placeIn(path: string, error: Error): string {
  for (const line of (error.stack ?? '').split('\n')) {
    for (const name of [pathToFileURL(path).href, path]) {
      const at = line.indexOf(`${name}:`);
      const place = at < 0 ? null : /^(?::\d+){1,2}/.exec(line.slice(at + name.length));
      if (place) return place[0];
    }
  }
  return '';
}
