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

const FLUSHED = `AArch64 MP+shootdown
{ [x]=1; [y]=2; 0:X0=(oa:PA(y)); 0:X1=PTE(x); 0:X2=x; 0:X5=z; 1:X2=x; 1:X5=z; }
 P0              | P1          ;
 STR X0,[X1]     | LDR W6,[X5] ;
 DSB ISH         | DSB ISH     ;
 LSR X9,X2,#12   | ISB         ;
 TLBI VAAE1IS,X9 | LDR W3,[X2] ;
 MOV W7,#1       |             ;
 STR W7,[X5]     |             ;
exists (1:X6=1 /\\ 1:X3=1)
`;

describe('--witness', () => {
  it('shows how a state comes about', () => {
    const { code, stdout } = flushlab([
      'litmus',
      written('flushed', FLUSHED),
      '--witness',
      '1:X3=1; 1:X6=1;',
    ]);
    expect(stdout).toMatch(/^Witness MP\+shootdown 1:X3=1; 1:X6=1;: \d+ steps$/m);
    expect(stdout).toMatch(/P1 +LDR W3,\[X2\] +translates x by \(oa:PA\(x\).*\) from its TLB$/m);
    expect(code).toBe(0);
    expect(flushlab(['litmus', written('flushed', FLUSHED), '--witness', 'condition']).code).toBe(0);
  });

  it('says so if there is none', () => {
    const dsb = FLUSHED.replace(' MOV W7', ' DSB ISH         |             ;\n MOV W7');
    const { code, stdout } = flushlab(['litmus', written('flushed', dsb), '--witness', 'condition']);
    expect(stdout).toBe('Witness MP+shootdown condition: none\n\n');
    expect(code).toBe(1);
  });

  it('goes with no other way to run a test', () => {
    const { code, stderr } = flushlab(['litmus', written('flushed', FLUSHED), '--witness', 'x', '--json']);
    expect(stderr).toBe('flushlab: --witness and --json do not go together: leave one out\n');
    expect(code).toBe(2);
  });
});

describe('--host', () => {
  const stress = (host: string, ...more: string[]) =>
    flushlab(['litmus', written('flushed', FLUSHED), '--host', host, '--runs', '40', '--seed', '3', ...more]);

  it('counts how runs on the machine ended', () => {
    for (const host of ['lockstep', 'threads']) {
      const { code, stdout } = stress(host);
      expect(stdout).toMatch(/^Seed 3\nTest MP\+shootdown Allowed\nHistogram \(\d states\)\n/);
      expect(stdout).toMatch(/^Positive: \d+ Negative: \d+$/m);
      expect(code).toBe(0);
    }
    expect(stress('lockstep', '--json').stdout).toBe(stress('lockstep', '--json').stdout);
    expect(JSON.parse(stress('lockstep', '--json').stdout)[0]).toMatchObject({ seed: 3, runs: 40 });
  });

  it('refuses what there is not', () => {
    const { code, stderr } = stress('gem5');
    expect(stderr).toBe("flushlab: there is no host 'gem5': use one of threads, lockstep\n");
    expect(code).toBe(2);
  });
});

describe('the samples', () => {
  it('have their licence beside them', () => {
    expect(readFileSync(join(sampleFolder, 'LICENSE.CeCILL-B.txt'), 'utf8')).toMatch(/CeCILL/i);
  });
});
