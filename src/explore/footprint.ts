/**
 * What a step depends on: from the events of the step to the resources that it read and wrote. Two steps of
 * different CPUs or agents commute if neither writes what the other touches; partial-order reduction rests on
 * nothing else, so where a resource is coarser than need be the search is slower, and where one is missing
 * it is wrong.
 *
 * What commutes though it writes is turned around: stores to different words of a line commute, and so do
 * completions of one broadcast at two targets, while whoever watches the line or waits at the barrier
 * depends on each; there the many "read" and the one "writes".
 */
import { decodeAction } from '../machine/agents.ts';
import { EVENT, EVENT_WORDS, type EventLog, TLBI_KINDS } from '../machine/events.ts';
import { type AgentName, colours, type Platform } from '../machine/platform.ts';
import { isWhole, TLBI_ASID, TLBI_IPA } from '../machine/tlb.ts';
import { agentOf, FIRST_AGENT, isDisturber } from './execution.ts';

/** Kinds of resources. A key is kind * 2^25 + number. */
const WORD = 1 << 25;
const WATCHED = 2 << 25;
const BEHIND = 3 << 25;
const CACHE = 4 << 25;
const BUFFERED = 5 << 25;
const BUFFER_IN = 7 << 25;
const TLB_PAGE = 8 << 25;
const TLB = 9 << 25;
const WALK = 10 << 25;
const QUEUED = 11 << 25;
const QUEUE_TAIL = 12 << 25;
const COMPLETION = 13 << 25;
const IRQ = 14 << 25;
const IRQ_FLIGHT = 15 << 25;
const CONTEXT = 16 << 25;
const PROMISES = 17 << 25;
const BUDGET = 18 << 25;
const LAST_ACCESS = 19 << 25;
const FREED_FRAMES = 20 << 25;
const END = 21 << 25;
const WINDOW = 22 << 25;
const ASID_USE = 23 << 25;
const TLB_SCAN = 24 << 25;
/** And from here on two for each bit of a CPU's number: stored to by a CPU that has a 0 there, or a 1. */
const STORED_BY = 40;

/** TLBs with fewer ways drop entries for others even in short runs. */
const FEW_WAYS = 4;
/** Pages up to which an invalidate is known page by page. */
const FEW_PAGES = 8;

/** Pairs of a resource and 1 if it was written, 0 if read. */
export type Footprint = Int32Array;

export class Footprints {
  /** Caches cannot be told from memory by any program: what moves between them matters to nobody. */
  private readonly isTransparent: boolean;
  private readonly delaysIpis: boolean;
  private readonly replacesSoon: boolean;
  private readonly bufferEntries: number;
  private readonly lineShift: number;
  private readonly cpuBits: number;
  /** Entries of several pages have been filled: an invalidate of one page may remove the entry of others. */
  private sawLarge = false;
  private readonly walksBelowCaches: boolean;
  /** Lines that walks have read, and lines that were written, where walks go past caches; by line. */
  private readonly walked = new Set<number>();
  private readonly written = new Set<number>();
  private hasWalkedWritten = false;
  private pairs = new Int32Array(256);
  private length = 0;

  /**
   * @param uncached programs bypass caches now and then, so what caches hold does matter
   * @param fetches programs may fetch instructions, or devices transfer data: false only if neither ever does
   * @param cpus that there are, devices included
   */
  constructor(platform: Platform, disturbsCaches: boolean, uncached: boolean, fetches = true, cpus = 64) {
    const { l1d, l1i, l2, coherence, mmu } = platform;
    const aliases = l1d.organisation === 'vivt' || colours(l1d) > 1 || l2?.primaryIndex === true;
    this.walksBelowCaches = mmu.walkerReads !== 'l1';
    const coherent =
      coherence !== 'none' && !aliases && ((l1i.snooped && !this.walksBelowCaches) || !fetches);
    this.isTransparent = coherent && !disturbsCaches && !uncached;
    const { data, instruction, second } = mmu.tlb;
    this.replacesSoon = [data, instruction, second].some((tlb) => tlb && tlb.ways < FEW_WAYS);
    this.delaysIpis = platform.agents.includes('ipi');
    this.bufferEntries = platform.writeBufferEntries;
    this.lineShift = 31 - Math.clz32(platform.lineBytes);
    this.cpuBits = 32 - Math.clz32(Math.max(1, cpus - 1));
  }

