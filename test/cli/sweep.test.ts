import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inProcess } from './in-process.ts';
import { started } from './run-cli.ts';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'flushlab-sweep-'));
});
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string) => join(folder, name);
const read = (name: string) => readFileSync(file(name), 'utf8');

/** Four points, one of which means nothing. */
const few = [
  ...['sweep', 'shootdown', '--seed', '4', '--workers', '0'],
  ...['--scan', 'mechanism=cross-call,broadcast', '--scan', 'platform=neoverse,x86-64', '--set', 'cpus=2'],
];

describe('flushlab sweep', () => {
  it('prints a table, with what means nothing and why', async () => {
    const { code, stdout } = await inProcess(...few, '--measure', 'initiatorCycles');
    expect(code).toBe(0);
    expect(stdout).toMatch(/\nmechanism +platform +initiatorCycles\n/);
    expect(stdout).toMatch(/\ncross-call +neoverse +[\d,.]+\n/);
    expect(stdout).toMatch(/\nbroadcast +x86-64 +n\/a\n1 point n\/a: /);
    expect(stdout).toContain('seed 4');
  });

  it('writes each format by the name of the file, and prints what it concludes', async () => {
    const out = ['a.ndjson', 'a.csv', 'a.md', 'a.txt'].flatMap((name) => ['--out', file(name)]);
    const scan = ['--scan', 'pages=1,2', '--scan', 'mechanism=cross-call,broadcast', '--set', 'cpus=2'];
    const args = [
      'sweep',
      'shootdown',
      '--seed',
      '4',
      '--workers',
      '0',
      '--measure',
      'initiatorCycles',
      ...scan,
    ];
    const { code, stdout } = await inProcess(...args, ...out, '--fit', 'pages', '--cross', 'mechanism');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^shootdown: 4 of 4 points, 4 measured, 0 n\/a, seed 4: /);
    expect(stdout).toContain('least squares');
    expect(stdout).toContain('crossovers along pages');
    const kinds = read('a.ndjson')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).kind);
    expect(kinds).toEqual(['sweep', ...Array(4).fill('point'), 'fit', 'fit', 'crossover']);
    expect(read('a.csv').split('\r\n')).toHaveLength(6);
    expect(read('a.md')).toContain('| pages | mechanism  | initiatorCycles |');
    expect(read('a.txt')).toContain('crossovers along pages');
    // Nothing is left lying about.
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('draws', async () => {
    const { code, stdout } = await inProcess(...few, '--plot', file('plot.svg'), '--scan', 'pages=1,2');
    expect(code).toBe(0);
    expect(stdout).toContain('broadcast');
    expect(read('plot.svg')).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
  });

  it('gives the same lines on stdout and in a file', async () => {
    const { stdout } = await inProcess(...few, '--format', 'ndjson');
    await inProcess(...few, '--out', file('lines.ndjson'));
    expect(read('lines.ndjson')).toBe(stdout);
  });
});

describe('flushlab sweep --resume', () => {
  const path = 'resumed.ndjson';
  const resume = (...more: string[]) =>
    inProcess(...few, '--out', file(path), '--resume', '--repeat', '2', ...more);
  let whole = '';
  let lines: string[] = [];
  beforeAll(async () => {
    await resume('--fit-scale', 'linear');
    whole = read(path);
    lines = whole.trimEnd().split('\n');
  });

  it('begins where there is nothing, and repairs a torn line', async () => {
    expect(lines).toHaveLength(9);
    for (const keep of [
      '',
      lines[0].slice(0, 40),
      `${lines.slice(0, 4).join('\n')}\n${lines[4].slice(0, 30)}`,
    ]) {
      writeFileSync(file(path), keep);
      expect((await resume()).code).toBe(0);
      expect(read(path)).toBe(whole);
    }
    rmSync(file(path));
    await resume();
    expect(read(path)).toBe(whole);
  });

  it('measures nothing again, and takes the seed from the file', async () => {
    const marked = lines
      .slice(0, 3)
      .map((line) => line.replace(/"initiatorCycles":[\d.]+/, '"initiatorCycles":7'));
    writeFileSync(file(path), `${marked.join('\n')}\n`);
    const args = few.filter((word) => word !== '--seed' && word !== '4');
    const { code } = await inProcess(...args, '--out', file(path), '--resume', '--repeat', '2');
    expect(code).toBe(0);
    expect(read(path)).toBe(`${[...marked, ...lines.slice(3)].join('\n')}\n`);
  });

  it('refuses the file of another sweep, and one that is none', async () => {
    writeFileSync(file(path), whole);
    const other = await resume('--seed', '5');
    expect(other.code).toBe(2);
    expect(other.stderr).toMatch(/it is a sweep with seed 4, not 5: leave out --resume/);
    expect((await resume('--set', 'pages=2')).stderr).toMatch(/it is a sweep with other fixed/);
    appendFileSync(file(path), 'noise\n');
    expect((await resume()).stderr).toMatch(
      /line 10 is no point of a sweep: delete the file from that line on/,
    );
    writeFileSync(file(path), 'my notes\n');
    expect((await resume()).stderr).toMatch(/line 1 does not begin a sweep/);
    expect(read(path)).toBe('my notes\n');
  });

  it('goes on after a kill with what was done', async () => {
    const scan = ['sweep', 'shootdown', '--seed', '4', '--set', 'cpus=2', '--scan', 'pages=1..6'];
    const args = [...scan, '--workers', '0', '--out', file('killed.ndjson')];
    const { child, finished } = started(args);
    while (!existsSync(file('killed.ndjson')) || read('killed.ndjson').split('\n').length < 3) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    child.kill('SIGKILL');
    await finished;
    const left = read('killed.ndjson');
    expect((await inProcess(...args, '--resume')).code).toBe(0);
    const done = read('killed.ndjson');
    expect(done.startsWith(left.slice(0, left.lastIndexOf('\n') + 1))).toBe(true);
    const { stdout } = await inProcess(...scan, '--workers', '0', '--format', 'ndjson');
    expect(done).toBe(stdout);
  });
});

