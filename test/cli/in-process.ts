import { main } from '../../src/cli/main.ts';

/** What main writes and returns, without a process of its own: that takes longer to start than most commands. */
export async function inProcess(
  ...args: string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  const output = { stdout: '', stderr: '' };
  const real = { stdout: process.stdout.write, stderr: process.stderr.write };
  for (const name of ['stdout', 'stderr'] as const) {
    process[name].write = ((text: string) => {
      output[name] += text;
      return true;
    }) as typeof process.stdout.write;
  }
  try {
    return { code: await main(args), ...output };
  } finally {
    process.stdout.write = real.stdout;
    process.stderr.write = real.stderr;
  }
}
