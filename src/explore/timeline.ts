/**
 * A run as a table: who did what, in which order, where in the program, and what became of the stale copy.
 * The choices are taken again with a log that knows where in the program each event comes from.
 */
import type { FindingRecord } from '../checker/finding.ts';
import { decodeAction } from '../machine/agents.ts';
import { cpuName, nameDevices } from '../machine/cpu-names.ts';
import { EVENT_WORDS } from '../machine/events.ts';
import type { Machine } from '../machine/machine.ts';
import type { AgentName } from '../machine/platform.ts';
import { AddressNames } from './address-names.ts';
import { EventWords, type Told } from './event-words.ts';
import { agentOf, type Execution, FIRST_AGENT, isDisturber } from './execution.ts';
import { Policy } from './policy.ts';
import { type Place, PlacedLog, placeText, tellingPlace } from './source-places.ts';
import { markCopy, warmEntries } from './stale-copy.ts';
import { type Item, rowsOf, type TimelineRow } from './timeline-rows.ts';

export type { TimelineRow } from './timeline-rows.ts';

/** Where a CPU was that had not ended its program. */
export interface Standing {
  readonly cpu: number;
  /** It had taken a step. */
  readonly hasBegun: boolean;
  /** The line that its next step would have come from. */
  readonly where?: string;
  /** Names of the functions that it was in, the outermost first. */
  readonly calls: readonly string[];
  /** Empty if it could go on. */
  readonly waitingFor: string;
}

/** Plain data. */
export interface Timeline {
  /** `CPU 0`, `CPU 1`, ..., `device 0`, ..., `hardware`. */
  readonly columns: readonly string[];
  readonly steps: number;
  readonly rows: readonly TimelineRow[];
  readonly standing: readonly Standing[];
}

/**
 * Explains a run. Leaves the execution at the end of it, as `replay` does.
 * @param choices taken from the beginning, as far as they can be taken
 */
export function timeline(on: Execution, choices: readonly number[]): Timeline {
  const quick = on.events;
  const log = new PlacedLog();
  on.logTo(log);
  try {
    return new Teller(on, log).tell(choices);
  } finally {
    // Whoever goes on with this execution has nothing to do with our slow log.
    on.logTo(quick);
    for (const choice of choices) {
      if (on.outcome !== undefined || !on.canTake(choice)) break;
      on.take(choice);
    }
  }
}

class Teller {
  private readonly on: Execution;
  private readonly log: PlacedLog;
  private readonly machine: Machine;
  private readonly words: EventWords;
  private readonly items: Item[] = [];
  private readonly policy = new Policy();
  /** Actions of the hardware that could have come before some CPU's step. */
  private readonly late = new Set<number>();

  constructor(on: Execution, log: PlacedLog) {
    this.on = on;
    this.log = log;
    this.machine = on.view.runners[0].cpu.machine;
    this.words = new EventWords(this.machine, new AddressNames(this.machine, on.layout), on.reachable);
  }

  tell(choices: readonly number[]): Timeline {
    const { on, items, words } = this;
    const warm = warmEntries(this.machine);
    let steps = 0;
    for (const choice of choices) {
      if (on.outcome !== undefined || !on.canTake(choice)) break;
      this.take(choice, ++steps);
    }
    on.conclude();
    words.end();
    const { findings, unfinished } = on.result();
    const finding: FindingRecord | undefined = findings[0];
    if (finding) markCopy(items, finding, warm);
    if (on.outcome === 'deadlock') {
      for (const { cpu, waitingFor, interruptsMasked } of unfinished) {
        const irq = interruptsMasked ? ', interrupts masked' : '';
        if (waitingFor !== '') items.push(stuck(steps, cpu, `waits for ever for ${waitingFor}${irq}`));
      }
    }
    const { cpus, processors } = this.machine.state;
    const { length } = cpus;
    const named = (text: string) => nameDevices(text, processors.length);
    return {
      columns: [...Array.from({ length }, (_, cpu) => cpuName(cpu, processors.length)), 'hardware'],
      steps,
      rows: rowsOf(items, length).map((row) => withNames(row, named)),
      standing: unfinished.map(({ cpu, waitingFor }) =>
        this.standing(cpu, named(waitingFor), choices.includes(cpu)),
      ),
    };
  }

