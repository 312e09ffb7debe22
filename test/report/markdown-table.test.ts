import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { markdownTable, markdownText } from '../../src/report/markdown-table.ts';

describe('a Markdown table', () => {
  it('has a line of titles, one of alignments and one a row, padded', () => {
    const columns = [
      { title: 'name', align: 'left' },
      { title: 'n', align: 'right' },
    ] as const;
    expect(
      markdownTable(columns, [
        ['a|b', '7'],
        ['longer', '12345'],
      ]),
    ).toEqual(['| name   |     n |', '| ------ | ----: |', '| a\\|b   |     7 |', '| longer | 12345 |']);
  });

  it('keeps its columns whatever is in a cell', () => {
    const columns = [1, 2, 3].map((n) => ({ title: `c${n}`, align: 'left' as const }));
    const cell = fc.string({ unit: fc.constantFrom('|', '\\', '\n', 'x', ' ', '`', '\t') });
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell, cell), { maxLength: 4 }), (rows) => {
        const lines = markdownTable(columns, rows);
        expect(lines).toHaveLength(rows.length + 2);
        for (const line of lines) {
          expect(line).not.toMatch(/[\n\t]/);
          // Backslashes escape in pairs; a bar after an odd one is text.
          expect(line.replace(/\\./g, '').split('|')).toHaveLength(columns.length + 2);
        }
      }),
    );
  });
});

describe('text in Markdown', () => {
  it.each([
    ['a*b', 'a\\*b'],
    ['<b>', '\\<b\\>'],
    ['[x](y)', '\\[x\\](y)'],
    ['`code`', '\\`code\\`'],
    ['flush_tlb_mm', 'flush_tlb_mm'],
    ['_em_ and __x', '\\_em\\_ and \\_\\_x'],
    ['a &lt; b & c', 'a &amp;lt; b & c'],
    ['  two\n lines ', 'two lines'],
  ])('%j is %j', (text, escaped) => {
    expect(markdownText(text)).toBe(escaped);
  });
});