describe.each([
  [['nosuch'], /there is no experiment 'nosuch': use one of shootdown/],
  [['shootdown', '--scan', 'speed=1'], /--scan speed: shootdown has no parameter 'speed'/],
  [['shootdown', '--scan', 'cpus=4..1'], /the range 4..1 is empty/],
  [['shootdown', '--scan', 'pages=1..1000000'], /has 1000000 values/],
  [['shootdown', '--scan', 'platform=pdp11'], /there is no platform 'pdp11'/],
  [['shootdown', '--platform', 'neoverse', '--set', 'platform=sun4m'], /leave one of them out/],
  [['shootdown', '--platform', 'neoverse', '--scan', 'platform=sun4m'], /platform is both scanned and set/],
  [['shootdown', '--repeat', '0'], /--repeat 0: use an integer from 1/],
  [['shootdown', '--measure', 'joules'], /--measure joules: shootdown does not measure it: use one of/],
  [['shootdown', '--fit', 'mechanism'], /--fit mechanism: no numbers of it were scanned/],
  [['shootdown', '--cross', 'platform'], /--cross platform: it has no two values/],
  [['shootdown', '--format', 'csv', '--fit', 'pages'], /--format csv has no place for fits/],
  [
    ['shootdown', '--out', 'results'],
    /--out results: its name does not say its format: end it in .txt, .md, .csv/,
  ],
  [['shootdown', '--out', '/nosuch/a.csv'], /--out \/nosuch\/a.csv: cannot be written \(ENOENT\)/],
  [['shootdown', '--out', 'a.ndjson', '--out', 'b.jsonl'], /--out b.jsonl: a.ndjson has the same lines/],
  [['shootdown', '--resume'], /--resume: there is no file to go on with/],
  [['shootdown', '--plot', 'a.svg', '--x', 'mechanism'], /--x mechanism: use a number that was scanned/],
  [['shootdown', '--plot', 'a.svg', '--published', 'nosuch'], /--published nosuch: there is no such curve/],
  [['shootdown', '--log', 'z'], /--log z: use x, y, x,y or none/],
])('flushlab sweep %j', (args, message) => {
  it('is one line and exit code 2, before anything is measured', async () => {
    const { code, stdout, stderr } = await inProcess('sweep', ...args);
    expect(stderr).toMatch(message);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(stdout).toBe('');
    expect(code).toBe(2);
    expect(existsSync('a.svg') || existsSync('a.ndjson')).toBe(false);
  });
});

describe('flushlab plot', () => {
  it('draws a file, also one that is not finished, and says so', async () => {
    const points = [
      'sweep',
      'shootdown',
      '--seed',
      '1',
      '--workers',
      '0',
      '--scan',
      'pages=1,2',
      '--scan',
      'cpus=1,2',
    ];
    await inProcess(...points, '--out', file('p.ndjson'));
    const one = await inProcess('plot', file('p.ndjson'), '--out', file('p.svg'), '--x', 'pages');
    expect(one).toMatchObject({ code: 0, stderr: '' });
    expect(one.stdout).toMatch(/p.svg: 4 points of shootdown\n$/);
    const svg = read('p.svg');
    await inProcess('plot', file('p.ndjson'), '--out', file('p.svg'), '--x', 'pages');
    expect(read('p.svg')).toBe(svg);
    writeFileSync(file('p.ndjson'), read('p.ndjson').split('\n').slice(0, 4).join('\n'));
    const part = await inProcess('plot', file('p.ndjson'), '--out', file('p.svg'), '--x', 'pages');
    expect(part.stderr).toMatch(/ends after 2 of 4 points/);
  });

  it.each([
    [['nosuch.ndjson'], /nosuch.ndjson: cannot be read \(ENOENT\)/],
    [['package.json'], /package.json: line 1 does not begin a sweep/],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await inProcess('plot', ...args, '--out', file('none.svg'));
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(existsSync(file('none.svg'))).toBe(false);
  });

  it('does not draw over what it reads', async () => {
    await inProcess(...few, '--out', file('own.ndjson'));
    const before = read('own.ndjson');
    const { code, stderr } = await inProcess('plot', file('own.ndjson'), '--out', file('./own.ndjson'));
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr: `flushlab: --out ${file('./own.ndjson')}: is the file that is read: name another one\n`,
    });
    expect(read('own.ndjson')).toBe(before);
  });
});

describe('flushlab cost of an experiment', () => {
  it('is the table of its usual points, with what was given in their place', async () => {
    const args = ['cost', 'shootdown', '--seed', '1', '--workers', '1', '--cpus', '1,2', '--pages', '1'];
    const { code, stdout } = await inProcess(...args, '--mechanism', 'cross-call', '--json');
    expect(code).toBe(0);
    const { head, rows } = JSON.parse(stdout);
    expect(head).toMatchObject({ experiment: 'shootdown', seed: 1, points: 2 });
    expect(rows[1]).toMatchObject({
      parameters: { mechanism: 'cross-call', pages: 1, cpus: 2 },
      outcome: { measures: { initiatorCycles: expect.any(Number) } },
    });
  });

  it.each([
    [['--host', 'threads'], /cost shootdown: it is measured on lockstep only/],
    [['--work', '5'], /cost shootdown: it has no --work/],
    [['--mechanism', 'telepathy'], /mechanism=telepathy: use one of/],
  ])('refuses %j', async (args, message) => {
    const { code, stderr } = await inProcess('cost', 'shootdown', ...args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});
