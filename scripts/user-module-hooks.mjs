// Hooks of the module loader; see user-modules.mjs. They run in the loader's own thread.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../', import.meta.url);
const { name, exports } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));
const own = new Map();

export function initialize({ origin }) {
  for (const [entry, target] of Object.entries(exports)) {
    const built = typeof target === 'string' ? target : target.default;
    const path = origin === 'src' ? built.replace(/^\.\/dist\/(.*)\.js$/, './$1.ts') : built;
    own.set(name + entry.slice(1), new URL(path, root).href);
  }
}

export async function resolve(specifier, context, next) {
  const resolved = await next(own.get(specifier) ?? specifier, context);
  return isMistakenForScript(resolved) ? { ...resolved, format: 'module' } : resolved;
}

/**
 * Without "type": "module" in the nearest package.json, TypeScript is taken for CommonJS, whatever it says.
 * Nobody should need a package.json to try a race, and `npm init` writes "type": "commonjs".
 */
function isMistakenForScript({ url, format }) {
  if (format === 'module' || !/^file:.*\.[jt]s$/.test(url) || url.includes('/node_modules/')) return false;
  return /^\s*(?:import|export)\b/m.test(readFileSync(fileURLToPath(url), 'utf8'));
}
