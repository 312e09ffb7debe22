/** What the events of a run mean, in the words of somebody who explains it at a whiteboard. */
import { kindNames } from '../checker/finding.ts';
import { CONTEXT_ASID, CONTEXT_BASE, EVENT, TLBI_KINDS } from '../machine/events.ts';
import type { Machine } from '../machine/machine.ts';
import type { AgentName } from '../machine/platform.ts';
import { AddressNames } from './address-names.ts';
import { cpusOf, hex, page, reachText, shown } from './number-words.ts';

/** An event of the log, with what it means; a text that is empty is nothing that anybody would draw. */
export interface Told {
  readonly kind: number;
  readonly cpu: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  text: string;
  /** A store that was performed: the word that it left. */
  word?: number;
}

/** A store on its way to where others can see it. */
interface OnItsWay {
  readonly told: Told;
  /** What the store is, as a noun. */
  readonly noun: string;
  /** Another CPU has taken a step since. */
  isLate: boolean;
}

export class EventWords {
  private readonly machine: Machine;
  private readonly names: AddressNames;
  private readonly states: readonly string[];
  /** By CPU * 65536 + number. */
  private readonly buffered = new Map<number, OnItsWay>();
  private readonly held = new Set<string>();
  /** Virtual address of each CPU's access in this step. */
  private va = -1;
  /** CPU that takes this step; -1: the hardware does. */
  private actor = -1;
  private agent: AgentName | undefined;
  private isSending = false;

  /** @param states that the scenario declares reachable */
  constructor(machine: Machine, names: AddressNames, states: readonly string[]) {
    this.machine = machine;
    this.names = names;
    this.states = states;
  }

  /** A step begins. @param by the CPU that takes it, or the hardware's agent */
  begin(by: number | AgentName): void {
    const actor = typeof by === 'number' ? by : -1;
    this.agent = typeof by === 'number' ? undefined : by;
    this.va = -1;
    this.actor = actor;
    this.isSending = false;
    for (const [key, store] of this.buffered) if (actor >= 0 && key >>> 16 !== actor) store.isLate = true;
  }

  /** A step has ended. @returns its events with their meanings, findings last */
  tell(events: readonly Omit<Told, 'text'>[]): Told[] {
    const told = events.map((event): Told => ({ ...event, text: '' }));
    this.isSending = told.some(({ kind }) => kind === EVENT.QUEUE);
    for (const each of told) {
      const text = this.textOf(each);
      each.text = this.isDevice(each.cpu) ? text.replace(/\bTLB\b/g, 'IOTLB') : text;
    }
    return [
      ...told.filter(({ kind }) => kind !== EVENT.FINDING),
      ...told.filter(({ kind }) => kind === EVENT.FINDING),
    ];
  }

  /** The run is over: what has not drained by now is known to no other CPU. */
  end(): void {
    for (const { told } of this.buffered.values()) told.text += ' (still in its write buffer)';
    this.buffered.clear();
  }

  private isDevice(cpu: number): boolean {
    return cpu >= this.machine.state.processors.length;
  }

  private textOf(told: Told): string {
    const { kind, cpu, a, b, c } = told;
    switch (kind) {
      case EVENT.LOOKUP:
        this.va = a >>> 0;
        return '';
      case EVENT.LOAD:
        return this.load(cpu, a >>> 0, b, c >>> 0);
      case EVENT.BUFFER:
        return this.buffer(told);
      case EVENT.STORE:
        return this.performed(told);
      case EVENT.WALK:
        return `misses in the TLB: walks for page ${page(a)}`;
      case EVENT.WALK_READ: {
        const word = this.names.wordAt(a >>> 0);
        if (word?.kind === 'entry' && !word.isLast) return '';
        return `walker reads entry of page ${page(c)}: ${AddressNames.entryText(b)}`;
      }
      case EVENT.FILL:
        return `TLB gets page ${page((a & 0xf_ffff) * 4096)}: ${AddressNames.entryText(b)}`;
      case EVENT.TLBI:
        return this.invalidate(cpu, a % TLBI_KINDS, Math.floor(a / TLBI_KINDS), b);
      case EVENT.CONTRACT:
        return `promises that nobody uses the old ${this.nounOf(a >>> 0)} any more`;
      case EVENT.FREED:
        return `frame ${hex(a * 4096)} is free from now on`;
      case EVENT.FINDING:
        // A deadlock is told of where each CPU stands.
        return kindNames[a] === 'deadlock' ? '' : `finding: ${kindNames[a]}`;
      default:
        return this.message(kind, cpu, a, b, c);
    }
  }

