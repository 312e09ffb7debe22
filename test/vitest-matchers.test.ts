import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { decodeToken, encodeToken } from '../src/explore/token.ts';
import zapDirty from '../src/scenarios/races/zap-dirty.ts';
import '../src/vitest.ts';

/** What a matcher complains of. */
async function complaint(matched: Promise<void>): Promise<string> {
  try {
    await matched;
  } catch (error) {
    return (error as Error).message;
  }
  return expect.fail('the expectation was met');
}

const tokenIn = (message: string) =>
  /flushlab replay\s+(f1[\w-]+)/.exec(message)?.[1] ?? expect.fail(message);

describe('toStayCoherent', () => {
  it('holds for the variant that is right, for every schedule of the small size', async () => {
    await expect(zapDirty).toStayCoherent({ exhaustive: true });
    await expect(zapDirty).not.toStayCoherent({ variant: 'buggy', exhaustive: true });
  });

  it('fails with the smallest run, explained, as a table, and the line to type', async () => {
    const message = await complaint(expect(zapDirty).toStayCoherent({ variant: 'buggy', runs: 500 }));
    expect(message).toContain('zap-dirty, variant buggy, on x86-64 with 3 CPUs does not stay coherent');
    expect(message).toContain('stale-translation: CPU 1 used a translation that had been taken away');
    expect(message).toMatch(/^steps +CPU 0 +CPU 1 +hardware$/m);
    expect(message).toMatch(/^\d+ +changed +clears entry of page 0x40000000$/m);
    expect(message).toMatch(/^\d+-?\d* +used +stores 1 to 0x4000000\d/m);
    expect(message).not.toContain('\u001b');
    await expect(zapDirty).toReplay(tokenIn(message));
  });

  it('is not met by half a search', async () => {
    const message = await complaint(expect(zapDirty).toStayCoherent({ exhaustive: true, runs: 5 }));
    expect(message).toMatch(/no answer: the limit of 5 runs came before/);
    const limit = await complaint(expect(zapDirty).not.toStayCoherent({ variant: 'buggy', maxSteps: 10 }));
    expect(limit).toMatch(/no answer: a run ended with 'step-limit'/);
  });
});

describe('toExhibit', () => {
  it('wants this kind and no other', async () => {
    await expect(zapDirty).toExhibit('stale-translation', { runs: 500 });
    await expect(zapDirty).not.toExhibit('stale-translation', { variant: 'fixed', runs: 50 });
    const wrong = await complaint(expect(zapDirty).toExhibit('freed-frame', { variant: 'buggy', runs: 500 }));
    expect(wrong).toContain("was to show 'freed-frame', but 500 schedules show 'finding stale-translation'");
    expect(wrong).toMatch(/^steps +CPU 0/m);
    const nothing = await complaint(
      expect(zapDirty).toExhibit('stale-translation', { variant: 'fixed', runs: 50 }),
    );
    expect(nothing).toContain('but 50 schedules show nothing');
  });
});

describe('toReplay', () => {
  it('guards a fix', async () => {
    const token = tokenIn(await complaint(expect(zapDirty).toStayCoherent({ variant: 'buggy', runs: 500 })));
    await expect(zapDirty).toReplay(token);
    // What the scenario is after somebody has mended it.
    const head = decodeToken(token);
    const mended = encodeToken({ ...head, variant: 'fixed' });
    await expect(zapDirty).not.toReplay(mended);
    const gone = await complaint(expect(zapDirty).toReplay(mended));
    expect(gone).toContain("was to end with 'finding stale-translation', it ends with 'finished'");
    const back = await complaint(expect(zapDirty).not.toReplay(token));
    expect(back).toContain("the schedule was not to end with 'finding stale-translation' any more");
    expect(back).toMatch(/^steps +CPU 0/m);
    // A token says itself what it is a schedule of.
    const path = fileURLToPath(zapDirty.module);
    await expect(encodeToken({ ...head, scenario: path })).toReplay();
  });

  it('gives no answer where none would mean anything', async () => {
    const token = tokenIn(await complaint(expect(zapDirty).toStayCoherent({ variant: 'buggy', runs: 500 })));
    const old = encodeToken({ ...decodeToken(token), version: '0.0.1' });
    expect(await complaint(expect(zapDirty).not.toReplay(old))).toMatch(/made by flushlab 0\.0\.1/);
    expect(await complaint(expect({}).toStayCoherent())).toMatch(/expected a scenario/);
    expect(await complaint(expect(1).toReplay())).toMatch(/needs a token/);
  });
});
