import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeToken, encodeToken, type Replay } from '../../src/explore/token.ts';
import { inProcess } from './in-process.ts';
import { flushlab } from './run-cli.ts';

const TINY = './test/support/tiny-race.ts';
const folder = mkdtempSync(join(tmpdir(), 'flushlab-replay-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const explore = (variant: string, ...more: string[]) =>
  inProcess('explore', TINY, '--variant', variant, '--runs', '50', '--seed', '1', '--workers', '1', ...more);

/** What an exploration of each variant says, made when it is first asked for. */
const explored = new Map<string, ReturnType<typeof explore>>();
function foundIn(variant: string): ReturnType<typeof explore> {
  const found = explored.get(variant) ?? explore(variant, '--max-steps', '100');
  explored.set(variant, found);
  return found;
}

/** What is said of the run itself, from the finding to the line to paste. */
const told = (stdout: string) =>
  /^(?:stale-translation|deadlock):[\s\S]*?(?=\n {2}schedule )/m.exec(stdout)?.[0];
const tableIn = (stdout: string) =>
  /^steps [\s\S]*?(?=\n {2}replay |$(?![\s\S]))/m.exec(stdout)?.[0].trimEnd();
const tokenIn = (stdout: string) => /^ {2}replay {3}flushlab replay (f1[\w-]+)$/m.exec(stdout)?.[1] ?? '';

let token = '';
let head: Replay;
let found = '';
beforeAll(async () => {
  found = (await foundIn('buggy')).stdout;
  token = tokenIn(found);
  head = decodeToken(token);
});

describe('replay', () => {
  it('of a pasted token gives the same finding and the same table', async () => {
    const { code, stdout, stderr } = await inProcess('replay', token);
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    expect(stdout).toMatch(/^tiny-race, variant buggy: drops nothing\n {2}token +made by flushlab \d/);
    expect(told(stdout)).toMatch(/^stale-translation: CPU 1/);
    expect(told(stdout)).toBe(told(found));
    expect(tableIn(stdout)).toBe(tableIn(found));
    const { stdout: json } = await inProcess('replay', token, '--json');
    expect(JSON.parse(json)).toMatchObject({ command: 'replay', signature: head.signature, token });
  });

  it.each([
    ['stuck', 'deadlock', 1],
    ['endless', 'step-limit', 3],
    ['throws', 'error Error: made to fail', 4],
  ])('knows the other ways to fail: %s', async (variant, signature, exit) => {
    const first = await foundIn(variant);
    expect(first.code).toBe(exit);
    expect(first.stdout).toMatch(new RegExp(`^ {2}found +${signature} in \\d+`, 'm'));
    const word = tokenIn(first.stdout);
    expect(decodeToken(word)).toMatchObject({ signature, maxSteps: 100 });
    const again = await inProcess('replay', word);
    expect({ code: again.code, stderr: again.stderr }).toEqual({ code: exit, stderr: '' });
    expect(told(again.stdout)).toBe(told(first.stdout));
    expect(JSON.parse((await inProcess('replay', word, '--json')).stdout).signature).toBe(signature);
  });

  it('shows of a program that throws where it did', async () => {
    const { stdout } = await foundIn('throws');
    expect(stdout).toMatch(/\nError: made to fail\n {4}at use \(.*tiny-race\.ts:\d+:\d+\)\n\n {2}schedule /);
  });

  it('says so if the scenario has changed', async () => {
    const mended = encodeToken({ ...head, variant: 'fixed' });
    const { code, stderr } = await inProcess('replay', mended);
    expect(code).not.toBe(1);
    expect(stderr).toMatch(
      /^flushlab: the token says 'finding stale-translation', the run ended with '[\w-]+' after .*: the scenario has changed since\n$/,
    );
  });

  it('takes a token of another version only by force', async () => {
    const old = encodeToken({ ...head, version: '0.0.1' });
    const { code, stdout, stderr } = await inProcess('replay', old);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(
      /^flushlab: the token was made by flushlab 0\.0\.1, this is \S+: its steps may not be the same; --force tries it all the same\n$/,
    );
    expect((await inProcess('replay', old, '--force')).code).toBe(1);
  });
});

describe('--save and shrink', () => {
  it('a file stands for the token in it', async () => {
    const path = join(folder, 'long.token');
    expect((await explore('buggy', '--no-shrink', '--save', path)).code).toBe(1);
    const long = readFileSync(path, 'utf8').trim();
    const [pasted, read] = [await inProcess('replay', long), await inProcess('replay', path)];
    expect(read).toEqual(pasted);
    expect(read.code).toBe(1);
    const small = join(folder, 'small.token');
    const shrunk = await inProcess('shrink', path, '--save', small);
    expect({ code: shrunk.code, stderr: shrunk.stderr }).toEqual({ code: 1, stderr: '' });
    expect(shrunk.stdout).toMatch(
      /^ {2}schedule 9 steps with 0 preemptions and 0 delays .* none has fewer$/m,
    );
    const word = readFileSync(small, 'utf8').trim();
    expect(tokenIn(shrunk.stdout)).toBe(word);
    expect(decodeToken(word).choices.length).toBeLessThanOrEqual(decodeToken(long).choices.length);
    expect(told((await inProcess('replay', small)).stdout)).toBe(told(shrunk.stdout));
  });

  it('what was recorded on threads is one, too', async () => {
    const path = join(folder, 'recorded.token');
    const stress = ['stress', TINY, '--variant', 'buggy', '--host', 'threads', '--runs', '40'];
    const { code, stdout, stderr } = flushlab([...stress, '--record', path]);
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    expect(stdout).toMatch(/^ {2}recorded stale-translation with seed \d+: \d+ steps on threads, replayed/m);
    expect(stdout.endsWith(`\n           flushlab shrink ${path}\n`)).toBe(true);
    const again = await inProcess('replay', path);
    expect({ code: again.code, stderr: again.stderr }).toEqual({ code: 1, stderr: '' });
    expect(told(again.stdout)).toMatch(/^stale-translation: CPU 1/);
    const shrunk = await inProcess('shrink', path);
    expect({ code: shrunk.code, stderr: shrunk.stderr }).toEqual({ code: 1, stderr: '' });
    expect((await inProcess('replay', tokenIn(shrunk.stdout))).code).toBe(1);
  });

  it.each(['endless', 'throws'])('only a violation can be made smaller, not %s', async (variant) => {
    const word = tokenIn((await foundIn(variant)).stdout);
    const { code, stdout, stderr } = await inProcess('shrink', word);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/^flushlab: the schedule ends with '.*': only one that shows a violation .*\n$/);
  });
});

describe('a token that is none is one line that says so, and exit code 2', () => {
  const damaged = (word: string) => {
    const at = word.length >> 1;
    return word.slice(0, at) + (word[at] === 'A' ? 'B' : 'A') + word.slice(at + 1);
  };
  const mistakes: readonly [what: string, word: () => string, line: RegExp][] = [
    ['nonsense', () => 'frob', /'frob' is no replay token: it begins with f1$/],
    ['nothing', () => '', /'' is no replay token: it begins with f1$/],
    [
      'another format',
      () => `f2${token.slice(2)}`,
      /the replay token has format f2, this flushlab reads f1$/,
    ],
    ['half of one', () => token.slice(0, token.length >> 1), /is damaged or incomplete: copy all of it$/],
    ['a wrong letter', () => damaged(token), /'f1\S{22}\.\.\.' is damaged or incomplete: copy all of it$/],
    ['no file', () => join(folder, 'no.token'), /no\.token: there is no such file: name one that --save or/],
    ['a folder', () => folder, /: cannot be read \(EISDIR\): name one that --save or --record has written/],
    ['another file', () => './package.json', /^\.\/package\.json: '.*' is no replay token/],
    [
      'of a scenario that has gone',
      () => encodeToken({ ...head, scenario: './gone.ts' }),
      /^\.\/gone\.ts: there is no such file/,
    ],
    [
      'of a variant that has gone',
      () => encodeToken({ ...head, variant: 'gone' }),
      /no variant 'gone': use one of fixed, buggy/,
    ],
    [
      'of a parameter that has gone',
      () => encodeToken({ ...head, parameters: { gone: 1 } }),
      /no parameter 'gone': use one of stores/,
    ],
    [
      'of a platform that has gone',
      () => encodeToken({ ...head, platform: 'vax' }),
      /no platform 'vax': use one of/,
    ],
  ];
  it.each(mistakes)('%s', async (_, word, line) => {
    for (const command of ['replay', 'shrink']) {
      const { code, stdout, stderr } = await inProcess(command, word());
      expect(stderr).toMatch(/^flushlab: .*\n$/);
      expect(stderr.slice('flushlab: '.length).trimEnd()).toMatch(line);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    }
  });

  it('whichever letter is wrong', () => {
    for (let at = 2; at < token.length - 1; at++) {
      const word = token.slice(0, at) + (token[at] === 'x' ? 'y' : 'x') + token.slice(at + 1);
      expect(() => decodeToken(word)).toThrow(/damaged/);
    }
  });

  it('an empty file is none', async () => {
    const path = join(folder, 'empty.token');
    writeFileSync(path, '');
    const { code, stderr } = await inProcess('replay', path);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: expect.stringMatching(/empty\.token: '' is no replay/),
    });
  });
});
