/** Scenarios by name, and those that users wrote by the path of their module. */
import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { importModule } from '../program/import-module.ts';
import { flawOf } from './check-scenario.ts';
import type { DefinedScenario } from './define.ts';
import { findScenario, scenarios } from './index.ts';
import { type Scenario, ScenarioError } from './scenario.ts';
import { placeIn } from './stack-place.ts';
import { troubleWith } from './try-scenario.ts';

/** Whether somebody means a file rather than the name of a scenario of the library. */
function isPath(nameOrPath: string): boolean {
  return /^\.|[/\\]|\.[cm]?[jt]s$/i.test(nameOrPath);
}

/**
 * A scenario by its name or by the path of a module that exports one as its default.
 * @param cwd folder that a path is relative to
 * @throws ScenarioError, one line that names the file, what is wrong with it and the remedy
 */
export async function loadScenario(nameOrPath: string, cwd: string): Promise<Scenario> {
  if (!isPath(nameOrPath)) return byName(nameOrPath, cwd);
  const path = nameOrPath.startsWith('file:') ? fileURLToPath(nameOrPath) : resolve(cwd, nameOrPath);
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat) {
    const remedy = "name a module that exports a scenario; 'flushlab new my-race' writes one to start from";
    throw new ScenarioError(`${nameOrPath}: there is no such file: ${remedy}`);
  }
  if (!stat.isFile()) {
    throw new ScenarioError(`${nameOrPath}: is not a file: name a module that exports a scenario`);
  }
  const found = await defaultOf(nameOrPath, pathToFileURL(path).href, path);
  const flaw = flawOf(found);
  if (flaw !== undefined) throw new ScenarioError(`${nameOrPath}: ${flaw}`);
  const scenario = found as DefinedScenario;
  await checkModule(nameOrPath, scenario);
  const trouble = troubleWith(scenario, path, nameOrPath);
  if (trouble !== undefined) throw new ScenarioError(trouble);
  return scenario;
}

function byName(name: string, cwd: string): Scenario {
  const file = [`${name}.ts`, `${name}.js`, `${name}.mjs`].find((each) => existsSync(resolve(cwd, each)));
  if (file !== undefined && !scenarios.some((scenario) => scenario.name === name)) {
    throw new ScenarioError(`there is no scenario '${name}': for the file beside you use ./${file}`);
  }
  return findScenario(name);
}

async function defaultOf(given: string, url: string, path: string): Promise<unknown> {
  let module: { readonly default?: unknown };
  try {
    module = (await importModule(url)) as typeof module;
  } catch (error) {
    throw new ScenarioError(whyNotLoaded(given, path, error));
  }
  if (module.default === undefined) {
    throw new ScenarioError(
      `${given}: has no default export: end it with 'export default defineScenario({ ... })'`,
    );
  }
  return module.default;
}

/** Programs are started in other threads, which import what `module` says. */
async function checkModule(given: string, scenario: Scenario): Promise<void> {
  const remedy = "write 'module: import.meta.url'";
  try {
    const home = (await importModule(scenario.module)) as { default?: { createWorkload?: unknown } };
    if (typeof home.default?.createWorkload === 'function') return;
  } catch {
    throw new ScenarioError(`${given}: its module '${scenario.module}' cannot be imported: ${remedy}`);
  }
  throw new ScenarioError(`${given}: its module '${scenario.module}' exports no scenario: ${remedy}`);
}

/** One line. Whoever wrote the file must find the place. */
function whyNotLoaded(given: string, path: string, error: unknown): string {
  if (!(error instanceof Error)) return `${given}: threw ${String(error)} when it was imported`;
  const { message, name } = error;
  // What esbuild says of TypeScript: FILE:LINE:COLUMN: ERROR: MESSAGE, and perhaps more of them.
  const transform = /^(.*):(\d+):(\d+): ERROR: (.*)$/m.exec(message);
  if (name === 'TransformError' && transform) {
    const [, file, line, column, what] = transform;
    const where = resolve(file) === path ? given : file;
    return `${where}:${line}:${column}: ${what}: mend the syntax`;
  }
  const place = placeIn(path, error);
  const remedy = error instanceof SyntaxError ? `see node --check ${given}` : 'it must import without errors';
  return `${given}${place}: ${name}: ${message}: ${remedy}`;
}