  /** True if a run in which programs went past the caches needs another look at dependences. */
  get ignoresCaches(): boolean {
    return this.isTransparent;
  }

  /**
   * True if a walk that goes past caches may have read what somebody had written: where the line was then did
   * matter, and another look at dependences is needed. Tables that nobody writes are the same everywhere.
   */
  get sawTablesChange(): boolean {
    return this.isTransparent && this.hasWalkedWritten;
  }

  /** Footprint of the step that took `choice` and whose events begin at word `from` of the log. */
  of(choice: number, log: EventLog, from: number): Footprint {
    this.length = 0;
    if (choice >= FIRST_AGENT) {
      const name = agentOf(choice);
      if (isDisturber(name)) this.disturb(name, choice);
    }
    const { words } = log;
    for (let at = from; at < log.length; at += EVENT_WORDS) {
      this.event(words[at], words[at + 1], words[at + 2], words[at + 3], words[at + 4]);
    }
    return this.pairs.slice(0, this.length);
  }

  /** What decides whether and where an agent that only disturbs acts; it may do nothing, and say nothing. */
  private disturb(name: AgentName, choice: number): void {
    const { cpu, parameter } = decodeAction(choice);
    this.add(BUDGET + name.length, 1);
    if (name === 'evict') {
      // What memory itself holds when the run ends depends on it.
      this.add(CACHE + cpu, 1);
      this.add(END, 1);
      return;
    }
    if (parameter === 0) this.add(LAST_ACCESS + cpu, 0);
    this.add(WALK + cpu, name === 'walk' ? 1 : 0);
    this.add(CONTEXT + cpu, 0);
    if (name === 'prefetch') this.add(CACHE + cpu, 0);
  }

  private add(key: number, write: number): void {
    const { pairs, length } = this;
    for (let i = 0; i < length; i += 2) {
      if (pairs[i] !== key) continue;
      pairs[i + 1] |= write;
      return;
    }
    if (length === pairs.length) {
      this.pairs = new Int32Array(length * 2);
      this.pairs.set(pairs);
    }
    this.pairs[length] = key;
    this.pairs[length + 1] = write;
    this.length = length + 2;
  }

  private event(kind: number, cpu: number, a: number, b: number, c: number): void {
    switch (kind) {
      case EVENT.LOAD:
        this.load(cpu, a >>> 0);
        return;
      case EVENT.READ_PAST:
        this.memory(cpu, a >>> 0, 0);
        return;
      case EVENT.WALK_READ:
        this.memory(cpu, a >>> 0, 0);
        this.walk(this.lineOf(a));
        return;
      case EVENT.STORE:
        this.memory(cpu, a >>> 0, 1);
        this.write(this.lineOf(a));
        if (c === 8) this.memory(cpu, (a >>> 0) + 4, 1);
        this.add(WATCHED + this.lineOf(a), 0);
        return;
      case EVENT.WATCH:
        this.add(WATCHED + this.lineOf(a), 1);
        return;
      case EVENT.BUFFER:
        this.add(BUFFERED + cpu * 65536 + (a & 0xffff), 1);
        this.add(BUFFER_IN + cpu, 1);
        // There was room because the store had drained whose place it takes: no other drain matters.
        if (a >= this.bufferEntries)
          this.add(BUFFERED + cpu * 65536 + ((a - this.bufferEntries) & 0xffff), 0);
        return;
      case EVENT.DRAIN:
        this.add(BUFFERED + cpu * 65536 + (a & 0xffff), 1);
        if (b === 1) this.add(END, 1);
        return;
      case EVENT.DRAINED:
      case EVENT.HELD:
        this.add(BUFFERED + cpu * 65536 + (a & 0xffff), 0);
        return;
      case EVENT.LOOKUP:
        this.add(pageKey(cpu, a >>> 12), 0);
        this.add(TLB + cpu, 0);
        this.add(LAST_ACCESS + cpu, 1);
        return;
      case EVENT.FILL:
        if (a > 0xf_ffff) this.sawLarge = true;
        this.add(pageKey(cpu, a & 0xf_ffff), 1);
        // An entry of many pages, or one that takes the place of another page's, concerns the whole TLB.
        this.add(TLB + cpu, a > 0xf_ffff || this.replacesSoon ? 1 : 0);
        this.add(WALK + cpu, 1);
        this.add(PROMISES, 0);
        return;
      case EVENT.TLBI:
        this.invalidate(cpu, a % TLBI_KINDS, Math.floor(a / TLBI_KINDS), b >>> 12);
        return;
      case EVENT.WALK:
        this.add(WALK + cpu, 1);
        // How often the frame of the root had been freed.
        this.add(FREED_FRAMES, 0);
        this.add(CONTEXT + cpu, 0);
        return;
      case EVENT.WALK_CHECK:
        this.add(WALK + cpu, 1);
        return;
      default:
        this.message(kind, cpu, a, b, c);
    }
  }

