// Runs before `npm start` and `npm test`, so that a fresh clone needs no separate install step.
// Plain JavaScript without dependencies: it has to run when nothing is installed yet.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../', import.meta.url);
const readJson = (path) => JSON.parse(readFileSync(new URL(path, root), 'utf8'));

function fail(line) {
  console.error(`flushlab: ${line}`);
  process.exit(2);
}

function checkNode() {
  const wanted = readJson('package.json').engines.node;
  const [wantMajor, wantMinor] = wanted.match(/\d+/g).map(Number);
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < wantMajor || (major === wantMajor && minor < wantMinor)) {
    fail(`needs node ${wanted}, but this is node ${process.versions.node}; install a newer node.`);
  }
}

// Compares contents, not file times: a checkout or a restored cache sets times that mean nothing.
function isInstalled() {
  let installed;
  try {
    installed = readJson('node_modules/.package-lock.json').packages;
  } catch {
    return false;
  }
  return Object.entries(readJson('package-lock.json').packages).every(([path, wanted]) => {
    if (path === '' || wanted.link) return true;
    const found = installed[path];
    // Optional packages are mostly binaries for other platforms, which npm rightly leaves out.
    if (!found) return Boolean(wanted.optional || wanted.devOptional);
    return found.version === wanted.version;
  });
}

function install() {
  // --include=dev because NODE_ENV=production would leave out the test tools, and every run
  // would then find the install incomplete and repeat it.
  const result = spawnSync('npm', ['ci', '--include=dev', '--loglevel=error'], {
    cwd: fileURLToPath(root),
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  });
  if (result.status !== 0) {
    fail('`npm ci` failed; check the network and the npm registry setting, then run `npm ci` again.');
  }
}

checkNode();
if (!isInstalled()) install();
