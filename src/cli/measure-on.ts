/** Measuring on a pool of threads, with progress on stderr and Ctrl-C. */
import { Interrupt } from './interrupt.ts';
import { Progress } from './terminal.ts';

/**
 * Ctrl-C ends it; what has been told until then counts.
 * @param pool closed in the end
 * @param run measures; calls `tell` after each piece with what to show, and stops when that returns false
 * @param stop what Ctrl-C ends besides the pool
 * @returns undefined as the result if it was interrupted in the middle of it
 */
export async function measureOn<T>(
  pool: { close(): Promise<void> },
  quiet: boolean,
  run: (tell: (text: string) => boolean) => Promise<T>,
  stop: () => Promise<void> = async () => {},
): Promise<{ result: T | undefined; interrupted: boolean }> {
  const progress = new Progress(quiet);
  const interrupt = new Interrupt(async () => {
    await Promise.all([pool.close(), stop()]);
  });
  let result: T | undefined;
  try {
    result = await run((text) => {
      progress.show(text);
      return !interrupt.interrupted;
    });
  } catch (error) {
    // Ending the threads makes what runs on them fail.
    if (!interrupt.interrupted) throw error;
  } finally {
    interrupt.dispose();
    progress.clear();
    await pool.close();
  }
  return { result, interrupted: interrupt.interrupted };
}
