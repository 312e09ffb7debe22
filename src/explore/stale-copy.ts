/**
 * The life of a stale copy in a run: how it was made, what made it stale, who promised that it was gone, and
 * the access that used it.
 */
import type { FindingRecord } from '../checker/finding.ts';
import { frameAddress, PTE } from '../machine/attributes.ts';
import { EVENT } from '../machine/events.ts';
import type { Machine } from '../machine/machine.ts';
import { PAGE_BYTES } from '../machine/platform.ts';
import { ENTRY } from '../machine/tlb.ts';
import { AddressNames } from './address-names.ts';
import { hex, page } from './number-words.ts';
import type { Item, Mark } from './timeline-rows.ts';

/** An entry of a TLB. */
interface TlbEntry {
  readonly cpu: number;
  readonly vpn: number;
  readonly pages: number;
  readonly pte: number;
  readonly ptePa: number;
}

/** What is in the TLBs now: before a run, what the set-up has left there. */
export function warmEntries(machine: Machine): TlbEntry[] {
  const found: TlbEntry[] = [];
  for (const { index, dtlb, itlb } of machine.state.cpus) {
    for (const { entries, count } of dtlb === itlb ? [dtlb] : [dtlb, itlb]) {
      for (let at = 0; at < count * ENTRY.WORDS; at += ENTRY.WORDS) {
        if (entries[at + ENTRY.VPN] < 0) continue;
        found.push({
          cpu: index,
          vpn: entries[at + ENTRY.VPN],
          pages: 1 << entries[at + ENTRY.SIZE],
          pte: entries[at + ENTRY.PTE],
          ptePa: entries[at + ENTRY.PTE_PA],
        });
      }
    }
  }
  return found;
}

/** Marks the items of a run that a finding is explained by. What was there before the run becomes an item. */
export function markCopy(items: Item[], finding: FindingRecord, warm: readonly TlbEntry[]): void {
  const life = new CopyLife(items, finding);
  switch (finding.kind) {
    case 'stale-translation':
    case 'freed-frame':
      life.translation(warm);
      return;
    case 'multiple-match':
      life.twoEntries(warm);
      return;
    case 'walker-old-entry':
      life.oldWord(finding.ptePa);
      return;
    case 'freed-table':
      life.freedTable();
      return;
    case 'stale-data':
    case 'stale-instruction':
    case 'lost-write':
    case 'device-old-data':
      life.oldWord(finding.pa);
      return;
    case 'deadlock':
      return;
    default:
      life.use();
  }
}

class CopyLife {
  private readonly items: Item[];
  private readonly f: FindingRecord;
  private readonly end: number;

  constructor(items: Item[], finding: FindingRecord) {
    this.items = items;
    this.f = finding;
    this.end = items.findIndex(({ told }) => told.kind === EVENT.FINDING);
  }

  /** The access that failed. */
  use(): void {
    this.mark(this.end, 'used');
  }

  translation(warm: readonly TlbEntry[]): void {
    const { f } = this;
    const made = this.last(EVENT.FILL, (item) => item.told.cpu === f.cpu && item.told.c === f.ptePa);
    if (f.diagnosis === TOO_EARLY) {
      const early = this.lastBefore(made, EVENT.TLBI, (item) => item.told.cpu === f.cpu);
      if (early >= 0) this.items[early].told.text += ': too early';
    }
    this.mark(made, 'made');
    const changed = this.change(f.ptePa, f.pte, made);
    this.mark(changed, 'changed');
    if (f.kind === 'freed-frame') this.mark(this.freeing(f.pa), 'promised');
    else this.mark(this.promise(f.ptePa, Math.max(made, changed)), 'promised');
    this.use();
    const before = warm.find(({ cpu, ptePa }) => cpu === f.cpu && ptePa === f.ptePa);
    if (made < 0 && before) this.begin([before]);
  }

  twoEntries(warm: readonly TlbEntry[]): void {
    const { f, items } = this;
    const vpn = f.va >>> 12;
    for (const [i, { told }] of items.entries()) {
      const first = told.a & 0xf_ffff;
      const isFill = told.kind === EVENT.FILL && told.cpu === f.cpu && i < this.end;
      if (isFill && vpn >= first && vpn < first + 2 ** (told.a >>> 20)) this.mark(i, 'made');
    }
    // What the walks of this CPU have read, and somebody else has changed.
    const read = new Set(
      items
        .filter(({ told }) => told.kind === EVENT.WALK_READ && told.cpu === f.cpu)
        .map(({ told }) => told.a >>> 2),
    );
    const changed = items.findIndex(
      ({ told }, i) =>
        i < this.end && told.kind === EVENT.STORE && told.cpu !== f.cpu && read.has(told.a >>> 2),
    );
    this.mark(changed, 'changed');
    this.use();
    this.begin(warm.filter(({ cpu, vpn: at, pages }) => cpu === f.cpu && vpn >= at && vpn < at + pages));
  }

