import { createHash } from 'node:crypto';
import { afterAll, describe, expect, it } from 'vitest';
import type { Job, RunResult } from '../../src/hosts/job.ts';
import { Recorder, type Recording } from '../../src/hosts/recording.ts';
import { replayChoices } from '../../src/hosts/replay.ts';
import { loadWorkload } from '../../src/hosts/session.ts';
import { ThreadsHost } from '../../src/hosts/threads.ts';
import { encodeAction } from '../../src/machine/agents.ts';
import { EVENT_WORDS, EventLog } from '../../src/machine/events.ts';
import { platformByName, platforms } from '../../src/platforms/index.ts';
import { resolveParameters } from '../../src/scenarios/scenario.ts';
import { tlbShootdown } from '../../src/scenarios/tlb-shootdown/scenario.ts';
import { jobOf } from '../support/programs.ts';

const { neoverse } = platforms;
const x86 = platforms['x86-64'];
const host = new ThreadsHost();
afterAll(() => host.close());

function shootdown(variant: string, seed: number, changes: Partial<Job> = {}): Job {
  const parameters = { ...resolveParameters(tlbShootdown, { rounds: '6' }), variant };
  const { defaultPlatform, module } = tlbShootdown;
  const platform = platformByName(defaultPlatform(variant)) ?? expect.fail(variant);
  return { ...jobOf('', platform, 4, { seed, record: true, ...changes }), source: { module, parameters } };
}

/** The first line says what went wrong; the others, where in the host. */
function inShort(result: RunResult): RunResult {
  return result.error === undefined ? result : { ...result, error: result.error.split('\n')[0] };
}

async function record(job: Job): Promise<{ result: RunResult; recording: Recording }> {
  const { recording, ...result } = await host.run({ ...job, record: true });
  return { result, recording: recording ?? expect.fail('no recording') };
}

/** Records a run, replays it, and expects the same to the last clock and counter. */
async function expectSame(job: Job): Promise<RunResult> {
  const { result, recording } = await record(job);
  const replay = replayChoices(job, await loadWorkload(job), recording.choices);
  expect({ ...replay, result: inShort(replay.result) }).toEqual({
    result: inShort(result),
    digest: recording.digest,
  });
  expect(recording.truncated).toBe(false);
  return result;
}

describe('a recorded run on threads', () => {
  const variants = ['none', 'local-only', 'free-before-flush', 'no-dsb-after', 'cross-call', 'broadcast'];
  it.each([...variants, 'irqs-off'])('comes out the same on lockstep: %s, ten seeds', async (variant) => {
    const outcomes = new Set<string>();
    for (let seed = 1; seed <= 10; seed++) {
      outcomes.add((await expectSame(shootdown(variant, seed))).outcome);
    }
    const { expect: expected } = tlbShootdown.variants.find((v) => v.name === variant) ?? expect.fail();
    if (expected === 'clean') expect([...outcomes]).toEqual(['finished']);
    else expect(outcomes).toContain(variant === 'irqs-off' ? 'deadlock' : 'finding');
  });

  it('does so with all its findings if it goes on after the first', async () => {
    const { findings } = await expectSame(shootdown('none', 1, { keepGoing: true }));
    expect(findings.length).toBeGreaterThan(1);
  });

  it('does so unchecked, and with more CPUs than the host has cores', async () => {
    await expectSame(shootdown('cross-call', 1, { checked: false, cpus: 8 }));
  });

  it.each([x86, neoverse])('does so however it ends: $name', async (platform) => {
    const ends = {
      locked: 'finished',
      cycle: 'deadlock',
      nobody: 'deadlock',
      throws: 'error',
      forever: 'step-limit',
    };
    for (const [program, end] of Object.entries(ends)) {
      // Only this one is to reach its limit; elsewhere the others may take many steps before a late thread comes.
      const limit = program === 'forever' ? { maxSteps: 20_000 } : {};
      const { outcome } = await expectSame(jobOf(program, platform, 3, limit));
      expect([program, outcome]).toEqual([program, end]);
    }
  });

  it('is a mixture of all CPUs’ steps and of agents’ actions', async () => {
    const { choices } = (await record(shootdown('broadcast', 1))).recording;
    const changes = choices.filter((choice, i) => i > 0 && choice < 64 && choices[i - 1] !== choice);
    expect(new Set(choices.filter((choice) => choice < 64))).toEqual(new Set([0, 1, 2, 3]));
    expect(changes.length).toBeGreaterThan(20);
    expect(choices.filter((choice) => choice >= 64).length).toBeGreaterThan(20);
  });

  it('does so if only a sleeper can see the deadlock', async () => {
    const module = new URL('../support/late-cycle.ts', import.meta.url).href;
    const job = { ...jobOf('', x86, 3), source: { module, parameters: {} } };
    const { outcome, findings } = await expectSame(job);
    expect(outcome).toBe('deadlock');
    expect(findings).toEqual([expect.objectContaining({ kind: 'deadlock', cpu: 0, other: 1, detail: 2 })]);
  });

  it('ends at once when a thread dies that has the turn', async () => {
    const { result, recording } = await record(jobOf('exits', x86, 3));
    expect([result.outcome, result.error]).toEqual(['error', expect.stringContaining('exit code 3')]);
    expect(recording.truncated).toBe(false);
  });

  it('is not recorded unless the job asks for it', async () => {
    expect(await host.run(jobOf('counter', x86, 2, { serialized: true }))).not.toHaveProperty('recording');
  });
});

