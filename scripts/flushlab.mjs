#!/usr/bin/env node
import { existsSync } from 'node:fs';

// `flushlab ... | head` closes the pipe early. That is the reader's choice, not an error of ours.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
}

// The published package has no src, so its presence tells a clone from an install.
const source = new URL('../src/cli/main.ts', import.meta.url);
const built = new URL('../dist/src/cli/main.js', import.meta.url);

function canRunSource() {
  try {
    return existsSync(new URL(import.meta.resolve('tsx/esm/api')));
  } catch {
    return false;
  }
}

async function launch() {
  const inClone = existsSync(source);
  if (inClone && !canRunSource()) {
    console.error('flushlab: dependencies are not installed; run `npm start` or `npm ci` first.');
    return 2;
  }
  if (inClone) await import('./register-ts.mjs');
  const { main } = await import((inClone ? source : built).href);
  return main(process.argv.slice(2));
}

process.exitCode = await launch();
