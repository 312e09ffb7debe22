import { posix } from 'node:path';

export interface SourceFile {
  /** Relative to the repository, with forward slashes: `src/machine/cache.ts`. */
  readonly path: string;
  readonly text: string;
}

interface ImportEdge {
  readonly from: string;
  readonly to: string;
  /** As written, so that a message can be searched for. */
  readonly specifier: string;
}

type Rule = { readonly only: readonly string[] } | { readonly not: readonly string[] };

/** A guard against files that grew without anyone deciding it; most are to be under 250 lines. */
export const MAX_LINES = 400;

/** What each folder of src may import besides itself. */
const RULES: Readonly<Record<string, Rule>> = {
  machine: { only: [] },
  checker: { only: ['machine'] },
  platforms: { only: ['machine'] },
  program: { only: ['machine', 'checker'] },
  kernel: { only: ['machine', 'checker', 'platforms'] },
  hypervisor: { only: ['machine', 'checker', 'platforms', 'kernel'] },
  scenarios: { only: ['machine', 'checker', 'platforms', 'program', 'kernel', 'hypervisor'] },
  hosts: { not: ['scenarios', 'platforms', 'campaign', 'cli'] },
  explore: { not: ['scenarios', 'platforms', 'campaign', 'cli'] },
  trace: { not: ['scenarios', 'campaign', 'cli'] },
  litmus: { not: ['scenarios', 'explore', 'lab', 'campaign', 'report', 'cli'] },
  lab: { not: ['campaign', 'cli'] },
  campaign: {
    only: ['machine', 'checker', 'platforms', 'program', 'scenarios', 'hosts', 'explore', 'lab'],
  },
  report: { not: ['cli'] },
  cli: { not: [] },
  // Files directly in src: the public entry point.
  '.': { not: ['cli'] },
};

// Anchored to the start of a line, so that an import quoted in a doc comment or a string is not one.
const STATIC_IMPORT = /^[ \t]*(?:import|export)\b(?:[\w\s{},*$]*?\bfrom)?\s*['"]([^'"]+)['"]/gm;
const DYNAMIC_IMPORT = /\bimport\(\s*['"]([^'"]+)['"]/g;
const COMMENT = /\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm;

/** Everything wrong with the structure of src, one message per finding. */
export function checkLayering(files: readonly SourceFile[]): string[] {
  const edges = files.flatMap(importsOf);
  return [
    ...files.flatMap(checkFile),
    ...edges.flatMap(checkDirection),
    ...findCycles(
      files.map((file) => file.path),
      edges,
    ),
  ];
}

function importsOf({ path, text }: SourceFile): ImportEdge[] {
  const code = text.replace(COMMENT, '');
  return [...code.matchAll(STATIC_IMPORT), ...code.matchAll(DYNAMIC_IMPORT)]
    .map((match) => match[1])
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => ({
      from: path,
      to: posix.join(posix.dirname(path), specifier).replace(/\.js$/, '.ts'),
      specifier,
    }));
}

/** `src/machine/cache.ts` is in `machine`; undefined for anything outside src. */
function roomOf(path: string): string | undefined {
  const [top, room, ...rest] = path.split('/');
  if (top !== 'src') return undefined;
  return rest.length === 0 ? '.' : room;
}

function checkFile({ path, text }: SourceFile): string[] {
  const found: string[] = [];
  const room = roomOf(path);
  if (room === undefined || !Object.hasOwn(RULES, room)) {
    found.push(`${path}: the folder '${room}' has no rule in test/support/layering.ts`);
  }
  if (posix.basename(path).startsWith('utils.')) {
    found.push(`${path}: name the file after what it does, not 'utils'`);
  }
  const lines = text.split('\n').length - (text.endsWith('\n') ? 1 : 0);
  if (lines > MAX_LINES) found.push(`${path}: ${lines} lines, the limit is ${MAX_LINES}`);
  return found;
}

function checkDirection({ from, to, specifier }: ImportEdge): string[] {
  const source = roomOf(from);
  const target = roomOf(to);
  if (source === undefined || target === undefined || source === target) return [];
  const rule = Object.hasOwn(RULES, source) ? RULES[source] : undefined;
  if (!rule) return [];
  const allowed = 'only' in rule ? rule.only.includes(target) : !rule.not.includes(target);
  const name = (room: string) => (room === '.' ? 'src itself' : room);
  return allowed
    ? []
    : [`${from}: imports '${specifier}', but ${name(source)} may not import ${name(target)}`];
}

function findCycles(paths: readonly string[], edges: readonly ImportEdge[]): string[] {
  const targets = new Map<string, string[]>(paths.map((path) => [path, []]));
  for (const { from, to } of edges) {
    if (targets.has(to)) targets.get(from)?.push(to);
  }
  const cycles: string[] = [];
  const done = new Set<string>();
  const trail: string[] = [];
  const visit = (path: string): void => {
    const start = trail.indexOf(path);
    if (start >= 0) {
      cycles.push(`${path}: import cycle ${[...trail.slice(start), path].join(' -> ')}`);
      return;
    }
    if (done.has(path)) return;
    trail.push(path);
    for (const target of targets.get(path) ?? []) visit(target);
    trail.pop();
    done.add(path);
  };
  for (const path of paths) visit(path);
  return cycles;
}
