import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { csv } from '../../src/report/csv.ts';

/** Reads what RFC 4180 describes, strictly. */
function parse(text: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  for (let at = 0; at < text.length; ) {
    const field = /^(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/.exec(text.slice(at));
    if (!field) throw new Error(`not RFC 4180 at ${at}`);
    row.push(field[1] === undefined ? field[2] : field[1].replaceAll('""', '"'));
    if (field[3] !== ',') {
      rows.push(row);
      row = [];
    }
    at += field[0].length;
  }
  return rows;
}

describe('CSV', () => {
  it('is what RFC 4180 says', () => {
    expect(
      csv([
        ['a', 'b'],
        [1, 2.5],
        ['x, y', 'say "no"'],
        ['', undefined],
        ['two\nlines', 'r\r'],
      ]),
    ).toBe('a,b\r\n1,2.5\r\n"x, y","say ""no"""\r\n,\r\n"two\nlines","r\r"\r\n');
  });

  it('comes back as it was', () => {
    const text = fc.string({ unit: fc.constantFrom('a', '"', ',', '\r', '\n', ' ', 'ü', ';') });
    const rows = fc.array(fc.array(text, { minLength: 2, maxLength: 4 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(rows, (all) => {
        expect(parse(csv(all))).toEqual(all);
      }),
    );
  });
});