  private take(choice: number, step: number): void {
    const { on, log, words } = this;
    const isAgent = choice >= FIRST_AGENT;
    const preempted = this.notePolicy(choice);
    const delayed = this.noteLate(choice);
    words.begin(isAgent ? agentOf(choice) : choice);
    const from = log.length / EVENT_WORDS;
    on.take(choice);
    const events: (Omit<Told, 'text'> & { places: readonly Place[] })[] = [];
    for (let i = from; i < log.length / EVENT_WORDS; i++) {
      const [kind, cpu, a, b, c] = log.words.subarray(i * EVENT_WORDS, (i + 1) * EVENT_WORDS);
      events.push({ kind, cpu, a, b, c, places: log.places[i] });
    }
    if (preempted >= 0) this.markPreempted(preempted);
    const action = isAgent ? decodeAction(choice) : undefined;
    const column = action ? this.machine.state.cpus.length : choice;
    const actor = action && { name: ACTORS[action.agent], cpu: action.cpu };
    const told = words.tell(events) as (Told & { places: readonly Place[] })[];
    for (const each of told) {
      const item = { ...shape(step, column), told: each, places: each.places, delayed };
      this.items.push(actor ? { ...item, actor } : item);
    }
    const { cpu, isBlocked } = on.view.runners[isAgent ? 0 : choice];
    if (!isAgent && isBlocked && cpu.waitingFor !== '' && on.outcome === undefined) {
      const last = told[told.length - 1];
      this.items.push({
        ...shape(step, column),
        told: { kind: 0, cpu: choice, a: 0, b: 0, c: 0, text: `waits for ${cpu.waitingFor}` },
        places: last?.places ?? [],
      });
    }
  }

  /** @returns the CPU that this choice takes off though it could go on, or -1 */
  private notePolicy(choice: number): number {
    const { on, policy } = this;
    const { lastCpu, preemptions } = policy;
    policy.note(on, choice, policy.choose(on));
    return policy.preemptions > preemptions ? lastCpu : -1;
  }

  /** Notes what a CPU's step makes wait. @returns true if the choice is an action that has waited */
  private noteLate(choice: number): boolean {
    if (choice >= FIRST_AGENT) return this.late.delete(choice);
    const { enabled, enabledCount } = this.on;
    for (const due of enabled.slice(0, enabledCount)) {
      if (due >= FIRST_AGENT && !isDisturber(agentOf(due))) this.late.add(due);
    }
    return false;
  }

  private markPreempted(cpu: number): void {
    for (let i = this.items.length - 1; i >= 0; i--) {
      if (this.items[i].column !== cpu) continue;
      this.items[i].preemption = true;
      return;
    }
  }

  private standing(cpu: number, waitingFor: string, hasBegun: boolean): Standing {
    const { on, log } = this;
    const known = { cpu, hasBegun, calls: [], waitingFor };
    if (waitingFor !== '' || !hasBegun || on.outcome === 'error' || !on.canTake(cpu)) return known;
    const from = log.places.length;
    on.take(cpu);
    const places = log.places.slice(from).find(({ length }) => length > 0) ?? [];
    const place = tellingPlace(places);
    const calls = places.map(({ name }) => name).reverse();
    return { ...known, calls, ...(place && { where: placeText(place) }) };
  }
}

function withNames(row: TimelineRow, named: (text: string) => string): TimelineRow {
  const { actor, lines } = row;
  return { ...row, ...(actor !== undefined && { actor: named(actor) }), lines: lines.map(named) };
}

function shape(step: number, column: number) {
  return { step, column, delayed: false, preemption: false } as const;
}

function stuck(step: number, cpu: number, text: string): Item {
  return { ...shape(step, cpu), mark: 'stuck', places: [], told: { kind: 0, cpu, a: 0, b: 0, c: 0, text } };
}

/** What the hardware's agents are called before `CPU 1`. */
const ACTORS: Readonly<Record<AgentName, string>> = {
  drain: 'write buffer of',
  broadcast: 'broadcast to',
  ipi: 'IPI to',
  evict: 'cache of',
  prefetch: 'prefetcher of',
  walk: 'walker of',
};
