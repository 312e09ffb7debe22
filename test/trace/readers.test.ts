import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readRecords, type TraceFormat } from '../../src/trace/reader.ts';
import { KIND_FETCH, KIND_LOAD, KIND_MODIFY, KIND_STORE, type Records } from '../../src/trace/records.ts';
import { TraceError } from '../../src/trace/trace-error.ts';

interface Item {
  readonly kind: number;
  readonly address: bigint;
  readonly size: number;
}

async function* chunksOf(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = Math.max(1, sizes[i % sizes.length]);
    yield bytes.slice(at, at + size);
    at += size;
  }
}

function itemsOf(records: Records): Item[] {
  return Array.from({ length: records.count }, (_, i) => ({
    kind: records.kind[i],
    address: (BigInt(records.high[i]) << 32n) | BigInt(records.low[i]),
    size: records.sizeBytes[i],
  }));
}

async function read(bytes: Uint8Array, sizes: readonly number[], format?: TraceFormat): Promise<Item[]> {
  const items: Item[] = [];
  for await (const batch of readRecords(chunksOf(bytes, sizes), 't', format)) items.push(...itemsOf(batch));
  return items;
}

const text = (lines: readonly string[]) => Buffer.from(lines.join(''), 'latin1');
const LETTERS: Readonly<Record<number, string>> = {
  [KIND_FETCH]: 'I ',
  [KIND_LOAD]: ' L',
  [KIND_STORE]: ' S',
  [KIND_MODIFY]: ' M',
};
const DIN: Readonly<Record<number, string>> = { [KIND_LOAD]: '0', [KIND_STORE]: '1', [KIND_FETCH]: '2' };
const OPERATIONS: Readonly<Record<number, bigint>> = {
  [KIND_LOAD]: 1n,
  [KIND_STORE]: 2n,
  [KIND_MODIFY]: 3n,
  [KIND_FETCH]: 4n,
};

const kinds = fc.constantFrom(KIND_LOAD, KIND_STORE, KIND_FETCH, KIND_MODIFY);
const addresses = fc.oneof(fc.bigInt(0n, 0xffff_ffffn), fc.bigInt(0n, 0xffff_ffff_ffffn));
const items = fc.array(
  fc.record({ kind: kinds, address: addresses, size: fc.integer({ min: 1, max: 255 }) }),
  {
    minLength: 1,
    maxLength: 40,
  },
);
const sizes = fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 8 });

function lackey(list: readonly Item[]): Uint8Array {
  return text(
    list.map(({ kind, address, size }, i) => {
      const line = `${LETTERS[kind]} ${address.toString(16).padStart(8, '0')},${size}\n`;
      return i % 7 === 3 ? `==17== valgrind says\n${line}` : line;
    }),
  );
}

function binary(list: readonly Item[]): Uint8Array {
  const bytes = Buffer.alloc(list.length * 8);
  for (const [i, { kind, address, size }] of list.entries()) {
    bytes.writeBigUInt64LE((OPERATIONS[kind] << 56n) | (BigInt(size) << 48n) | address, i * 8);
  }
  return bytes;
}

describe('readers', () => {
  it('read back what was written, wherever the chunks are cut, gzip or not', async () => {
    await fc.assert(
      fc.asyncProperty(items, sizes, fc.boolean(), fc.boolean(), async (list, cuts, zip, isBinary) => {
        const plain = isBinary ? binary(list) : lackey(list);
        const bytes = zip ? gzipSync(plain) : plain;
        expect(await read(bytes, cuts, isBinary ? 'binary' : undefined)).toEqual(list);
      }),
      { numRuns: 300 },
    );
  });

  it('read din with and without sizes', async () => {
    await fc.assert(
      fc.asyncProperty(items, sizes, async (list, cuts) => {
        const known = list.filter(({ kind }) => kind !== KIND_MODIFY);
        if (known.length === 0) return;
        const hex = (n: bigint | number) => n.toString(16);
        const din = text(known.map(({ kind, address }) => `${DIN[kind]} ${hex(address)} comment\n`));
        expect(await read(din, cuts, 'din')).toEqual(known.map((item) => ({ ...item, size: 4 })));
        const xdin = text(
          known.map(({ kind, address, size }) => `${DIN[kind]} ${hex(address)} ${hex(size)}\n`),
        );
        expect(await read(xdin, cuts, 'xdin')).toEqual(known);
      }),
    );
  });

  it('takes more records than a batch holds, a last line without newline, and CR LF', async () => {
    const many = text(
      Array.from({ length: 40_000 }, (_, i) => ` L ${(i * 4).toString(16).padStart(8, '0')},4\n`),
    );
    expect((await read(many, [65_536])).length).toBe(40_000);
    const cut = await read(text(['I  0401ab70,3\r\n', ' S 1fff000d28,8']), [5]);
    expect(cut).toEqual([
      { kind: KIND_FETCH, address: 0x401ab70n, size: 3 },
      { kind: KIND_STORE, address: 0x1fff000d28n, size: 8 },
    ]);
  });

  it.each([
    ['a wrong letter', ['I  0401ab70,3\n', ' Q 1,8\n'], /^t:2: malformed line " Q 1,8": expected/],
    ['no size', ['==1== x\n', 'I  0401ab70\n'], /^t:2: malformed/],
    ['size 0', ['I  0401ab70,0\n'], /^t:1: malformed/],
    ['too many digits', [' L 12345678901234567,8\n'], /^t:1: malformed/],
    ['text of the program', ['I  0401ab70,3\n', 'ls: cannot access\n'], /^t:2: malformed/],
    ['a line cut off', ['I  0401ab70,3\n', ' S 1fff00'], /^t:2: malformed/],
    ['an empty line', ['I  0401ab70,3\n', '\n', '\n'], /^t:2: malformed/],
  ])('complain about %s with the line number', async (_, lines, message) => {
    for (const cuts of [[1], [7], [1000]]) {
      const error = await read(text(lines), cuts).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(TraceError);
      expect((error as Error).message).toMatch(message);
      expect((error as Error).message).not.toContain('\n');
    }
  });

  it('complain about what is no trace, and about one that is cut off', async () => {
    const failing = (bytes: Uint8Array, format?: TraceFormat) =>
      read(bytes, [100], format).catch((error: Error) => error.message);
    expect(await failing(new Uint8Array(0))).toMatch(/^t: the trace is empty/);
    expect(await failing(Buffer.from('hello, world\n'))).toMatch(/^t:1: not a trace that flushlab knows/);
    expect(await failing(binary([{ kind: 0, address: 5n, size: 4 }]).subarray(0, 5), 'binary')).toMatch(
      /record 1 has only 5 of 8 bytes/,
    );
    expect(await failing(gzipSync(lackey([{ kind: 0, address: 5n, size: 4 }])).subarray(0, 20))).toMatch(
      /gzip file is damaged/,
    );
    expect(await failing(text(['3 1000\n', '0 10\n']), 'din')).toMatch(/^t:1: malformed line "3 1000"/);
    expect(await failing(text(['L'.repeat(9000)]), 'lackey')).toMatch(/^t:1: a line longer than/);
  });
});
