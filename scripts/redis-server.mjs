#!/usr/bin/env node
/**
 * A real redis-server for the tests of campaigns that go through a queue, and nothing else. As a command it sees to it
 * that there is one, and says how to get it if it cannot:
 *
 *   node scripts/redis-server.mjs
 *
 * On Debian and its kin: installed with apt-get by root; without being root its packages are unpacked under
 * node_modules/.cache. Plain JavaScript without dependencies, as setup.mjs.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { createServer, Socket } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const cache = fileURLToPath(new URL('../node_modules/.cache/redis-server/', import.meta.url));

/** What Debian's redis-server needs beside the C library, by release; those that a release has not are left out. */
const PACKAGES = [
  ...['redis-server', 'redis-tools', 'liblzf1', 'libjemalloc2', 'libhiredis0.14', 'libhiredis1.1.0'],
  ...['liblua5.1-0', 'lua-bitop', 'lua-cjson', 'libatomic1', 'libsystemd0', 'libssl3', 'libssl3t64'],
];

let known;

/** @returns what to start and with which environment; undefined if there is no redis-server that runs */
export function findRedisServer() {
  known ??= works('redis-server', process.env) ?? unpacked();
  return known;
}

function works(program, env) {
  // By its name it knows what it is to do: the one program that Debian has for all would check a database.
  const { status } = spawnSync(program, ['--version'], { env, stdio: 'ignore', argv0: 'redis-server' });
  return status === 0 ? { program, env } : undefined;
}

function unpacked() {
  // The package's redis-server is a name of the program that checks databases as well.
  const program = ['usr/bin/redis-server', 'usr/bin/redis-check-rdb']
    .map((path) => join(cache, path))
    .find((path) => existsSync(path));
  if (program === undefined) return undefined;
  const lib = join(cache, 'usr/lib');
  const folders = readdirSync(lib, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const path = [...folders.map(({ name }) => join(lib, name)), lib, process.env.LD_LIBRARY_PATH ?? ''];
  return works(program, { ...process.env, LD_LIBRARY_PATH: path.join(':') });
}

/** @returns why it could not be installed; undefined if it has been */
function install() {
  if (process.platform !== 'linux') return 'this is no Linux';
  if (process.getuid?.() === 0) {
    const wanted = ['install', '-y', '--no-install-recommends', 'redis-server'];
    // A fresh system has no list of packages.
    const why = aptGet(wanted) && (aptGet(['update']) ?? aptGet(wanted));
    if (works('redis-server', process.env)) return undefined;
    return why ?? 'the package has no redis-server that runs';
  }
  rmSync(cache, { recursive: true, force: true });
  mkdirSync(cache, { recursive: true });
  let why;
  for (const name of PACKAGES) why = aptGet(['download', name], cache) ?? why;
  const files = readdirSync(cache).filter((file) => file.endsWith('.deb'));
  if (files.length === 0) return why ?? 'nothing could be downloaded';
  for (const file of files) {
    if (spawnSync('dpkg-deb', ['-x', file, '.'], { cwd: cache }).status !== 0)
      return `dpkg-deb cannot unpack ${file}`;
  }
  return unpacked() ? undefined : 'the unpacked redis-server does not run';
}

/** @returns undefined, or what went wrong in a line */
function aptGet(args, cwd) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const { status, stderr, error } = spawnSync('apt-get', ['-q', ...args], { cwd, env, encoding: 'utf8' });
  if (status === 0) return undefined;
  const line = (stderr ?? '').split('\n').find((each) => each.startsWith('E:'));
  return `apt-get ${args.join(' ')}: ${line ?? error?.message ?? `exit code ${status}`}`;
}

/**
 * Starts a server on loopback, on a port of its own.
 * @param folder for its files
 * @param options appendOnly: everything is on the disk before it is answered for; port: one to use again
 * @returns the port, the process, and how to end it
 */
export async function startRedisServer(folder, { appendOnly = false, port: fixed } = {}) {
  const found = findRedisServer();
  if (!found) throw new Error('there is no redis-server: see node scripts/redis-server.mjs');
  for (let tries = 0; ; tries++) {
    const port = fixed ?? (await freePort());
    const started = await startOn(port, folder, appendOnly, found);
    if (started) return { ...started, port, url: `redis://127.0.0.1:${port}` };
    // Somebody else may have taken the port in between; one that is to be used again may take a moment.
    if (tries === 20) throw new Error('redis-server does not start');
    await sleep(100);
  }
}

async function startOn(port, folder, appendOnly, { program, env }) {
  const args = ['--port', port, '--bind', '127.0.0.1', '--dir', folder, '--save', ''];
  args.push('--appendonly', appendOnly ? 'yes' : 'no', '--appendfsync', 'always', '--daemonize', 'no');
  const child = spawn(program, args.map(String), { env, stdio: 'ignore', argv0: 'redis-server' });
  // Whoever is ended in the middle leaves nothing behind.
  const orphaned = () => child.kill('SIGKILL');
  process.once('exit', orphaned);
  const gone = new Promise((resolve) => {
    child.once('exit', resolve);
    child.once('error', resolve);
  }).then(() => process.off('exit', orphaned));
  const kill = async (signal = 'SIGKILL') => {
    child.kill(signal);
    await gone;
  };
  for (let waited = 0; waited < 200 && child.exitCode === null; waited++) {
    if ((await ping(port)) && child.exitCode === null) return { child, kill };
    await sleep(50);
  }
  await kill();
  return undefined;
}

/** Whether a server on the port is ready to work. */
function ping(port) {
  return new Promise((resolve) => {
    const socket = new Socket();
    const end = (answer) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1000, () => end(false));
    socket.once('error', () => end(false));
    socket.once('data', (data) => end(data.toString().startsWith('+PONG')));
    socket.connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
  });
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url) && !findRedisServer()) {
  const why = install();
  if (why !== undefined) {
    const how = 'install it (apt-get install redis-server, or brew install redis)';
    console.error(`flushlab: no redis-server for the tests of campaign --queue (${why}): ${how}`);
    // Elsewhere those tests are left out; where nobody looks at what is left out, that is a failure.
    if (process.env.CI) process.exitCode = 1;
  }
}
