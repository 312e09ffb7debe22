/**
 * Listens to what the hardware of one thread does beside the programs' own operations: drains, evictions,
 * prefetches, table reads and the accesses of bulk runs, each reported right after it was performed.
 */
import type { Checker } from '../../checker/checker.ts';
import { kindNames } from '../../checker/finding.ts';
import { decodeAction } from '../../machine/agents.ts';
import type { Machine } from '../../machine/machine.ts';
import { CTL } from '../../machine/registers.ts';
import { EVENT, type Sink } from './events.ts';

export function tapMachine(
  machine: Machine,
  checker: Checker | null,
  speculation: readonly number[],
  sink: Sink,
): void {
  const { stores, agents, translation, bulk } = machine;
  const { lineBytes } = machine.platform;
  const drained = stores.drained;
  stores.drained = (cpu) => {
    drained(cpu);
    sink(EVENT.DRAIN, cpu.index, 0, 0, 0, 0, 0);
  };
  const perform = agents.perform.bind(agents);
  agents.perform = (choice) => {
    const { agent, cpu, parameter } = decodeAction(choice);
    const lastVa = machine.state.cpus[cpu].ctl[CTL.LAST_VA] >>> 0;
    perform(choice);
    if (agent === 'evict') sink(EVENT.EVICT, cpu, parameter, 0, 0, 0, 0);
    if (agent !== 'prefetch') return;
    const va = parameter > 0 ? speculation[parameter - 1] : lastVa + lineBytes;
    sink(EVENT.PREFETCH, cpu, va, 0, 0, 0, 0);
  };
  const readEntryStep = translation.readEntryStep.bind(translation);
  translation.readEntryStep = (cpu, va, ptePa) => {
    const found = readEntryStep(cpu, va, ptePa);
    sink(EVENT.WALK_READ, cpu.index, ptePa, 0, 0, 0, 0);
    return found;
  };
  const run = bulk.run.bind(bulk);
  bulk.run = (cpu, trace, from, to) => {
    const end = run(cpu, trace, from, to);
    for (let i = from; i < end; i++) sink(EVENT.TOUCH, cpu.index, trace[i], i, i + 1 < end ? 1 : 0, 0, 0);
    return end;
  };
  if (!checker) return;
  checker.onFinding = (record) => {
    const { kind, cpu = -1, pa = -1, got = -1, version = -1, newest = -1 } = record;
    sink(EVENT.FINDING, cpu, kindNames.indexOf(kind), pa, got, version, newest);
  };
}
