/**
 * What physical addresses are called: entries of page tables by the page that they map, locks and words by
 * the names that they have in the layout which the scenario's set-up returned.
 */
import { frameAddress, PTE } from '../machine/attributes.ts';
import type { Machine } from '../machine/machine.ts';
import { PAGE_BYTES, PAGE_SHIFT } from '../machine/platform.ts';
import { CTL } from '../machine/registers.ts';
import { hex } from './number-words.ts';

/** What a word is. */
export type Word =
  | { readonly kind: 'entry'; readonly va: number; readonly level: number; readonly isLast: boolean }
  /** A ticket lock: the word that counts tickets, or the one that says whose turn it is. */
  | { readonly kind: 'ticket' | 'turn'; readonly name: string; readonly lock: number }
  /** Bookkeeping of cross calls and of the frame allocator. */
  | { readonly kind: 'call' | 'frames'; readonly field: string; readonly index: readonly number[] }
  | { readonly kind: 'word'; readonly name: string };

interface Table {
  readonly pa: number;
  readonly level: number;
  readonly va: number;
}

interface Region {
  readonly bytes: number;
  readonly word: (offset: number) => Word;
}

export class AddressNames {
  private readonly machine: Machine;
  private readonly tables = new Map<number, Table>();
  private readonly regions = new Map<number, Region>();

  /** @param layout what the set-up returned; the machine must be as the set-up left it */
  constructor(machine: Machine, layout: unknown) {
    this.machine = machine;
    for (const { ctl } of machine.state.cpus) if (ctl[CTL.MMU_ON] !== 0) this.addTables(ctl[CTL.ROOT] >>> 0);
    this.addLayout(layout, [], []);
  }

  /** Learns the tables below one: by default a root. */
  addTables(pa: number, level = 0, va = 0): void {
    const { machine } = this;
    const { mmu, memoryBytes } = machine.platform;
    if (this.tables.has(pa) || pa >= memoryBytes) return;
    this.tables.set(pa, { pa, level, va });
    if (level === machine.translation.depth) return;
    for (let i = 0; i < 1 << mmu.levels[level].bits; i++) {
      const entry = machine.peek(pa + i * mmu.entryBytes);
      if ((entry & PTE.VALID) === 0 || (entry & PTE.TABLE) === 0) continue;
      this.addTables(frameAddress(entry), level + 1, this.vaOf({ pa, level, va }, i));
    }
  }

  /** A table entry has been written: it may point to a table that was not there before. */
  noteEntry(pa: number, entry: number): void {
    if ((entry & PTE.VALID) === 0 || (entry & PTE.TABLE) === 0) return;
    const table = this.tableOf(pa);
    if (!table || table.level === this.machine.translation.depth) return;
    const index = (pa - table.pa) / this.machine.platform.mmu.entryBytes;
    this.addTables(frameAddress(entry), table.level + 1, this.vaOf(table, index));
  }

  wordAt(pa: number): Word | undefined {
    const table = this.tableOf(pa);
    if (table) {
      const index = Math.floor((pa - table.pa) / this.machine.platform.mmu.entryBytes);
      const isLast = table.level === this.machine.translation.depth;
      return { kind: 'entry', va: this.vaOf(table, index), level: table.level, isLast };
    }
    let base = -1;
    for (const [at, { bytes }] of this.regions) if (at <= pa && pa < at + bytes && at > base) base = at;
    return this.regions.get(base)?.word(pa - base);
  }

  /** What a table entry says. @param isLast it is one of the last level */
  static entryText(entry: number): string {
    if ((entry & PTE.VALID) === 0) return 'empty';
    if ((entry & PTE.TABLE) !== 0) return `table at ${hex(frameAddress(entry))}`;
    return `frame ${hex(frameAddress(entry))}, ${(entry & PTE.WRITE) !== 0 ? 'writable' : 'read-only'}`;
  }

  private tableOf(pa: number): Table | undefined {
    const { mmu } = this.machine.platform;
    for (const table of this.tables.values()) {
      const bytes = mmu.entryBytes << mmu.levels[table.level].bits;
      if (pa >= table.pa && pa < table.pa + bytes) return table;
    }
    return undefined;
  }

  private vaOf({ level, va }: Table, index: number): number {
    return va + index * 2 ** (this.machine.translation.sizeOf(level) + PAGE_SHIFT);
  }

  /** Numbers called `...Pa` are addresses of words, others that begin a page are addresses of pages. */
  private addLayout(value: unknown, path: readonly string[], index: readonly number[]): void {
    if (typeof value === 'number') this.addNumber(value, path, index);
    else if (Array.isArray(value))
      for (const [i, each] of value.entries()) this.addLayout(each, path, [...index, i]);
    else if (typeof value === 'object' && value !== null) {
      const { pa, ghost, name } = value as { pa?: unknown; ghost?: unknown; name?: unknown };
      if (typeof pa === 'number' && typeof ghost === 'number') this.addLock(pa, String(name), path);
      else for (const [key, each] of Object.entries(value)) this.addLayout(each, [...path, key], index);
    }
  }

  private addLock(pa: number, name: string, path: readonly string[]): void {
    // The allocator's own lock is of no interest to anybody.
    const isFrames = path.includes('frames');
    this.regions.set(pa, {
      bytes: 8,
      word: (offset) =>
        isFrames
          ? { kind: 'frames', field: 'lock', index: [] }
          : { kind: offset < 4 ? 'ticket' : 'turn', name: `${name} lock`, lock: pa },
    });
  }

  private addNumber(value: number, path: readonly string[], index: readonly number[]): void {
    const { lineBytes, memoryBytes } = this.machine.platform;
    const key = path[path.length - 1] ?? '';
    if (key === 'root') this.addTables(value);
    const isWord = /[a-z]Pa$/.test(key);
    const isPage = value > 0 && value % PAGE_BYTES === 0 && !/^(root|va|frame)$|Va$/.test(key);
    if (!(isWord || isPage) || key === 'ptePa' || value >= memoryBytes || this.regions.has(value)) return;
    const above = path[path.length - 2];
    const name = key.replace(/Pa$/, '').replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
    // `cpuPa` of the field `lazy` is `lazy cpu`.
    const full =
      (name.length < 4 && above !== undefined ? `${above} ` : '') +
      name +
      index.map((i) => `[${i}]`).join('');
    const word = (offset: number): Word => {
      if (above === 'calls') return { kind: 'call', field: name, index };
      if (above === 'frames') return { kind: 'frames', field: name, index };
      return { kind: 'word', name: offset === 0 ? full : `${full}+${offset}` };
    };
    const bytes =
      key === 'stackPa' ? (memoryBytes / PAGE_BYTES) * 4 : value % PAGE_BYTES === 0 ? PAGE_BYTES : lineBytes;
    this.regions.set(value, { bytes, word });
  }
}