  private message(kind: number, cpu: number, a: number, b: number, c: number): void {
    switch (kind) {
      case EVENT.QUEUE:
        this.add(QUEUED + cpu * 65536 + (a & 0xffff), 1);
        this.add(QUEUE_TAIL + cpu, 1);
        return;
      case EVENT.ACT:
        this.add(QUEUED + cpu * 65536 + (a & 0xffff), 1);
        // It waits for the stores that were buffered before it acted.
        this.add(BUFFER_IN + cpu, 0);
        // Complete or not, the barrier of the CPU that issued it waits for this.
        this.add(COMPLETION + b, 0);
        return;
      case EVENT.COMPLETE:
        this.add(COMPLETION + cpu, 0);
        return;
      case EVENT.BARRIER:
        this.add(COMPLETION + cpu, 1);
        return;
      case EVENT.IPI_SENT:
        if (this.delaysIpis) this.add(IRQ_FLIGHT + cpu * 32 + a, 1);
        else this.add(IRQ + cpu, 1);
        return;
      case EVENT.IPI_DELIVERED:
        this.add(IRQ_FLIGHT + cpu * 32 + a, 1);
        this.add(IRQ + cpu, 1);
        return;
      case EVENT.IPI_TAKEN:
        this.add(IRQ + cpu, 1);
        return;
      case EVENT.OPEN:
        this.add(IRQ + cpu, 0);
        return;
      case EVENT.CONTEXT:
        this.add(CONTEXT + cpu, 1);
        this.add(TLB + cpu, 1);
        return;
      case EVENT.GUEST:
        // What it changes says the GUEST_CONTEXT of the same step.
        return;
      case EVENT.GUEST_CONTEXT:
        this.add(CONTEXT + cpu, 1);
        this.add(TLB + cpu, 1);
        return;
      case EVENT.STAGE2:
        this.add(WALK + cpu, 1);
        this.add(PROMISES, 0);
        return;
      case EVENT.BEGIN:
        this.add(PROMISES, 0);
        return;
      case EVENT.CONTRACT:
        this.add(PROMISES, 1);
        // The promise is about what the entry says now.
        this.memory(cpu, a >>> 0, 0);
        return;
      case EVENT.FREED:
        this.add(PROMISES, 1);
        this.add(FREED_FRAMES, 1);
        return;
      case EVENT.ENDED:
        this.add(END, a);
        return;
      case EVENT.WINDOW:
        this.add(WINDOW + a, b);
        return;
      case EVENT.ASID:
        this.add(ASID_USE + a, 1);
        if (b === 0) return;
        // Every entry of the TLBs is looked at, and the word that says which number is the right one.
        this.add(TLB + cpu, 1);
        this.add(TLB_SCAN + cpu, 1);
        if (c !== 0) this.memory(cpu, c >>> 0, 0);
        return;
      case EVENT.COHERENCY:
        // A copy of the line comes in, for which another one goes.
        this.add(WORD + this.lineOf(a), 1);
        this.add(CACHE + cpu, 1);
        return;
      case EVENT.MAINTAIN:
        // Who loses the line looks again, and its monitor opens.
        if (a !== -1) this.add(WATCHED + this.lineOf(a), 0);
        if (!this.isTransparent && a !== -1) this.add(WORD + this.lineOf(a), 1);
        if (!this.isTransparent) this.add(CACHE + cpu, 1);
        return;
      case EVENT.EVICT:
      case EVENT.CACHES:
        if (!this.isTransparent || kind === EVENT.CACHES) this.add(CACHE + cpu, 1);
        return;
      case EVENT.BEHIND:
        if (!this.isTransparent) this.add(BEHIND + this.lineOf(a), b);
        return;
      default:
        // A finding ends the run, as a state may that was looked for, or is no part of the machine's state.
        if (kind !== EVENT.FINDING && kind !== EVENT.REACHED)
          throw new Error(`footprint: event ${kind} (${c}) is not known`);
    }
  }

