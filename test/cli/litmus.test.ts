import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { outcomesFile, sampleFolder } from '../litmus/samples.ts';
import { flushlab } from './run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'flushlab-litmus-'));

const MP = `AArch64 MP
{ 0:X1=x; 0:X3=y; 1:X1=y; 1:X3=x; }
 P0          | P1          ;
 MOV W0,#1   | LDR W0,[X1] ;
 STR W0,[X1] | LDR W2,[X3] ;
 STR W0,[X3] |             ;
exists (1:X0=1 /\\ 1:X2=0)
`;

function written(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('flushlab litmus', () => {
  it("prints a test's final states as herd7 does", () => {
    const { code, stdout, stderr } = flushlab(['litmus', written('MP.litmus', MP)]);
    expect(stderr).toBe('');
    expect(stdout.replace(/^Time .*$/m, 'Time')).toMatch(
      new RegExp(
        [
          'Test MP Allowed',
          'States 4',
          String.raw`\d+ +:>1:X0=0; 1:X2=0;`,
          String.raw`\d+ +:>1:X0=0; 1:X2=1;`,
          String.raw`\d+ +\*>1:X0=1; 1:X2=0;`,
          String.raw`\d+ +:>1:X0=1; 1:X2=1;`,
          'Ok',
          'Witnesses',
          String.raw`Positive: \d+ Negative: \d+`,
          String.raw`Condition exists \(1:X0=1 /\\ 1:X2=0\)`,
          String.raw`Observation MP Sometimes \d+ \d+`,
          'Time',
          'Hash=[0-9a-f]{32}',
        ].join('\n'),
      ),
    );
    expect(code).toBe(0);
  });

  it('prints JSON', () => {
    const { code, stdout } = flushlab(['litmus', '--json', written('MP.litmus', MP)]);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject([
      { name: 'MP', architecture: 'AArch64', observation: 'Sometimes', holds: true, complete: true },
    ]);
  });

  it('compares a folder with a reference', () => {
    const args = ['litmus', join(sampleFolder, 'aarch64'), '--compare', outcomesFile];
    const { code, stdout } = flushlab(args);
    expect(stdout).toMatch(
      /^(\d+) tests compared, \1 with exactly the allowed states\n(\d+) of \2 allowed states/,
    );
    expect(code).toBe(0);
  });

  it('exits 1 if a state is unsound, and names it and those it did not reach', () => {
    const path = written('MP.litmus', MP);
    const states = ['1:X0=0; 1:X2=0;', '1:X0=0; 1:X2=1;', '1:X0=1; 1:X2=1;', '1:X0=7; 1:X2=7;'];
    const reference = written('wrong.jsonl', JSON.stringify({ file: 'MP.litmus', name: 'MP', states }));
    const { code, stdout } = flushlab(['litmus', path, '--compare', reference]);
    expect(stdout.split('\n').slice(0, 2)).toEqual([
      'unsound       MP  1:X0=1; 1:X2=0;',
      'unreached     MP  1:X0=7; 1:X2=7;',
    ]);
    expect(code).toBe(1);
  });

  it('exits 3 if a bound ended a search', () => {
    const { code, stdout } = flushlab(['litmus', written('MP.litmus', MP), '--max-states', '3']);
    expect(stdout).toMatch(/^Loop (Ok|No)$/m);
    expect(code).toBe(3);
  });

  it('names what it cannot read with line and column, and runs the rest', () => {
    const both = join(folder, 'both');
    mkdirSync(both);
    writeFileSync(join(both, 'a.litmus'), MP.replace('MOV W0,#1', 'MOV [Q]'));
    writeFileSync(join(both, 'b.litmus'), MP);
    const { code, stdout, stderr } = flushlab(['litmus', both]);
    expect(stderr).toMatch(
      /^flushlab: .*a\.litmus:4:2: the operand '\[Q\]' of 'MOV \[Q\]' cannot be read\n$/,
    );
    expect(stdout).toContain('Test MP Allowed');
    expect(code).toBe(2);
  });

  it.each([
    [['nowhere.litmus'], /nowhere\.litmus: no such file or folder/],
    [[join(sampleFolder, 'x86_64'), '--compare', 'nowhere.jsonl'], /nowhere\.jsonl: no such file/],
    [[join(sampleFolder, 'x86_64'), '--compare', written('bad.jsonl', '{')], /bad\.jsonl:1:1: not JSON/],
    [[mkdtempSync(join(folder, 'empty-'))], /no \.litmus file in this folder or below it/],
    [[join(sampleFolder, 'x86_64'), '--max-states', 'many'], /'many' is no limit: give a number above 0/],
  ])('refuses %s in one line', (args, message) => {
    const { code, stdout, stderr } = flushlab(['litmus', ...args]);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });
});

describe('the samples', () => {
  it('have their licence beside them', () => {
    expect(readFileSync(join(sampleFolder, 'LICENSE.CeCILL-B.txt'), 'utf8')).toMatch(/CeCILL/i);
  });
});
