/**
 * Feeds the model with what the machine performed, and stops at the first difference: a value that the
 * model does not expect, a finding that it does not predict, or one that it predicts and nobody made.
 */
import { kindNames } from '../../checker/finding.ts';
import { ATTRIBUTE_NORMAL } from '../../machine/attributes.ts';
import type { Platform } from '../../machine/platform.ts';
import { EVENT, eventNames, levels, reaches, type Sink } from './events.ts';
import type { Layout } from './layout.ts';
import { Model } from './model.ts';
import type { ModelCpu } from './model-caches.ts';
import { ModelMaintenance } from './model-maintenance.ts';
import type { Expected } from './model-memory.ts';

/** Events kept for the message of a difference. */
const RECENT = 24;

class ModelDifference extends Error {
  override name = 'ModelDifference';
}

export class Comparer {
  /** Findings that the model predicted and the checker made. */
  predicted = 0;

  private readonly model: Model;
  private readonly maintenance: ModelMaintenance;
  private readonly layout: Layout;
  /** Space that each CPU is in. */
  private readonly spaces: number[];
  private readonly found: string[] = [];
  private readonly recent: string[] = [];
  private readonly describes: boolean;
  private events = 0;

  /** @param describes keep the last events in words, for the message: slow */
  constructor(platform: Platform, cpus: number, layout: Layout, seed: number, describes = false) {
    this.model = new Model(platform, cpus, seed);
    this.maintenance = new ModelMaintenance(platform, this.model);
    this.layout = layout;
    this.spaces = new Array<number>(cpus).fill(0);
    this.describes = describes;
  }

  readonly sink: Sink = (kind, index, a, b, c, d, e) => {
    this.events++;
    if (this.describes) this.remember(`CPU ${index} ${nameOf(kind)} ${[a, b, c, d, e].map(hex).join(' ')}`);
    if (kind === EVENT.FINDING) {
      this.found.push(keyOf(kindNames[a], index, b, c, d, e));
      return;
    }
    this.apply(kind, this.model.cpus[index], a, b, c, d);
    if (kind === EVENT.TOUCH && c === 1) return;
    if (this.found.length > 0 || this.model.memory.expected.length > 0) this.compareFindings(kind, index);
  };

  private apply(kind: number, cpu: ModelCpu, a: number, b: number, c: number, d: number): void {
    const { model } = this;
    switch (kind) {
      case EVENT.LOAD: {
        const { pa, uncached } = this.translate(cpu, a);
        this.same(kind, cpu, a, c, model.load(cpu, a, pa, b, uncached));
        return;
      }
      case EVENT.STORE: {
        const { pa, uncached } = this.translate(cpu, a);
        model.store(cpu, a, pa, b, c, d, uncached);
        return;
      }
      case EVENT.MODIFY: {
        const { pa, uncached } = this.translate(cpu, a);
        this.same(kind, cpu, a, c, model.modify(cpu, a, pa, uncached, b));
        return;
      }
      case EVENT.LOAD_EXCLUSIVE: {
        const { pa, uncached } = this.translate(cpu, a);
        this.same(kind, cpu, a, b, model.loadExclusive(cpu, a, pa, uncached));
        return;
      }
      case EVENT.STORE_EXCLUSIVE: {
        const { pa, uncached } = this.translate(cpu, a);
        this.same(kind, cpu, a, c, model.storeExclusive(cpu, a, pa, uncached, b) ? 1 : 0);
        return;
      }
      case EVENT.TOUCH: {
        const va = (a & ~3) >>> 0;
        const { pa, uncached } = this.translate(cpu, va);
        if ((a & 1) === 0) model.loadPerformed(cpu, va, pa, 4, uncached);
        else model.perform(cpu, { va, pa, asid: cpu.asid, size: 4, low: b, high: 0, uncached });
        return;
      }
      case EVENT.FETCH: {
        const { pa, uncached } = this.translate(cpu, a);
        this.same(kind, cpu, a, b, model.fetch(cpu, a, pa, uncached));
        return;
      }
      default:
        this.applyHardware(kind, cpu, a, b, c, d);
    }
  }

