/**
 * Whether something is a scenario. What a user wrote has usually met no type checker: types are stripped,
 * not checked, when it is imported.
 */
import { kindNames } from '../checker/finding.ts';
import { MOST_STATES } from '../checker/reachable.ts';
import { platformByName, platforms } from '../platforms/index.ts';

const REMEDY = 'make it with defineScenario({ ... })';

/** What is wrong with it and the remedy, in one line; undefined if nothing is. */
export function flawOf(value: unknown): string | undefined {
  if (!isRecord(value) || typeof value.createWorkload !== 'function') {
    return `its default export is not a scenario: ${REMEDY}`;
  }
  const { name, title, module, variants, defaultCpus, minCpus } = value;
  if (!isText(name)) return "its scenario has no name: give it one, such as name: 'my-race'";
  if (!isText(title)) return 'its scenario has no title: say in a line what races';
  if (typeof module !== 'string' || !/^[a-z]+:/.test(module)) {
    return "its scenario does not say where it is: write 'module: import.meta.url'";
  }
  if (!isCpus(defaultCpus) || !isCpus(minCpus)) return 'cpus and minCpus: use integers from 1 to 64';
  if (minCpus > defaultCpus)
    return `minCpus is ${minCpus}, cpus is ${defaultCpus}: use at least as many cpus`;
  if (!Array.isArray(variants) || variants.length === 0) {
    return "its scenario has no variants: give it at least one, such as { name: 'fixed', title: '...', expect: 'clean' }";
  }
  return (
    flawOfVariants(variants, value) ??
    flawOfParameters(value.parameters) ??
    flawOfStates(value.reachable, variants)
  );
}

function flawOfVariants(variants: readonly unknown[], scenario: Fields): string | undefined {
  const seen = new Set<string>();
  for (const [at, variant] of variants.entries()) {
    if (!isRecord(variant) || !isText(variant.name) || !isText(variant.title)) {
      return `variants[${at}] has no name or no title: give it both`;
    }
    const { name, expect } = variant;
    if (seen.has(name)) return `two variants are called '${name}': rename one`;
    seen.add(name);
    const flaw = flawOfExpect(expect) ?? flawOfPlatform(scenario, name);
    if (flaw !== undefined) return `variant '${name}': ${flaw}`;
  }
  return undefined;
}

function flawOfExpect(expect: unknown): string | undefined {
  const kinds: readonly unknown[] = kindNames;
  if (expect === 'clean') return undefined;
  if (Array.isArray(expect) && expect.length > 0 && expect.every((kind) => kinds.includes(kind))) {
    return undefined;
  }
  return `expect must be 'clean' or a list of findings: use ${kindNames.join(', ')}`;
}

function flawOfPlatform(scenario: Fields, variant: string): string | undefined {
  const { defaultPlatform } = scenario;
  const name = typeof defaultPlatform === 'function' ? defaultPlatform(variant) : undefined;
  if (typeof name === 'string' && platformByName(name)) return undefined;
  const known = Object.keys(platforms).join(', ');
  return `there is no platform '${name}': use one of ${known}, and --platform for a file of your own`;
}

function flawOfParameters(parameters: unknown): string | undefined {
  if (!isRecord(parameters)) return 'parameters must be an object: leave it out if there are none';
  for (const [name, spec] of Object.entries(parameters)) {
    if (name === 'variant') return "a parameter is called 'variant', as the variant itself is: rename it";
    const value = isRecord(spec) ? spec.default : undefined;
    if (typeof value !== 'number' && typeof value !== 'string') {
      return `parameter '${name}' has no default: give it a number or a text`;
    }
  }
  return undefined;
}

function flawOfStates(reachable: unknown, variants: readonly unknown[]): string | undefined {
  if (reachable === undefined) return undefined;
  if (!isRecord(reachable)) return "reachable must be an object: a name and { title: '...' } for each state";
  const names = Object.keys(reachable);
  if (names.length > MOST_STATES) return `reachable has ${names.length} states: use at most ${MOST_STATES}`;
  const known = variants.map((variant) => (isRecord(variant) ? variant.name : undefined));
  for (const name of names) {
    const state = reachable[name];
    if (!isRecord(state) || !isText(state.title)) {
      return `state '${name}' has no title: say in a line what has happened`;
    }
    const { variants: some = known } = state;
    if (!Array.isArray(some)) return `state '${name}': variants must be a list of variants' names`;
    const unknown = some.find((variant) => !known.includes(variant));
    if (unknown !== undefined) {
      return `state '${name}': there is no variant '${unknown}': use some of ${known.join(', ')}`;
    }
  }
  return undefined;
}

type Fields = Readonly<Record<string, unknown>>;

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isCpus(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 64;
}