  private message(kind: number, cpu: number, a: number, b: number, c: number): string {
    switch (kind) {
      case EVENT.IPI_SENT:
        return `sends an IPI to CPU ${cpu}`;
      case EVENT.REACHED:
        return `the state '${this.states[a]}' is reached`;
      case EVENT.IPI_DELIVERED:
        return 'arrives';
      case EVENT.IPI_TAKEN:
        return 'takes the IPI';
      case EVENT.CONTEXT:
        this.names.addTables(a >>> 0);
        if (this.isDevice(cpu)) return `gives CPU ${cpu} the I/O tables at ${hex(a)}`;
        if (c === CONTEXT_ASID) return `sets its ASID register to ${b}, tables at ${hex(a)}`;
        if (c === CONTEXT_BASE) return `sets its table base to ${hex(a)}, ASID ${b}`;
        return `switches to the tables at ${hex(a)}, ASID ${b}`;
      case EVENT.GUEST:
        return a === 1 ? `enters the guest of VMID ${b}` : `leaves the guest of VMID ${b} for the host`;
      case EVENT.STAGE2:
        if (b === 0) return '';
        return `remembers stage 2: ${hex(a)} is ${AddressNames.entryText(b)}`;
      case EVENT.CACHES:
        return a === 1 ? 'turns its caches on' : 'turns its caches off';
      case EVENT.MAINTAIN:
        if (cpu !== this.actor) return '';
        return a === -1
          ? 'maintains its caches by set and way'
          : `maintains the line of ${this.nounOf(a >>> 0)}`;
      case EVENT.COHERENCY:
        return `finds the line of ${this.nounOf(a >>> 0)} under another virtual index: exception`;
      case EVENT.EVICT:
        if (this.agent !== 'evict') return '';
        return `evicts the line of ${this.nounOf(a >>> 0)}${b === 1 ? ', dirty' : ''}`;
      case EVENT.BEHIND:
        return this.agent === 'prefetch' && b === 0 ? `fetches the line of ${this.nounOf(a >>> 0)}` : '';
      default:
        return '';
    }
  }

  private load(cpu: number, pa: number, value: number, va: number): string {
    // An access that could not be made yet: what it waits for comes first.
    if (value < 0) return '';
    if (this.va >= 0 && va !== pa) return `loads ${hex(va)} from frame ${page(pa)}: ${shown(value)}`;
    const word = this.names.wordAt(pa);
    switch (word?.kind) {
      case 'entry':
        // On its way down to the table that maps the page.
        if (word.level < this.machine.translation.depth - 1) return '';
        return `reads ${this.nounOf(pa)}: ${AddressNames.entryText(value)}`;
      case 'ticket':
        return '';
      case 'turn': {
        const key = `${cpu} ${word.lock}`;
        if (this.held.has(key)) return '';
        const ticket = this.tickets.get(key);
        if (ticket !== value >>> 0) return `waits for the ${word.name}`;
        this.held.add(key);
        return `takes the ${word.name}`;
      }
      case 'call':
        return '';
      case 'frames':
        // A frame that is taken off the stack is still on it: the number is the only thing that is of interest.
        return word.field === 'stack' ? `takes frame ${hex(value * 4096)} from the allocator` : '';
      default:
        if (word?.name.startsWith('cpu mask')) return `reads who has run the space: ${cpusOf(value)}`;
        return `reads ${this.nounOf(pa)}: ${shown(value)}`;
    }
  }