  private applyHardware(kind: number, cpu: ModelCpu, a: number, b: number, c: number, d: number): void {
    const { model, maintenance } = this;
    switch (kind) {
      case EVENT.MAINTAIN:
        maintenance.byAddress(cpu, a, this.translate(cpu, a).pa, operation(b), reaches[c]);
        return;
      case EVENT.SET_WAY:
        maintenance.bySetWay(cpu, levels[a], b, c, operation(d));
        return;
      case EVENT.FETCH_MAINTAIN:
        model.fetchMaintain(cpu, a, a < 0 ? undefined : this.translate(cpu, a).pa);
        return;
      case EVENT.SWITCH:
        this.spaces[cpu.index] = a;
        cpu.asid = this.layout.asids[a];
        return;
      case EVENT.DRAIN:
        model.drain(cpu);
        return;
      case EVENT.EVICT:
        maintenance.evict(cpu, a);
        return;
      case EVENT.PREFETCH:
        model.prefetch(cpu, a, this.translate(cpu, a).pa);
        return;
      case EVENT.WALK_READ:
        model.walkRead(cpu, a);
        return;
      default:
        throw new Error(`random-coherency: event ${kind} has no meaning`);
    }
  }

  /** Translations stand still in software mode. */
  private translate(cpu: ModelCpu, va: number): { pa: number; uncached: boolean } {
    for (const page of this.layout.spaces[this.spaces[cpu.index]]) {
      if (va - page.va < 0 || va - page.va >= 0x1000) continue;
      return { pa: page.frames[0] * 0x1000 + (va - page.va), uncached: page.attributes !== ATTRIBUTE_NORMAL };
    }
    throw new Error(`random-coherency: address ${hex(va)} is in no page`);
  }

  private same(kind: number, cpu: ModelCpu, va: number, got: number, expected: number): void {
    if (got === expected) return;
    this.differ(
      `CPU ${cpu.index}, ${nameOf(kind)} at ${hex(va)}: got ${hex(got)}, the model says ${hex(expected)}`,
    );
  }

  /** Findings of one step have no order among themselves. */
  private compareFindings(kind: number, cpu: number): void {
    const { memory } = this.model;
    const found = this.found.splice(0).sort();
    const expected = memory.expected.splice(0).map(keyOfExpected).sort();
    if (found.length === expected.length && found.every((key, i) => key === expected[i])) {
      this.predicted += found.length;
      return;
    }
    const lines = [
      ...found.filter((key) => !expected.includes(key)).map((key) => `found, not predicted: ${key}`),
      ...expected.filter((key) => !found.includes(key)).map((key) => `predicted, not found: ${key}`),
    ];
    this.differ(
      `CPU ${cpu}, ${nameOf(kind)}: ${lines.join('; ') || 'a finding was made twice or once too few'}`,
    );
  }

  /** To be called at the end. */
  finish(): void {
    if (this.found.length > 0) this.differ(`found after the last event: ${this.found.join('; ')}`);
  }

  private remember(line: string): void {
    this.recent.push(line);
    if (this.recent.length > RECENT) this.recent.shift();
  }

  private differ(text: string): never {
    const history = this.recent.length > 0 ? `\nlast events:\n${this.recent.join('\n')}` : '';
    throw new ModelDifference(`event ${this.events}: ${text}${history}`);
  }
}

function operation(bits: number) {
  return { clean: (bits & 1) !== 0, invalidate: (bits & 2) !== 0 };
}

function nameOf(kind: number): string {
  return eventNames[kind - 1].toLowerCase().replaceAll('_', ' ');
}

function hex(value: number): string {
  return value < 0 ? String(value) : `0x${value.toString(16)}`;
}

function keyOf(kind: string, cpu: number, pa: number, got: number, version: number, newest: number): string {
  const value = got < 0 ? '' : ` got ${hex(got)}`;
  return `${kind} CPU ${cpu} at ${hex(pa)}${value} version ${version} of ${newest}`;
}

function keyOfExpected(e: Expected): string {
  return keyOf(e.kind, e.cpu, e.pa, e.got, e.version, e.newest);
}
