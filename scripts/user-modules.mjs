// Makes modules that are not part of flushlab importable: TypeScript, and the name 'flushlab', which must
// mean this copy wherever the importing file lies. A second copy would work with classes of its own.
import { register as registerHooks } from 'node:module';
import { register as registerTypeScript } from 'tsx/esm/api';

let done = false;

/**
 * Once in each thread.
 * @param origin where the flushlab that runs comes from: 'src' or 'dist'
 */
export function acceptUserModules(origin) {
  if (done) return;
  done = true;
  // tsx would otherwise read the tsconfig.json of whatever folder flushlab is started in.
  registerTypeScript({ tsconfig: false });
  registerHooks('./user-module-hooks.mjs', import.meta.url, { data: { origin } });
}