  /** Tickets that CPUs have drawn, by CPU and lock. */
  private readonly tickets = new Map<string, number>();

  private buffer(told: Told): string {
    const { cpu, a, b, c } = told;
    const { text, noun } = this.storeWords(cpu, b >>> 0, c);
    if (text !== '') this.buffered.set(cpu * 65536 + (a & 0xffff), { told, noun, isLate: false });
    return text;
  }

  /** A store that others see from now on: at once, or out of the write buffer. */
  private performed(told: Told): string {
    const { cpu, a, c } = told;
    const pa = a >>> 0;
    const { shadow } = this.machine.state;
    // What an atomic stored is not in its event.
    const value = c === 4 && shadow ? shadow.value[pa >>> 2] : told.b;
    told.word = value;
    this.names.noteEntry(pa, value);
    for (const [key, store] of this.buffered) {
      if (key >>> 16 !== cpu || store.told.b >>> 0 !== pa) continue;
      this.buffered.delete(key);
      if (!store.isLate) return '';
      store.told.text += ' (stays in its write buffer)';
      return this.actor < 0 ? `${store.noun} reaches memory` : `its store drains: ${store.noun}`;
    }
    return this.storeWords(cpu, pa, value).text;
  }

  private storeWords(cpu: number, pa: number, value: number): { text: string; noun: string } {
    const isUser = this.va >= 0 && (this.va & 4095) === (pa & 4095);
    if (isUser) {
      const to = `${hex(this.va)} in frame ${page(pa)}`;
      return { text: `stores ${shown(value)} to ${to}`, noun: `${shown(value)} for ${hex(this.va)}` };
    }
    const word = this.names.wordAt(pa);
    const silent = { text: '', noun: '' };
    switch (word?.kind) {
      case 'entry': {
        const noun = this.nounOf(pa);
        const says = AddressNames.entryText(value);
        if ((value & 1) === 0) return { text: `clears ${noun}`, noun: `the empty ${noun}` };
        return { text: `writes ${noun}: ${says}`, noun: `${noun} (${says})` };
      }
      case 'ticket':
        this.tickets.set(`${cpu} ${word.lock}`, (value - 1) >>> 0);
        return silent;
      case 'turn':
        this.held.delete(`${cpu} ${word.lock}`);
        return { text: `releases the ${word.name}`, noun: `the release of the ${word.name}` };
      case 'call': {
        if (word.field !== 'flag' || value !== 0) return silent;
        const text = `acknowledges to CPU ${word.index[0]}`;
        return { text, noun: `the acknowledgement to CPU ${word.index[0]}` };
      }
      case 'frames':
        return silent;
      default: {
        if (word?.name.startsWith('cpu mask')) {
          const text = `notes who has run the space: ${cpusOf(value)}`;
          return { text, noun: 'the note' };
        }
        const text = `sets ${this.nounOf(pa)} = ${shown(value)}`;
        return { text, noun: text.slice('sets '.length) };
      }
    }
  }

  private invalidate(cpu: number, kind: number, pages: number, va: number): string {
    const what = reachText(kind, pages, va);
    if (this.actor < 0) return `${what} leaves its TLB`;
    if (this.isDevice(cpu)) return `invalidates ${what} in the TLB of CPU ${cpu}`;
    if (cpu !== this.actor) return '';
    return this.isSending ? `broadcasts: ${what} must leave all TLBs` : `invalidates ${what} in its own TLB`;
  }

  /** A word as a noun. */
  private nounOf(pa: number): string {
    const word = this.names.wordAt(pa);
    if (word?.kind === 'entry') {
      return word.isLast ? `entry of page ${page(word.va)}` : `table entry for ${hex(word.va)}`;
    }
    return word && 'name' in word ? word.name : hex(pa);
  }
}
