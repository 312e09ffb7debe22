import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));

// tsc never deletes, and a module that was renamed since the last build must not be published.
rmSync(new URL('../dist', import.meta.url), { recursive: true, force: true });

const typescript = new URL(import.meta.resolve('typescript/package.json'));
const tsc = new URL(JSON.parse(readFileSync(typescript, 'utf8')).bin.tsc, typescript);
const args = [fileURLToPath(tsc), '--project', 'scripts/tsconfig.build.json'];
// npm reserves stdout for results (`npm pack --json`), so tsc's messages go to stderr.
const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: ['ignore', 2, 2] });
process.exitCode = status ?? 1;
