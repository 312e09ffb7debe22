/** Files that a command is told to write, looked at before anything long runs. */
import { accessSync, constants, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { UsageError } from './errors.ts';

/**
 * @param option that names it, for the message
 * @param input a file that the command reads, which must not be written over
 * @throws UsageError if the file could not be written
 */
export function checkWritable(option: string, path: string, input?: string): void {
  if (path === '') throw new UsageError(`${option}: it has no name: name a file in a folder that exists`);
  attempt(option, path, () => {
    const there = statSync(path, { throwIfNoEntry: false });
    if (there?.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
    accessSync(there ? path : dirname(path), constants.W_OK);
    const read = input === undefined ? undefined : statSync(input, { throwIfNoEntry: false });
    if (there?.isFile() && there.dev === read?.dev && there.ino === read.ino) {
      throw new UsageError(`${option} ${path}: is the file that is read: name another one`);
    }
  });
}

/** @throws UsageError */
export function writeLine(option: string, path: string, text: string): void {
  attempt(option, path, () => writeFileSync(path, `${text}\n`));
}

/**
 * Writes a file so that at any moment there is the old one or the new one, whole: aside first, then in its place.
 * Where that cannot be, on a device such as /dev/stdout or in a folder that takes no new file, it is just written.
 * @throws UsageError
 */
export function writeWhole(option: string, path: string, text: string): void {
  attempt(option, path, () => {
    const there = statSync(path, { throwIfNoEntry: false });
    // A link stays one.
    const target = there ? realpathSync(path) : path;
    if (there?.isFile() === false || !isWritable(dirname(target))) {
      writeFileSync(target, text);
      return;
    }
    const aside = `${target}.${process.pid}.tmp`;
    try {
      writeFileSync(aside, text);
      renameSync(aside, target);
    } catch (error) {
      rmSync(aside, { force: true });
      throw error;
    }
  });
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Does what needs the file. @throws UsageError that says why it cannot be written */
export function attempt<T>(option: string, path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new UsageError(`${option} ${path}: cannot be written (${code}): ${remedyFor(code)}`);
  }
}

function remedyFor(code: string): string {
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'make room, or name a file elsewhere';
  if (/^E(ACCES|PERM|ROFS)$/.test(code)) return 'name a file that you may write';
  return 'name a file in a folder that exists';
}
