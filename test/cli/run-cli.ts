import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const launcher = fileURLToPath(new URL('../../scripts/flushlab.mjs', import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line as a user's shell does. @param cwd folder it is started in; default: that of the tests */
export function flushlab(args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd?: string): Finished {
  const { status, stdout, stderr } = spawnSync(process.execPath, [launcher, ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
    ...(cwd !== undefined && { cwd }),
    timeout: 50_000,
  });
  return { code: status, stdout, stderr };
}

/** Starts it, and resolves when the process is gone. */
export function started(args: readonly string[]) {
  const child = spawn(process.execPath, [launcher, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.stderr += text;
  });
  const finished = new Promise<Finished>((resolve) => {
    child.once('close', (code) => resolve({ code, ...output }));
  });
  return { child, finished };
}

/** Starts it and sends Ctrl-C some time after its first output; resolves when the process is gone. */
export function interrupted(args: readonly string[], afterMs: number): Promise<Finished> {
  const { child, finished } = started(args);
  child.stdout.once('data', () => setTimeout(() => child.kill('SIGINT'), afterMs).unref());
  return finished;
}

/** Starts it, reads one piece of its output and hangs up, as `head` does. */
export function hungUp(args: readonly string[]): Promise<{ code: number | null; stderr: string }> {
  const child = spawn(process.execPath, [launcher, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdout.once('data', () => child.stdout.destroy());
  return new Promise((resolve) => {
    child.once('close', (code) => resolve({ code, stderr }));
  });
}
