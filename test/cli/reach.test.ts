import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { flushlab } from './run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'flushlab-reach-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const meetings = fileURLToPath(new URL('../support/meetings.ts', import.meta.url));
const few = ['--quiet', '--workers', '1'];

describe('states that must be reachable', () => {
  it('are reported by explore, with a line that shows how', () => {
    const args = ['gup-fast', '--variant', 'deferred', '--seed', '1', '--runs', '50', ...few];
    const { code, stdout } = flushlab(['explore', ...args]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ {2}state {4}'meets-walker' reached in \d+ \([\d.]+ %\), first with seed \d+$/m);
    expect(stdout).toMatch(/^ {2}state {4}'waits-for-walker' reached in/m);
    expect(stdout).toMatch(/^ {2}how {6}flushlab explore gup-fast --variant deferred --reach meets-walker$/m);
  });

  it('fail a complete verification that does not reach one', () => {
    const { code, stdout } = flushlab(['verify', meetings, '--variant', 'wrong', '--reach', 'never', ...few]);
    expect(stdout).toMatch(/'never' cannot be reached: no schedule leads there$/m);
    expect(stdout).not.toMatch(/verified/);
    expect(code).toBe(1);
    const changed = join(folder, 'mine.ts');
    const text = readFileSync(meetings, 'utf8').replaceAll(/'\.\.\/\.\.\/src\/.*?'/g, "'flushlab'");
    writeFileSync(changed, text.replace(", variants: ['wrong']", ''));
    const all = flushlab(['verify', './mine.ts', ...few], {}, folder);
    expect(all.stdout).toMatch(/'saw-store' reached in/);
    expect(all.stdout).toMatch(/'never' cannot be reached/);
    expect(all.code).toBe(1);
    // A sample proves nothing.
    const some = flushlab(['explore', './mine.ts', '--runs', '20', '--seed', '1', ...few], {}, folder);
    expect(some.stdout).toMatch(/'never' not reached in any of these/);
    expect(some.code).toBe(3);
  });

  it('are counted by stress and listed by list', () => {
    const { stdout } = flushlab(['stress', meetings, '--variant', 'plain', '--runs', '30', '--seed', '1']);
    expect(stdout).toMatch(/^states\n {2}plain: .*saw-store in \d+ runs \(first with seed \d+\)/m);
    expect(flushlab(['list', 'gup-fast']).stdout).toMatch(
      /^ {2}waits-for-walker +deferred +who frees the table/m,
    );
  });
});

describe('--reach', () => {
  const args = ['explore', meetings, '--seed', '1', '--reach', 'within', '--runs', '500', ...few];

  it('shows the smallest run that leads there, and exits with 0', () => {
    const token = join(folder, 'within');
    const { code, stdout } = flushlab([...args, '--save', token]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^reached: state 'within': the other CPU looks between the two stores$/m);
    expect(stdout).toMatch(/preemptions? and \d+ delays? of the hardware, and none has fewer$/m);
    expect(stdout).toMatch(/the state 'within' is\s+reached/);
    const again = flushlab(['replay', token]);
    expect(again.code).toBe(0);
    expect(again.stdout).toMatch(/^reached: state 'within'/m);
    expect(flushlab(['shrink', token]).code).toBe(0);
  });

  it('prints the same bytes with any number of workers', () => {
    const json = [...args, '--json'];
    const [one, two] = ['1', '2'].map((workers) => flushlab([...json, '--workers', workers]));
    expect(one.code).toBe(0);
    expect(two.stdout).toBe(one.stdout);
    const report = JSON.parse(one.stdout);
    expect(report.goal).toBe('within');
    expect(report.witness).toMatchObject({ signature: 'reached within', minimal: true });
    expect(report.counterexample).toBeUndefined();
    const within = report.reached.find(({ state }: { state: string }) => state === 'within');
    expect(within).toMatchObject({ mustBe: true, count: 1 });
    expect(flushlab(['replay', within.witness.token]).code).toBe(0);
  });

  it('of a violation that comes on the way there exits with 0 all the same', () => {
    const wrong = ['explore', meetings, '--variant', 'wrong', '--seed', '1', '--runs', '500', ...few];
    expect(flushlab(wrong).code).toBe(1);
    const { code, stdout } = flushlab([...wrong, '--reach', 'within']);
    expect(stdout).toMatch(/^reached: state 'within'/m);
    expect(code).toBe(0);
  });

  it('of a state that nobody declares exits with 2 and names the others', () => {
    expect(flushlab(['explore', 'gup-fast', '--reach', 'nowhere'])).toMatchObject({
      code: 2,
      stdout: '',
      stderr: "flushlab: gup-fast declares no state 'nowhere': use one of meets-walker, waits-for-walker\n",
    });
    expect(flushlab(['verify', 'lazy-walk', '--reach', 'nowhere'])).toMatchObject({
      code: 2,
      stderr: "flushlab: lazy-walk declares no state 'nowhere': it declares none: add 'reachable' to it\n",
    });
  });
});
