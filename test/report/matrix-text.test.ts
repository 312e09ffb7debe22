import { describe, expect, it } from 'vitest';
import { type CellOutcome, matrixCells } from '../../src/lab/matrix.ts';
import { platforms } from '../../src/platforms/index.ts';
import { matrixHtml } from '../../src/report/matrix-html.ts';
import { matrixText, reasonsText } from '../../src/report/matrix-text.ts';
import tinyFlush from '../support/tiny-flush.ts';

const columns = [platforms.arm926, platforms.neoverse].map((platform) => ({
  reference: platform.name,
  platform,
}));
const [, , wrong, onNeoverse] = matrixCells([{ reference: 'tiny-flush', scenario: tinyFlush }], columns);
const missed: CellOutcome = {
  cell: wrong,
  result: 'clean',
  runs: 20,
  found: 0,
  kinds: [],
  asExpected: false,
};
const other: CellOutcome = {
  ...{ cell: onNeoverse, result: 'found', runs: 20, found: 3, kinds: ['lost-write', 'stale-instruction'] },
  ...{ asExpected: false, firstSeed: 7 },
};
const plain = { style: { colour: false }, width: 120, rates: false };

describe('a matrix as text', () => {
  it('marks what is not as expected and says what had to be', () => {
    const text = matrixText([missed, other], plain);
    expect(text).toContain('tiny-flush  no-flush  !clean  !found LI');
    expect(text).toContain('2 cells: 1 found, 1 clean, 0 not applicable; 2 NOT as expected.');
    const flat = text.replace(/\s+/g, ' ');
    expect(flat).toContain('tiny-flush/no-flush/arm926: must show stale-data, but: clean in 20 runs.');
    expect(flat).toContain(
      'tiny-flush/no-flush/neoverse: must show nothing, but: lost-write, stale-instruction in 3 of 20 runs, first with seed 7.',
    );
  });

  it('is cut into parts that fit', () => {
    const text = matrixText([missed, other], { ...plain, width: 30 });
    expect(text.match(/^scenario {4}variant/gm)).toHaveLength(2);
  });

  it('shows hit rates of wrong variants', () => {
    const hit: CellOutcome = {
      ...missed,
      result: 'found',
      found: 5,
      kinds: ['stale-data'],
      asExpected: true,
    };
    expect(matrixText([hit], { ...plain, rates: true })).toContain('5/20 D');
    expect(reasonsText([hit])).toContain('arm926: found stale-data in 5 of 20 runs: the line is dirty');
  });
});

describe('a matrix as a page', () => {
  it('marks surprises and escapes what it is given', () => {
    const page = matrixHtml([missed, other], 'how <it> was "run"');
    expect(page).toContain('<p>how &lt;it&gt; was &quot;run&quot;</p>');
    expect(page).toContain('<td class="clean surprise" title="clean (must show stale-data): ');
    expect(page).toContain('<td class="found surprise"');
    expect(page).toContain('<small>lost-write</small>');
  });
});
