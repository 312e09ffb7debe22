import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { checkLayering, MAX_LINES, type SourceFile } from './support/layering.ts';

const src = new URL('../src/', import.meta.url);

function readSources(): SourceFile[] {
  return readdirSync(fileURLToPath(src), { recursive: true, encoding: 'utf8' })
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .map((name) => ({ path: `src/${name}`, text: readFileSync(new URL(name, src), 'utf8') }));
}

/** What the checker says about one made-up file with one import. */
function imports(from: string, statement: string): string[] {
  return checkLayering([{ path: from, text: `${statement}\nexport const x = 1;\n` }]);
}

describe('the structure of src', () => {
  it('keeps to the import directions, without cycles or overgrown files', () => {
    const files = readSources();
    expect(files.length).toBeGreaterThan(0);
    expect(checkLayering(files)).toEqual([]);
  });
});

// A checker that finds nothing passes just as well as a tidy tree does.
describe('the structure checker', () => {
  const forbidden: [from: string, to: string][] = [
    ['machine', 'checker'],
    ['machine', 'platforms'],
    ['checker', 'kernel'],
    ['platforms', 'kernel'],
    ['platforms', 'checker'],
    ['kernel', 'hypervisor'],
    ['kernel', 'hosts'],
    ['hypervisor', 'scenarios'],
    ['scenarios', 'hosts'],
    ['scenarios', 'explore'],
    ['scenarios', 'cli'],
    ['hosts', 'scenarios'],
    ['hosts', 'platforms'],
    ['hosts', 'cli'],
    ['explore', 'scenarios'],
    ['explore', 'platforms'],
    ['explore', 'cli'],
    ['lab', 'cli'],
    ['lab', 'campaign'],
    ['hosts', 'campaign'],
    ['explore', 'campaign'],
    ['campaign', 'kernel'],
    ['campaign', 'report'],
    ['campaign', 'cli'],
    ['report', 'cli'],
  ];
  it.each(forbidden)('reports %s importing %s', (from, to) => {
    expect(imports(`src/${from}/a.ts`, `import { b } from '../${to}/b.ts';`)).toEqual([
      `src/${from}/a.ts: imports '../${to}/b.ts', but ${from} may not import ${to}`,
    ]);
  });

  it('reports the public entry point importing cli', () => {
    expect(imports('src/index.ts', `export { main } from './cli/main.ts';`)).toEqual([
      `src/index.ts: imports './cli/main.ts', but src itself may not import cli`,
    ]);
  });

  const allowed: [from: string, to: string][] = [
    ['checker', 'machine'],
    ['platforms', 'machine'],
    ['kernel', 'checker'],
    ['kernel', 'platforms'],
    ['hypervisor', 'kernel'],
    ['scenarios', 'hypervisor'],
    ['hosts', 'kernel'],
    ['explore', 'checker'],
    ['lab', 'scenarios'],
    ['campaign', 'lab'],
    ['campaign', 'hosts'],
    ['report', 'campaign'],
    ['report', 'explore'],
    ['cli', 'lab'],
  ];
  it.each(allowed)('accepts %s importing %s', (from, to) => {
    expect(imports(`src/${from}/a.ts`, `import { b } from '../${to}/b.ts';`)).toEqual([]);
  });

  it.each([
    `import '../kernel/b.ts';`,
    `import b from "../kernel/b.ts";`,
    `import * as b from '../kernel/b.ts';`,
    `import type { B } from '../kernel/b.ts';`,
    `import {\n  // why\n  b,\n  type C as D,\n} from '../kernel/b.ts';`,
    `export * from '../kernel/b.ts';`,
    `export type { B } from '../kernel/b.ts';`,
    `const b = await import('../kernel/b.ts');`,
  ])('sees the import in %j', (statement) => {
    expect(imports('src/machine/a.ts', statement)).toHaveLength(1);
  });

  it.each([
    `// import { b } from '../kernel/b.ts';`,
    `/**\n * import { b } from '../kernel/b.ts';\n */`,
    `import { b } from 'kernel';`,
    `export const from = '../kernel/b.ts';`,
  ])('sees no import in %j', (statement) => {
    expect(imports('src/machine/a.ts', statement)).toEqual([]);
  });

  it('reports a cycle once, with its path', () => {
    const files = [
      { path: 'src/machine/a.ts', text: `import './b.ts';` },
      { path: 'src/machine/b.ts', text: `export * from './c.ts';` },
      { path: 'src/machine/c.ts', text: `import type { A } from './a.ts';` },
      { path: 'src/machine/d.ts', text: `import './b.ts';` },
    ];
    expect(checkLayering(files)).toEqual([
      'src/machine/a.ts: import cycle src/machine/a.ts -> src/machine/b.ts -> src/machine/c.ts -> src/machine/a.ts',
    ]);
  });

  it('reports files named utils, overlong files and folders without a rule', () => {
    const line = '// x\n';
    expect(
      checkLayering([
        { path: 'src/kernel/utils.ts', text: '' },
        { path: 'src/kernel/long.ts', text: line.repeat(MAX_LINES + 1) },
        { path: 'src/kernel/full.ts', text: line.repeat(MAX_LINES) },
        { path: 'src/misc/a.ts', text: '' },
      ]),
    ).toEqual([
      `src/kernel/utils.ts: name the file after what it does, not 'utils'`,
      `src/kernel/long.ts: ${MAX_LINES + 1} lines, the limit is ${MAX_LINES}`,
      `src/misc/a.ts: the folder 'misc' has no rule in test/support/layering.ts`,
    ]);
  });
});
