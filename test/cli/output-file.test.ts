import {
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../src/cli/errors.ts';
import { writeWhole } from '../../src/cli/output-file.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'flushlab-output-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('a file that is written whole', () => {
  it('is new or replaced, and nothing else is left', () => {
    const path = join(folder, 'a.txt');
    for (const text of ['one', 'two']) {
      writeWhole('--out', path, text);
      expect(readFileSync(path, 'utf8')).toBe(text);
    }
    expect(readdirSync(folder)).toEqual(['a.txt']);
    rmSync(path);
  });

  it.skipIf(process.platform === 'win32')('may be named by a link, which stays one', () => {
    const [file, link] = [join(folder, 'file'), join(folder, 'link')];
    writeFileSync(file, 'old');
    symlinkSync(file, link);
    writeWhole('--out', link, 'new');
    expect(readFileSync(file, 'utf8')).toBe('new');
    expect(lstatSync(link).isSymbolicLink()).toBe(true);
  });

  it.skipIf(process.platform !== 'linux')('is a mistake that is said if it cannot be', () => {
    expect(() => writeWhole('--out', '/dev/full', 'text')).toThrow(UsageError);
    expect(() => writeWhole('--out', '/dev/full', 'text')).toThrow(
      /--out \/dev\/full: cannot be written \(ENOSPC\)/,
    );
  });
});