describe('a replay', () => {
  it('has another digest if two steps are exchanged', async () => {
    const job = shootdown('cross-call', 1);
    const { choices, digest } = (await record(job)).recording;
    const workload = await loadWorkload(job);
    const at = choices.findIndex(
      (choice, i) => choice < 64 && choices[i + 1] < 64 && choices[i + 1] !== choice,
    );
    const exchanged = choices.slice(0, at + 2);
    expect(replayChoices(job, workload, exchanged).digest).not.toBe(digest);
    const straight = replayChoices(job, await loadWorkload(job), exchanged);
    [exchanged[at], exchanged[at + 1]] = [exchanged[at + 1], exchanged[at]];
    expect(replayChoices(job, await loadWorkload(job), exchanged).digest).not.toBe(straight.digest);
  });

  it.each([
    [4, 'there is no CPU 4'],
    [-1, '-1 is no choice'],
    [0.5, '0.5 is no choice'],
    [encodeAction('drain', 0, 0), 'would change nothing'],
    [encodeAction('drain', 9, 0), 'would change nothing'],
    [2 ** 40, 'would change nothing'],
  ])('says which choice cannot be taken: %d', async (choice, why) => {
    const job = shootdown('cross-call', 1);
    const { diverged, result } = replayChoices(job, await loadWorkload(job), [0, 1, choice, 0]);
    expect(diverged).toEqual({ at: 2, why: expect.stringContaining(why) });
    expect([result.outcome, result.error, result.steps]).toEqual(['error', diverged?.why, 2]);
  });

  it('says that a CPU is not ready, and that the run had ended', async () => {
    const job = jobOf('nobody', x86, 2);
    const { choices } = (await record(job)).recording;
    const workload = await loadWorkload(job);
    const tooFar = replayChoices(job, workload, [...choices, 0]);
    expect(tooFar.diverged).toEqual({ at: choices.length, why: 'CPU 0 is not ready' });
    const done = jobOf('nothing', x86, 2);
    const ended = (await record(done)).recording.choices;
    const after = replayChoices(done, await loadWorkload(done), [...ended, 0]);
    expect(after.diverged).toEqual({ at: ended.length, why: 'the run had ended before: finished' });
    expect(after.result.outcome).toBe('finished');
  });

  it('of the beginning of a run ends without an answer', async () => {
    const job = shootdown('cross-call', 1);
    const { choices } = (await record(job)).recording;
    const { result, diverged } = replayChoices(job, await loadWorkload(job), choices.slice(0, 100));
    expect([result.outcome, diverged]).toEqual(['step-limit', undefined]);
  });
});

describe('a recorder', () => {
  const events = (...words: number[]) => {
    const log = new EventLog();
    for (const word of words) log.push(word, 0, -1, 2, 3);
    return log;
  };

  it('keeps the choices, clears the events, and hashes both', () => {
    const recorder = Recorder.create(4);
    const log = events(7, 8);
    recorder.append(70_000, log);
    recorder.append(1, log);
    const words = [70_000, 2 * EVENT_WORDS, 7, 0, -1, 2, 3, 8, 0, -1, 2, 3, 1, 0];
    const bytes = new Int32Array([0, 0, 0, 0, 0, 0, 0, 0, ...words]);
    const digest = createHash('sha256').update(bytes).digest('hex');
    expect(recorder.recording()).toEqual({ choices: [70_000, 1], digest, truncated: false });
    expect(log.length).toBe(0);
  });

  it('goes on in another thread where it was, over many blocks', () => {
    const alone = Recorder.create(20_000);
    const one = Recorder.create(20_000);
    const other = new Recorder(one.buffer);
    const log = new EventLog();
    for (let i = 0; i < 20_000; i++) {
      for (const recorder of [alone, i % 3 === 0 ? other : one]) {
        log.push(i, 1, 2, 3, 4);
        recorder.append(i, log);
      }
    }
    expect(other.recording()).toEqual(alone.recording());
  });

  it('says so when it is full, and gives no digest for less than all', () => {
    const recorder = Recorder.create(2);
    for (let i = 0; i < 3; i++) recorder.append(i, events());
    expect(recorder.recording()).toEqual({ choices: [0, 1], digest: '', truncated: true });
  });
});
