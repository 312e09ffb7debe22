// Installs the package as a user would get it. Only this finds a file missing from `files`, a
// dependency listed as a development one, or a path that is right in a clone but not in dist.
import { spawnSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));

// Under `npm run` the environment points npm at this repository; the user's folder must be its own.
const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^npm_(package|lifecycle|config_local)_/i.test(name)),
);

function run(cwd, command, args) {
  const shell = process.platform === 'win32';
  const result = spawnSync(command, args, { cwd, env, shell, encoding: 'utf8', timeout: 300_000 });
  return { ...result, label: [command, ...args].join(' ') };
}

function expectExit(result, status) {
  if (result.status === status) return;
  const how = result.error?.message ?? `exit code ${result.status ?? result.signal}`;
  throw new Error(`${result.label}: ${how}, expected ${status}\n${result.stdout}${result.stderr}`);
}

function pack(folder) {
  // prepack builds first.
  expectExit(run(root, 'npm', ['pack', '--pack-destination', folder]), 0);
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'));
  if (!tarball) throw new Error('npm pack left no tarball');
  return join(folder, tarball);
}

function install(folder, tarball) {
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  expectExit(run(folder, 'npm', ['install', '--no-audit', '--no-fund', tarball]), 0);
}

function list(folder) {
  const result = run(folder, 'npx', ['--no-install', 'flushlab', 'list']);
  expectExit(result, 0);
  if (!result.stdout.includes('tlb-shootdown')) {
    throw new Error(`${result.label}: tlb-shootdown is not listed\n${result.stdout}`);
  }
}

function runBroken(folder) {
  const scenario = ['tlb-shootdown', '--variant', 'none', '--host', 'threads', '--cpus', '2'];
  const result = run(folder, 'npx', ['--no-install', 'flushlab', 'run', ...scenario]);
  expectExit(result, 1);
  if (!/stale-translation|freed-frame|walker-old-entry/.test(result.stdout)) {
    throw new Error(`${result.label}: the missing flush was not found\n${result.stdout}`);
  }
}

function flushlab(folder, status, ...args) {
  const result = run(folder, 'npx', ['--no-install', 'flushlab', ...args]);
  expectExit(result, status);
  return result.stdout;
}

// The race that a user starts from: written by the package, in TypeScript, importing 'flushlab'.
function runOwnRace(folder) {
  flushlab(folder, 0, 'new', 'my-race');
  flushlab(folder, 1, 'run', './my-race.ts', '--variant', 'no-flush', '--seed', '1');
  flushlab(folder, 0, 'run', './my-race.ts', '--variant', 'flush', '--host', 'threads');
  // Exit code 0 says that the wrong variant was found and the right one was clean.
  flushlab(folder, 0, 'stress', './my-race.ts', '--seed', '1', '--runs', '5');
  flushlab(folder, 0, 'stress', './my-race.ts', '--seed', '1', '--runs', '80', '--host', 'threads');
}

// A second copy of the library beside the command's own would have classes of its own.
function runSameInstances(folder) {
  const text = `import { defineScenario, Machine } from 'flushlab';
export default defineScenario({
  name: 'same', title: 'same', source: '', module: import.meta.url, cpus: 2, platform: 'x86-64',
  variants: [{ name: 'only', title: 'only', expect: 'clean' }],
  setup: () => ({}),
  *start({ cpu, machine }: { cpu: import('flushlab').Cpu; machine: object }) {
    if (!(machine instanceof Machine)) throw new Error('two copies of flushlab');
    yield* cpu.compute(1);
  },
});
`;
  writeFileSync(join(folder, 'same.ts'), text);
  for (const host of ['lockstep', 'threads']) flushlab(folder, 0, 'run', './same.ts', '--host', host);
  flushlab(folder, 0, 'stress', './same.ts', '--runs', '3');
}

