// Installs the package as a user would get it. Only this finds a file missing from `files`, a
// dependency listed as a development one, or a path that is right in a clone but not in dist.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
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
  if (!/stale-translation|freed-frame/.test(result.stdout)) {
    throw new Error(`${result.label}: the missing flush was not found\n${result.stdout}`);
  }
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
} catch (error) {
  console.error(`pack-smoke: failed: ${error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(temp, { recursive: true, force: true });
}
