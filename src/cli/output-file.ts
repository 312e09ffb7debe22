/** Files that a command is told to write, looked at before anything long runs. */
import { accessSync, constants, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { UsageError } from './errors.ts';

/** @throws UsageError if the file could not be written. @param option that names it, for the message */
export function checkWritable(option: string, path: string): void {
  if (path === '') throw new UsageError(`${option}: it has no name: name a file in a folder that exists`);
  attempt(option, path, () => {
    const there = statSync(path, { throwIfNoEntry: false });
    if (there?.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
    accessSync(there ? path : dirname(path), constants.W_OK);
  });
}

/** @throws UsageError */
export function writeLine(option: string, path: string, text: string): void {
  attempt(option, path, () => writeFileSync(path, `${text}\n`));
}

/** Does what needs the file. @throws UsageError that says why it cannot be written */
export function attempt<T>(option: string, path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new UsageError(
      `${option} ${path}: cannot be written (${code}): name a file in a folder that exists`,
    );
  }
}
