#!/usr/bin/env node
/**
 * Records the memory trace of any command, gzipped, for `flushlab trace run`:
 *
 *   node scripts/record-trace.mjs trace.lackey.gz ls -l /usr/lib
 *
 * Uses valgrind's lackey tool. Where there is none it says how to install it; on Debian and its kin
 * `--download` fetches the package with apt-get instead and unpacks it beside the trace, without being root.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createWriteStream, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { createGzip } from 'node:zlib';

const usage = 'use: node scripts/record-trace.mjs [--download] OUTPUT.lackey.gz COMMAND [ARGUMENT...]';
const args = process.argv.slice(2);
const downloads = args[0] === '--download';
if (downloads) args.shift();
const [output, command, ...rest] = args;

/** @returns {never} */
function fail(message) {
  process.stderr.write(`record-trace: ${message}\n`);
  process.exit(2);
}

if (output === undefined || command === undefined || output.startsWith('-')) fail(usage);

/** What to start as valgrind, and with which environment. */
function findValgrind() {
  if (spawnSync('valgrind', ['--version']).status === 0) return { program: 'valgrind', env: process.env };
  if (!downloads) {
    fail(
      'no valgrind here: install it (apt-get install valgrind), or add --download to unpack the Debian package',
    );
  }
  const folder = resolve(dirname(output), '.valgrind');
  const program = join(folder, 'usr/bin/valgrind');
  if (!existsSync(program)) unpack(folder);
  const lib = ['usr/libexec/valgrind', 'usr/lib/x86_64-linux-gnu/valgrind', 'usr/lib/valgrind']
    .map((path) => join(folder, path))
    .find((path) => existsSync(path));
  if (lib === undefined)
    fail(`${folder}: the package has no valgrind tools: remove the folder and try again`);
  return { program, env: { ...process.env, VALGRIND_LIB: lib } };
}

function unpack(folder) {
  mkdirSync(folder, { recursive: true });
  const got = spawnSync('apt-get', ['download', 'valgrind'], { cwd: folder, encoding: 'utf8' });
  if (got.status !== 0) {
    fail(
      `apt-get download valgrind failed (${(got.stderr ?? '').trim().split('\n')[0]}): install valgrind by hand`,
    );
  }
  const file = readdirSync(folder).find((name) => name.endsWith('.deb'));
  if (file === undefined || spawnSync('dpkg-deb', ['-x', file, '.'], { cwd: folder }).status !== 0) {
    fail(`${folder}: dpkg-deb cannot unpack the package: install valgrind by hand`);
  }
}

const { program, env } = findValgrind();
const child = spawn(program, ['--tool=lackey', '--trace-mem=yes', '--log-fd=9', command, ...rest], {
  stdio: [
    'inherit',
    'inherit',
    'inherit',
    'ignore',
    'ignore',
    'ignore',
    'ignore',
    'ignore',
    'ignore',
    'pipe',
  ],
  env,
});
child.on('error', (error) => fail(`${program}: ${error.message}`));

const gzip = createGzip({ level: 6 });
const file = createWriteStream(output);
file.on('error', (error) => fail(`${output}: ${error.message}: name a file in a folder that can be written`));
gzip.pipe(file);

const RECORD = /^(I {2}| [LSM] )[0-9a-f]+,\d+$/;
let records = 0;
for await (const line of createInterface({ input: child.stdio[9], crlfDelay: Number.POSITIVE_INFINITY })) {
  // What valgrind says about itself is no part of the trace.
  if (!RECORD.test(line)) continue;
  records++;
  if (!gzip.write(`${line}\n`)) await new Promise((done) => gzip.once('drain', done));
}
await new Promise((done) => {
  file.on('close', done);
  gzip.end();
});
const code = child.exitCode ?? (await new Promise((done) => child.once('exit', done)));
if (records === 0) fail(`${command}: valgrind recorded nothing (exit code ${code}): can it run the command?`);
process.stderr.write(`${output}: ${records} records, the command ended with exit code ${code}\n`);
