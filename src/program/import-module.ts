/** Imports of modules that may not be flushlab's own, such as a scenario that a user wrote. */

/** Whether flushlab runs from source rather than from what `tsc` built. */
const fromSource = import.meta.url.endsWith('.ts');

/** The folder that holds package.json. */
export const packageRoot = new URL(fromSource ? '../../' : '../../../', import.meta.url);

const ownModules = new URL('../', import.meta.url).href;

/**
 * Imports a module by its URL, in any thread. One that is not ours may be TypeScript and import 'flushlab',
 * which must be this copy: of every class there may be one only. From source that is arranged before
 * anything is loaded; what was built, and needs no TypeScript, waits until somebody does.
 */
export async function importModule(url: string): Promise<unknown> {
  if (!fromSource && !url.startsWith(ownModules)) {
    const { acceptUserModules } = await import(new URL('scripts/user-modules.mjs', packageRoot).href);
    acceptUserModules('dist');
  }
  return import(url);
}
