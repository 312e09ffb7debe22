import { fileURLToPath } from 'node:url';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { decodeToken, encodeToken } from '../src/explore/token.ts';
import mremapStale from '../src/scenarios/races/mremap-stale.ts';
import zapDirty from '../src/scenarios/races/zap-dirty.ts';
import type { CoherencyOptions } from '../src/vitest.ts';
import '../src/vitest.ts';
import tinyRace from './support/tiny-race.ts';

/** What a matcher complains of. */
async function complaint(matched: Promise<void>): Promise<string> {
  try {
    await matched;
  } catch (error) {
    return (error as Error).message;
  }
  return expect.fail('the expectation was met');
}

/** The token of the one line that is there to be pasted. */
const tokenIn = (message: string) =>
  /^ {2}replay {3}flushlab replay (f1[\w-]+)$/m.exec(message)?.[1] ?? expect.fail(message);

describe('toStayCoherent', () => {
  it('holds for the variant that is right, for every schedule', async () => {
    await expect(tinyRace).toStayCoherent({ exhaustive: true });
    await expect(tinyRace).not.toStayCoherent({ variant: 'buggy', exhaustive: true });
  });

  it('fails with the smallest run, explained, as a table, and the line to type', async () => {
    const message = await complaint(expect(zapDirty).toStayCoherent({ variant: 'buggy', runs: 500 }));
    expect(message).toContain('zap-dirty, variant buggy, on x86-64 with 3 CPUs does not stay coherent');
    expect(message).toContain('stale-translation: CPU 1 used a translation that had been taken away');
    expect(message).toMatch(/^ {2}schedule \d+ steps with 0 preemptions and 1 delay .* none has fewer$/m);
    expect(message).toMatch(/^steps +CPU 0 +CPU 1 +hardware$/m);
    expect(message).toMatch(/^\d+ +changed +clears entry of page$/m);
    expect(message).toMatch(/^\d+(-\d+)? +used +stores 1 to 0x40000000 in$/m);
    expect(message).not.toContain('\u001b');
    await expect(zapDirty).toReplay(tokenIn(message));
  });

  it('is not met by half a search', async () => {
    const message = await complaint(expect(tinyRace).toStayCoherent({ exhaustive: true, runs: 5 }));
    expect(message).toMatch(/no answer: the limit of 5 runs came before/);
    const limit = await complaint(expect(tinyRace).toStayCoherent({ variant: 'endless', maxSteps: 50 }));
    expect(limit).toMatch(/no answer: a run ended with 'step-limit'/);
    const broken = await complaint(expect(tinyRace).not.toStayCoherent({ variant: 'throws', runs: 100 }));
    expect(broken).toMatch(/no answer: a run ended with 'error Error: made to fail'/);
  });

  it('needs a violation to be not met', async () => {
    const message = await complaint(expect(tinyRace).not.toStayCoherent({ exhaustive: true }));
    expect(message).toMatch(/expected a violation, but \d+ schedules of tiny-race, variant fixed/);
  });
});

describe('toExhibit', () => {
  it('wants this kind and no other', async () => {
    await expect(tinyRace).toExhibit('stale-translation');
    await expect(tinyRace).toExhibit('deadlock');
    await expect(tinyRace).not.toExhibit('stale-translation', { variant: 'fixed' });
    await expect(tinyRace).not.toExhibit('freed-frame', { variant: 'buggy' });
    const nothing = await complaint(
      expect(tinyRace).toExhibit('stale-translation', { variant: 'fixed', runs: 50 }),
    );
    expect(nothing).toContain("was to show 'stale-translation', but 50 schedules show nothing");
  });

  it('shows what there is instead of the kind that was wanted, or of nothing', async () => {
    const options = { variant: 'buggy', runs: 500 };
    const wrong = await complaint(expect(tinyRace).toExhibit('freed-frame', options));
    expect(wrong).toContain("was to show 'freed-frame', but 500 schedules show 'finding stale-translation'");
    const unwanted = await complaint(expect(tinyRace).not.toExhibit('stale-translation', options));
    expect(unwanted).toContain("was not to show 'stale-translation'\n");
    for (const message of [wrong, unwanted]) {
      expect(message).toMatch(/^steps +CPU 0/m);
      await expect(tinyRace).toReplay(tokenIn(message));
    }
  });
});

describe('toReach', () => {
  it('wants a schedule that comes to the state', async () => {
    await expect(mremapStale).toReach('moved-first');
    const missed = await complaint(expect(mremapStale).toReach('moved-first', { runs: 1, maxSteps: 5 }));
    expect(missed).toMatch(/no answer: a run ended with 'step-limit'/);
    const unknown = await complaint(expect(mremapStale).toReach('nowhere'));
    expect(unknown).toContain("declares no state 'nowhere': it declares moved-first");
  });
});

describe('toReplay', () => {
  const failed = (variant: string) =>
    complaint(expect(tinyRace).toStayCoherent({ variant, runs: 500 })).then(tokenIn);

  it('guards a fix', async () => {
    const token = await failed('buggy');
    await expect(tinyRace).toReplay(token);
    // What the scenario is after somebody has mended it.
    const head = decodeToken(token);
    const mended = encodeToken({ ...head, variant: 'fixed' });
    await expect(tinyRace).not.toReplay(mended);
    const gone = await complaint(expect(tinyRace).toReplay(mended));
    expect(gone).toContain("was to end with 'finding stale-translation', it ends with 'finished'");
    const back = await complaint(expect(tinyRace).not.toReplay(token));
    expect(back).toContain("the schedule was not to end with 'finding stale-translation' any more");
    expect(back).toMatch(/^steps +CPU 0/m);
  });

  it('knows from the token alone what it is a schedule of', async () => {
    const head = decodeToken(await failed('stuck'));
    expect(head).toMatchObject({ scenario: './test/support/tiny-race.ts', signature: 'deadlock' });
    const path = fileURLToPath(tinyRace.module);
    await expect(encodeToken({ ...head, scenario: path })).toReplay();
  });

  it('gives no answer where none would mean anything', async () => {
    const old = encodeToken({ ...decodeToken(await failed('buggy')), version: '0.0.1' });
    expect(await complaint(expect(tinyRace).not.toReplay(old))).toMatch(/made by flushlab 0\.0\.1/);
    expect(await complaint(expect({}).toStayCoherent())).toMatch(/expected a scenario/);
    expect(await complaint(expect(1).toReplay())).toMatch(/needs a token/);
  });
});

describe('types', () => {
  it('know the options', () => {
    const matchers = () => expect(tinyRace);
    type Matchers = ReturnType<typeof matchers>;
    expectTypeOf<Matchers['toStayCoherent']>().toEqualTypeOf<(options?: CoherencyOptions) => Promise<void>>();
    const compiled = () => [
      expect(tinyRace).toStayCoherent({ exhaustive: true }),
      expect(tinyRace).not.toExhibit('deadlock', { strategy: 'bounded', platform: 'neoverse' }),
      // @ts-expect-error: no such option
      expect(tinyRace).toStayCoherent({ exhaustively: true }),
      // @ts-expect-error: not a yes or no
      expect(tinyRace).toStayCoherent({ exhaustive: 'yes' }),
      // @ts-expect-error: no such strategy
      expect(tinyRace).toStayCoherent({ strategy: 'guess' }),
      // @ts-expect-error: no such kind
      expect(tinyRace).toExhibit('stale'),
    ];
    expectTypeOf(compiled).toBeFunction();
  });
});
