import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { platforms } from '../../src/platforms/index.ts';
import { scenarios } from '../../src/scenarios/index.ts';
import { inProcess } from './in-process.ts';
import { flushlab } from './run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'flushlab-cli-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('a mistake is one line that names it and the remedy, and exit code 2', () => {
  const mistakes: readonly [args: string, line: RegExp][] = [
    ['frob', /unknown command 'frob'.*--help/],
    ['run', /missing required argument 'scenario'/],
    ['run nope', /no scenario 'nope': use one of tlb-shootdown, random-coherency/],
    ['run tlb-shootdown more', /too many arguments/],
    ['run tlb-shootdown --frob', /unknown option '--frob'/],
    ['run tlb-shootdown --variant nope', /no variant 'nope': use one of cross-call, broadcast/],
    ['run tlb-shootdown --platform vax', /no platform 'vax': use one of arm1136/],
    ['run tlb-shootdown --cpus many', /--cpus many: use an integer from 1 to 64/],
    ['run tlb-shootdown --seed -1', /--seed -1: use an integer from 0/],
    ['run tlb-shootdown --host both', /--host.*lockstep, threads/],
    ['run tlb-shootdown --scheduler fair', /--scheduler.*random, round-robin, clock/],
    ['run tlb-shootdown --set pages', /--set pages: use --set parameter=value/],
    ['run tlb-shootdown --set page=1', /no parameter 'page': use one of pages, rounds/],
    ['run tlb-shootdown --set pages=0', /pages=0: use an integer from 1 to 512/],
    [
      'run tlb-shootdown --variant broadcast --platform x86-64',
      /cannot invalidate.*use a variant with cross calls/,
    ],
    ['stress tlb-shootdown --variant no-dsb-after --platform sun4m', /cannot invalidate/],
    ['stress tlb-shootdown --runs 0', /--runs 0: use an integer from 1/],
    ['run random-coherency --platform neoverse', /leave out --platform/],
    ['run random-coherency --set organisation=firefly', /organisation=firefly: use one of msi-pipt/],
    ['cost nope', /no experiment 'nope': use one of tlb-shootdown/],
    ['cost tlb-shootdown --cpus 1,x', /--cpus x: use an integer/],
    ['cost tlb-shootdown --mechanism broadcast --platform x86-64', /cannot invalidate/],
    ['platform', /platform: give one of arm1136/],
    ['platform vax', /no platform 'vax'/],
    ['platform neoverse --schema', /platform: give one of/],
    ['platform ./no-such-file.json', /no-such-file\.json: cannot be read \(ENOENT\)/],
  ];
  it.each(mistakes)('%s', async (args, line) => {
    const { code, stdout, stderr } = await inProcess(...args.split(' '));
    expect(stderr).toMatch(line);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(stderr).toMatch(/^flushlab: /);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });

  it('in a real process too', () => {
    const { code, stdout, stderr } = flushlab(['run', 'tlb-shootdown', '--cpus', '0', '--json']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toBe('flushlab: --cpus 0: use an integer from 1 to 64\n');
  });
});

describe("a user's platform file", () => {
  it('is used if it is right', async () => {
    const path = file('mine.json', JSON.stringify({ ...platforms.neoverse, name: 'mine' }));
    const { code, stdout } = await inProcess(
      'run',
      'tlb-shootdown',
      '--platform',
      path,
      '--seed',
      '1',
      '--json',
    );
    expect(code).toBe(0);
    expect(JSON.parse(stdout).platform).toBe('mine');
  });

  it('is refused with one line for each problem, before anything runs', async () => {
    const bad = { ...platforms.neoverse, clockMHz: 0, lineBytes: 60 };
    const path = file('bad.json', JSON.stringify(bad));
    const { code, stdout, stderr } = await inProcess('run', 'tlb-shootdown', '--platform', path);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    const lines = stderr.trimEnd().split('\n');
    expect(lines).toHaveLength(2);
    expect(lines.every((line) => line.startsWith(`flushlab: ${path}: `))).toBe(true);
    expect(stderr).toMatch(/clockMHz/);
    expect(stderr).toMatch(/lineBytes/);
  });

  it('is refused if it is not JSON', async () => {
    const path = file('text.json', 'name: mine\n');
    const { code, stderr } = await inProcess('platform', '--check', path);
    expect(code).toBe(2);
    expect(stderr).toMatch(/is not JSON .*: see flushlab platform neoverse/);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });
});

describe('list and platform', () => {
  it('list --json names every scenario, variant and platform', async () => {
    const { code, stdout } = await inProcess('list', '--json');
    expect(code).toBe(0);
    const listed = JSON.parse(stdout);
    expect(listed.scenarios.map((s: { name: string }) => s.name)).toEqual(scenarios.map(({ name }) => name));
    expect(listed.platforms.map((p: { name: string }) => p.name)).toEqual(Object.keys(platforms));
    expect(listed.scenarios[0].variants).toHaveLength(8);
  });

  it('list as text fits a terminal of 100 columns', async () => {
    const { stdout: overview } = await inProcess('list');
    for (const { name } of scenarios) expect(overview).toContain(`\n  ${name} `);
    for (const name of Object.keys(platforms)) expect(overview).toContain(`\n  ${name} `);
    const { stdout: details } = await inProcess('list', ...scenarios.map(({ name }) => name));
    expect(details).toMatch(/cross-call +nothing +local flush/);
    for (const line of `${overview}\n${details}`.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  });

  it('list --json of a name is that scenario alone', async () => {
    const { stdout } = await inProcess('list', 'zap-dirty', '--json');
    const listed = JSON.parse(stdout);
    expect(listed.scenarios.map((s: { name: string }) => s.name)).toEqual(['zap-dirty']);
    expect(listed.platforms).toEqual([]);
  });

  it('list of a name that is none says what there is', async () => {
    const { code, stdout, stderr } = await inProcess('list', 'nonsense');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/there is no scenario 'nonsense': use one of tlb-shootdown, /);
  });

  it('platform prints what --platform reads back', async () => {
    const { stdout } = await inProcess('platform', 'sun4d');
    const path = file('sun4d.json', stdout);
    const { code, stdout: said } = await inProcess('platform', '--check', path);
    expect(code).toBe(0);
    expect(said).toMatch(/describes platform 'sun4d'/);
  });

  it('platform --schema is a JSON schema', async () => {
    const { code, stdout } = await inProcess('platform', '--schema');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ type: 'object', additionalProperties: false });
  });
});
