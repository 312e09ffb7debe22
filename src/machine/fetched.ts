/**
 * Instruction words that a CPU has fetched ahead of running them. Neither stores, its own included, nor
 * maintenance of caches or TLBs reach them: only a context synchronization discards them (Arm DDI 0487, glossary:
 * an ISB, taking an exception, returning from one). On platforms that do not fetch ahead there is no room for any.
 */
import { PLACE_FETCHED_AHEAD } from './check-port.ts';
import type { CpuState } from './cpu-state.ts';
import { EVENT } from './events.ts';
import { COUNT, FETCHED } from './registers.ts';
import type { MachineState } from './state.ts';

/** Keeps a word, in place of the oldest one. */
export function keepFetched(
  { fetched }: CpuState,
  va: number,
  pa: number,
  word: number,
  version: number,
): void {
  const at = FETCHED.FIRST + (fetched[FETCHED.COUNT]++ % FETCHED.ENTRIES) * FETCHED.WORDS;
  fetched[at + FETCHED.VALID] = 1;
  fetched[at + FETCHED.VA] = va;
  fetched[at + FETCHED.PA] = pa;
  fetched[at + FETCHED.WORD] = word;
  fetched[at + FETCHED.VERSION] = version;
}

/** Offset of the word fetched ahead from a virtual address, or -1. */
export function findFetched({ fetched }: CpuState, va: number): number {
  if (fetched.length === 0 || fetched[FETCHED.COUNT] === 0) return -1;
  for (let at = FETCHED.FIRST; at < fetched.length; at += FETCHED.WORDS) {
    if (fetched[at + FETCHED.VALID] === 1 && fetched[at + FETCHED.VA] === (va | 0)) return at;
  }
  return -1;
}

/** Runs the word at an offset. What has become of its location since, the CPU does not see. */
export function runFetched(m: MachineState, cpu: CpuState, at: number): number {
  const { fetched } = cpu;
  const [va, pa, word] = [FETCHED.VA, FETCHED.PA, FETCHED.WORD].map((part) => fetched[at + part] >>> 0);
  cpu.count(COUNT.fetches);
  cpu.count(COUNT.loads);
  cpu.charge(m.platform.costs.l1HitCycles);
  m.check?.loaded(cpu, va, pa, 4, word, fetched[at + FETCHED.VERSION], PLACE_FETCHED_AHEAD);
  m.events?.push(EVENT.LOAD, cpu.index, pa, word, va);
  m.events?.push(EVENT.READ_PAST, cpu.index, pa, 0, 0);
  return word;
}

/** A context synchronization of the CPU. */
export function discardFetched({ fetched }: CpuState): void {
  if (fetched.length > 0 && fetched[FETCHED.COUNT] > 0) fetched.fill(0);
}