// Exploration and litmus tests start threads of their own, from files of their own.
function exploreAndReplay(folder) {
  flushlab(
    folder,
    1,
    'explore',
    './my-race.ts',
    '--variant',
    'no-flush',
    '--runs',
    '300',
    '--save',
    'token.f1',
  );
  flushlab(folder, 1, 'replay', 'token.f1');
  const text = `AArch64 SB
{ 0:X1=x; 0:X3=y; 1:X1=y; 1:X3=x; }
 P0          | P1          ;
 MOV W0,#1   | MOV W0,#1   ;
 STR W0,[X1] | STR W0,[X1] ;
 LDR W2,[X3] | LDR W2,[X3] ;
exists (0:X2=0 /\\ 1:X2=0)
`;
  writeFileSync(join(folder, 'sb.litmus'), text);
  const states = flushlab(folder, 0, 'litmus', 'sb.litmus');
  if (!states.includes('States 4')) throw new Error(`litmus: not all states\n${states}`);
  flushlab(folder, 0, 'litmus', 'sb.litmus', '--host', 'threads', '--runs', '20');
}

// Its threads load a file of their own, and BullMQ is there although nothing of this needs it.
function campaign(folder) {
  const stress = {
    kind: 'stress',
    scenarios: ['tlb-shootdown', './my-race.ts'],
    seeds: [{ from: 1, to: 5 }],
  };
  writeFileSync(join(folder, 'campaign.json'), JSON.stringify({ name: 'smoke', entries: [stress] }));
  flushlab(folder, 0, 'campaign', 'run', 'campaign.json');
  const lines = readFileSync(join(folder, 'campaign.ndjson'), 'utf8');
  flushlab(folder, 0, 'campaign', 'run', 'campaign.json');
  if (readFileSync(join(folder, 'campaign.ndjson'), 'utf8') !== lines) throw new Error('campaign: run again');
  flushlab(folder, 0, 'campaign', 'report', 'campaign.ndjson', '--junit', 'junit.xml');
  flushlab(folder, 2, 'campaign', 'work', '--queue', 'redis://127.0.0.1:1');
}

// The user's vitest, here this project's, and the matchers for it.
function matchers(folder) {
  symlinkSync(join(root, 'node_modules/vitest'), join(folder, 'node_modules/vitest'), 'junction');
  const text = `import { expect, test } from 'vitest';
import 'flushlab/vitest';
import myRace from './my-race.ts';
test('the flush is enough', async () => {
  await expect(myRace).toStayCoherent({ runs: 200 });
  await expect(myRace).toExhibit('stale-translation', { runs: 200 });
  await expect(expect(myRace).toStayCoherent({ variant: 'no-flush', runs: 200 })).rejects.toThrow(/flushlab replay f1/);
});
`;
  writeFileSync(join(folder, 'race.test.ts'), text);
  expectExit(run(folder, process.execPath, ['node_modules/vitest/vitest.mjs', 'run', 'race.test.ts']), 0);
}

// What an editor would say about the user's race: the declarations are published as well.
function checkTypes(folder) {
  const options = { module: 'nodenext', target: 'es2022', strict: true, noEmit: true, skipLibCheck: true };
  const compilerOptions = {
    ...options,
    lib: ['es2023'],
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')],
  };
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module' }));
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['my-race.ts'] }));
  const typescript = new URL(import.meta.resolve('typescript/package.json'));
  const { bin } = JSON.parse(readFileSync(typescript, 'utf8'));
  expectExit(run(folder, process.execPath, [fileURLToPath(new URL(bin.tsc, typescript))]), 0);
}

const temp = mkdtempSync(join(tmpdir(), 'flushlab-pack-'));
function step(name, action) {
  const start = performance.now();
  const value = action();
  console.log(`pack-smoke: ${name}: ok (${((performance.now() - start) / 1000).toFixed(1)} s)`);
  return value;
}

try {
  const packed = join(temp, 'packed');
  const user = join(temp, 'user');
  mkdirSync(packed);
  mkdirSync(user);
  const tarball = step('build and pack', () => pack(packed));
  step('install the tarball', () => install(user, tarball));
  step('flushlab list', () => list(user));
  step('flushlab run finds the missing shootdown', () => runBroken(user));
  step("a user's own race, on both hosts", () => runOwnRace(user));
  step('it meets the flushlab that runs it', () => runSameInstances(user));
  step('explore, replay and litmus', () => exploreAndReplay(user));
  step('a campaign', () => campaign(user));
  step('matchers for vitest', () => matchers(user));
  step('its types', () => checkTypes(user));
} catch (error) {
  console.error(`pack-smoke: failed: ${error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(temp, { recursive: true, force: true });
}