  /** A word that was read from an older copy of its line, or written back from one. */
  oldWord(pa: number): void {
    const { f, items } = this;
    const changed = this.last(EVENT.STORE, ({ told }) => sameWord(told.a, pa) && told.cpu === f.writer);
    const touches = ({ told }: Item) =>
      told.cpu === f.cpu && told.text !== '' && READS.has(told.kind) && sameLine(told.a, pa);
    const made = items.findLastIndex((item, i) => i < (changed < 0 ? this.end : changed) && touches(item));
    this.mark(made, 'made');
    this.mark(changed, 'changed');
    this.mark(this.promise(pa, changed), 'promised');
    this.use();
  }

  freedTable(): void {
    const { f, items } = this;
    const table = frameAddress(f.ptePa);
    const learnt = items.findLastIndex(
      ({ told: { kind, cpu, b } }, i) =>
        i < this.end &&
        cpu === f.cpu &&
        READS.has(kind) &&
        (b & PTE.TABLE) !== 0 &&
        frameAddress(b) === table,
    );
    if (learnt >= 0) {
      const { told } = items[learnt];
      if (told.text === '') told.text = `learns of the table at ${hex(table)}`;
      this.mark(learnt, 'made');
      this.mark(this.change(told.a, told.b, learnt), 'changed');
    }
    this.mark(this.freeing(f.ptePa), 'promised');
    this.use();
  }

  /** First store after item `from` that takes away what an entry granted; a store that never drained counts. */
  private change(ptePa: number, granted: number, from: number): number {
    const at = this.items.findIndex(({ told }, i) => {
      if (i <= from || i >= this.end) return false;
      if (told.kind === EVENT.BUFFER) return sameWord(told.b, ptePa) && takesAway(told.c, granted);
      if (told.kind !== EVENT.STORE || told.word === undefined) return false;
      return sameWord(told.a, ptePa) && takesAway(told.word, granted);
    });
    return at;
  }

  private promise(ptePa: number, from: number): number {
    return this.items.findIndex(
      ({ told }, i) => i > from && i < this.end && told.kind === EVENT.CONTRACT && sameWord(told.a, ptePa),
    );
  }

  private freeing(pa: number): number {
    return this.last(EVENT.FREED, ({ told }) => told.a === Math.floor(pa / PAGE_BYTES));
  }

  private last(kind: number, is: (item: Item) => boolean): number {
    return this.lastBefore(this.end, kind, is);
  }

  private lastBefore(end: number, kind: number, is: (item: Item) => boolean): number {
    return this.items.findLastIndex((item, i) => i < end && item.told.kind === kind && is(item));
  }

  /** Marks an item, or if it says nothing the one that speaks for it. */
  private mark(at: number, mark: Mark): void {
    if (at < 0) return;
    const { items } = this;
    const { told } = items[at];
    const speaks = told.text !== '' && told.kind !== EVENT.FINDING ? at : this.speakerFor(at);
    if (speaks >= 0) items[speaks].mark = mark;
  }

  /** A store that drained at once was spoken of when it was buffered; a finding goes with its access. */
  private speakerFor(at: number): number {
    const { items } = this;
    const { step, column, told } = items[at];
    const buffered = ({ told: other }: Item) =>
      other.kind === EVENT.BUFFER && other.cpu === told.cpu && sameWord(other.b, told.a) && other.text !== '';
    if (told.kind === EVENT.STORE) return items.findLastIndex((item, i) => i < at && buffered(item));
    const says = items.findIndex(
      (item) =>
        item.step === step && item.column === column && item.told.text !== '' && !LATER.has(item.told.kind),
    );
    return says < 0 && told.text !== '' ? at : says;
  }

  /** What was there before the run. */
  private begin(entries: readonly TlbEntry[]): void {
    for (const { cpu, vpn, pte } of entries) {
      const text = `TLB has page ${page(vpn * PAGE_BYTES)} from before: ${AddressNames.entryText(pte)}`;
      this.items.unshift({
        step: 0,
        column: cpu,
        mark: 'made',
        told: { kind: EVENT.FILL, cpu, a: vpn, b: pte, c: 0, text },
        places: [],
        delayed: false,
        preemption: false,
      });
    }
  }
}

/** Index among the checker's diagnoses. */
const TOO_EARLY = 2;
const READS: ReadonlySet<number> = new Set([EVENT.LOAD, EVENT.WALK_READ]);
/** What comes after the access of a step, in the same step. */
const LATER: ReadonlySet<number> = new Set([EVENT.CONTRACT, EVENT.FREED, EVENT.FINDING]);

function takesAway(word: number, granted: number): boolean {
  if ((word & PTE.VALID) === 0 || frameAddress(word) !== frameAddress(granted)) return true;
  return (granted & PTE.WRITE) !== 0 && (word & PTE.WRITE) === 0;
}

const sameWord = (a: number, b: number) => a >>> 2 === b >>> 2;
/** No platform has longer lines. */
const sameLine = (a: number, b: number) => a >>> 6 === b >>> 6;