  private walk(line: number): void {
    if (!this.isTransparent) this.add(BEHIND + line, 0);
    if (!this.walksBelowCaches) return;
    this.walked.add(line);
    this.hasWalkedWritten ||= this.written.has(line);
  }

  private write(line: number): void {
    if (!this.walksBelowCaches) return;
    this.written.add(line);
    this.hasWalkedWritten ||= this.walked.has(line);
  }

  /**
   * A load sees what its own CPU has stored before, drained or not: it commutes with that CPU's drains, and depends on
   * the stores of all others. Those are the CPUs whose number differs from its own in some bit.
   */
  private load(cpu: number, pa: number): void {
    if (!this.isTransparent) {
      this.memory(cpu, pa, 0);
      return;
    }
    for (let bit = 0; bit < this.cpuBits; bit++) this.add(storedBy(bit, ((cpu >>> bit) & 1) ^ 1, pa), 0);
  }

  private memory(cpu: number, pa: number, write: number): void {
    if (this.isTransparent) {
      this.add(WORD + (pa >>> 2), write);
      if (write === 0) return;
      for (let bit = 0; bit < this.cpuBits; bit++) this.add(storedBy(bit, (cpu >>> bit) & 1, pa), 1);
      return;
    }
    // Caches move whole lines, and what this CPU's cache holds decides what it sees.
    this.add(WORD + this.lineOf(pa), write);
    this.add(CACHE + cpu, 0);
  }

  private invalidate(cpu: number, kind: number, pages: number, vpn: number): void {
    this.add(WALK + cpu, 1);
    this.add(TLB_SCAN + cpu, 0);
    // What is remembered of stage 2 alone only walks look at.
    if (kind === TLBI_IPA) return;
    const byPage = !isWhole(kind) && kind !== TLBI_ASID && pages <= FEW_PAGES && !this.sawLarge;
    if (!byPage) this.add(TLB + cpu, 1);
    else for (let page = 0; page < pages; page++) this.add(pageKey(cpu, vpn + page), 1);
  }

  private lineOf(pa: number): number {
    return pa >>> this.lineShift;
  }
}

function storedBy(bit: number, is: number, pa: number): number {
  return ((STORED_BY + 2 * bit + is) << 25) + (pa >>> 2);
}

function pageKey(cpu: number, vpn: number): number {
  return TLB_PAGE + cpu * 0x80000 + (vpn & 0x7ffff);
}

/** True if the order of two steps with these footprints can matter. */
export function conflict(a: Footprint, b: Footprint): boolean {
  for (let i = 0; i < a.length; i += 2) {
    for (let j = 0; j < b.length; j += 2) {
      if (a[i] === b[j] && (a[i + 1] | b[j + 1]) !== 0) return true;
    }
  }
  return false;
}
