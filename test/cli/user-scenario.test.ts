import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { flushlab } from './run-cli.ts';

// Outside the repository: no node_modules above it, no package.json.
const folder = mkdtempSync(join(tmpdir(), 'flushlab-user-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const inFolder = (...args: string[]) => flushlab(args, {}, folder);

function file(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return `./${name}`;
}

/** A scenario in which one CPU does `program`. */
function scenario(program: string, more = ''): string {
  return `
    import { defineScenario, SegmentationFault } from 'flushlab';
    export default defineScenario({
      name: 'mine', title: 'mine', source: '', module: import.meta.url, cpus: 1, platform: 'x86-64',
      variants: [{ name: 'only', title: 'only', expect: 'clean' }],
      setup: () => ({}),
      start: ({ cpu, machine }) => (function* () { ${program} })(),
      ${more}
    });`;
}

describe('new', () => {
  it('writes a race that shows its bug and not without it, as it says', () => {
    const { code, stdout } = inFolder('new', 'page-gone');
    expect(code).toBe(0);
    expect(readFileSync(join(folder, 'page-gone.ts'), 'utf8')).toMatch(/name: 'page-gone',/);
    const lines = [...stdout.matchAll(/^ {2}npx flushlab (.*?) +#/gm)].map((match) => match[1].split(' '));
    expect(lines).toHaveLength(3);
    const [wrong, right, both] = lines.map((line, i) =>
      inFolder(...line, ...(i === 2 ? ['--runs', '5'] : [])),
    );
    expect(wrong.code).toBe(1);
    expect(wrong.stdout).toMatch(/^stale-translation: CPU 1 used a translation that had been taken away/m);
    expect(wrong.stdout).toMatch(/repeat +flushlab run \.\/page-gone\.ts --variant no-flush --seed 1/);
    expect({ ...right, stdout: '' }).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(both.code).toBe(0);
    expect(both.stdout).toMatch(/^no-flush .* as expected$/m);
  });

  it('writes one that threads can run as well', () => {
    inFolder('new', 'on-threads', '--dir', 'deep/down');
    const args = ['stress', 'deep/down/on-threads.ts', '--host', 'threads', '--runs', '80'];
    const { code, stdout } = inFolder(...args);
    expect(stdout).toMatch(/^flush .* as expected$/m);
    expect(stdout).toMatch(/^no-flush .* as expected$/m);
    expect(code).toBe(0);
  });

  it('never writes over a file', () => {
    file('taken.ts', 'mine');
    const { code, stdout, stderr } = inFolder('new', 'taken');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toBe(
      'flushlab: taken.ts: is there already: use another name, or --dir for another folder\n',
    );
    expect(readFileSync(join(folder, 'taken.ts'), 'utf8')).toBe('mine');
  });

  it.each([
    [['My Race'], /use lower-case letters, digits and single hyphens/],
    [['deep/race'], /--dir for the folder/],
    [['race', '--dir', './taken.ts'], /cannot be written \(E\w+\): choose another folder with --dir/],
  ])('refuses %j', (args, line) => {
    file('taken.ts', 'mine');
    const { code, stderr } = inFolder('new', ...args);
    expect(code).toBe(2);
    expect(stderr).toMatch(line);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });
});

describe('a scenario by its path', () => {
  // Of each class there must be one only, in the main thread as in those of the CPUs.
  const caught = scenario(`
    try { yield* cpu.load(0x4000_0000); }
    catch (error) { if (!(error instanceof SegmentationFault)) throw error; }
    if (machine.constructor !== Machine) throw new Error('two machines');
    cpu.hw.notes[8] = answer;`);
  const imports = "import { Machine } from 'flushlab'; import { answer } from './answer.ts';";

  it.each(['lockstep', 'threads'])('meets the same flushlab on %s', (host) => {
    file('answer.ts', 'export const answer: number = 42;');
    // Without the MMU nothing faults.
    const path = file(
      'same.ts',
      imports + caught.replace('try {', 'yield* cpu.setContext(0x1000, 0); try {'),
    );
    const { code, stdout, stderr } = inFolder('run', path, '--host', host, '--json');
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ scenario: 'mine', outcome: 'finished' });
  });

  it.each(['a.ts', 'b.mjs', 'c.js'])('takes %s, whatever package.json says of modules', (name) => {
    const inner = join(folder, 'commonjs');
    mkdirSync(inner, { recursive: true });
    writeFileSync(join(inner, 'package.json'), '{ "type": "commonjs" }');
    writeFileSync(join(inner, name), scenario('yield* cpu.compute(1);'));
    expect(inFolder('stress', `commonjs/${name}`, '--runs', '2')).toMatchObject({ code: 0, stderr: '' });
  });

  it.skipIf(process.platform === 'win32')('follows a link', () => {
    file('real.ts', scenario('yield* cpu.compute(1);'));
    symlinkSync('real.ts', join(folder, 'link.ts'));
    expect(inFolder('run', './link.ts', '--host', 'threads').code).toBe(0);
  });

  it('ends with 4 and the place if its program throws', () => {
    const path = file('throws.ts', scenario('yield* cpu.compute(1);\nthrow new Error("mine");'));
    const { code, stdout, stderr } = inFolder('run', path);
    expect(code).toBe(4);
    expect(stdout).toMatch(/a program threw an error/);
    expect(stderr).toMatch(/Error: mine\n.*throws\.ts:8/);
  });

  it('is one line and exit code 2 if it cannot be used', () => {
    const path = file('bad.ts', 'export default 1 +;');
    expect(inFolder('run', path, '--json')).toEqual({
      code: 2,
      stdout: '',
      stderr: 'flushlab: ./bad.ts:1:18: Unexpected ";": mend the syntax\n',
    });
    file('beside.ts', '');
    expect(inFolder('stress', 'beside').stderr).toMatch(
      /'beside': for the file beside you use \.\/beside\.ts/,
    );
  });
});

const bad: readonly [name: string, text: string, message: RegExp][] = [
  ['type.js', 'export default 1 +;', /^\.\/type\.js: SyntaxError: .*: see node --check \.\/type\.js$/],
  ['none.ts', 'export const x = 1;', /none\.ts: has no default export: end it with 'export default/],
  ['one.ts', 'export default 1;', /default export is not a scenario: make it with defineScenario/],
  [
    'throws-early.ts',
    '\nnope();',
    /throws-early\.ts:2:1: ReferenceError: nope is not defined: it must import/,
  ],
  ['lacks.ts', "import { x } from 'no-such'; export default x;", /Cannot find package 'no-such'/],
  ['misspelt.ts', "import { defin } from 'flushlab'; export default defin();", /no.* export named 'defin'/],
  ['nameless.ts', scenario('', "name: '',"), /has no name: give it one/],
  ['untitled.ts', scenario('', "title: '',"), /has no title/],
  ['nowhere.ts', scenario('', 'module: undefined,'), /write 'module: import\.meta\.url'$/],
  ['elsewhere.ts', scenario('', "module: 'file:///nope.ts',"), /cannot be imported: write 'module: import/],
  ['cpus.ts', scenario('', 'cpus: 65,'), /cpus and minCpus: use integers from 1 to 64/],
  ['variants.ts', scenario('', 'variants: [],'), /has no variants: give it at least one/],
  [
    'expect.ts',
    scenario('', "variants: [{ name: 'a', title: 'a', expect: ['stale'] }],"),
    /variant 'a': expect must be 'clean' or a list of findings: use stale-data, /,
  ],
  ['platform.ts', scenario('', "platform: 'vax',"), /no platform 'vax': use one of [a-z0-9]/],
  ['parameter.ts', scenario('', 'parameters: { n: {} },'), /parameter 'n' has no default/],
  ['startless.ts', scenario('', 'start: undefined,'), /scenario 'mine' has no start: it must be a function/],
  ['setup.ts', scenario('', 'setup() { zork(); },'), /^\.\/setup\.ts:8:\d+: setup failed in variant 'only'/],
  ['clone.ts', scenario('', 'setup: () => () => 1,'), /sending what setup returned .* could not be cloned/],
  ['programless.ts', scenario('', 'start() {},'), /start of CPU 0 failed .* it returned no program/],
];

describe('what is wrong with a scenario is one line that says it and the remedy', () => {
  // One process for all: each takes longer to start than to say what is wrong.
  const paths = [...bad.map(([name, text]) => file(name, text)), './no-such-file.ts'];
  const root = new URL('../../', import.meta.url);
  const program = `
    const { loadScenario } = await import('${new URL('src/scenarios/load-scenario.ts', root)}');
    const said = {};
    for (const path of ${JSON.stringify(paths)}) {
      await loadScenario(path, process.cwd()).catch((error) => { said[path] = error.constructor.name + ' ' + error.message; });
    }
    console.log(JSON.stringify(said));`;
  const register = new URL('scripts/register-ts.mjs', root).href;
  const args = ['--import', register, '--input-type=module', '--eval', program];
  const { stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
  const said: Record<string, string | undefined> = JSON.parse(stdout || JSON.stringify({ failed: stderr }));

  it.each([
    ...bad,
    ['no-such-file.ts', '', /there is no such file: .*'flushlab new my-race' writes one/] as const,
  ])('%s', (name, _text, message) => {
    const [kind, ...words] = (said[`./${name}`] ?? stderr).split(' ');
    expect(words.join(' ')).toMatch(message);
    expect(kind).toBe('ScenarioError');
  });
});
