/**
 * Cache maintenance whose time is taken: one CPU has used some pages, maintains their lines or whole caches, and reads
 * the pages once more. The first round warms up and is not counted.
 */
import { BootMemory } from '../../kernel/boot-memory.ts';
import { flushBySetWay, setWayLevels } from '../../kernel/set-way.ts';
import { CLEAN, FLUSH, INVALIDATE, type LineOperation } from '../../machine/cache-maintenance.ts';
import type { Cpu, Steps } from '../../machine/cpu.ts';
import { PAGE_BYTES } from '../../machine/platform.ts';
import type { Parameters, Workload } from '../../program/workload.ts';

export const lineOperations = {
  clean: CLEAN,
  invalidate: INVALIDATE,
  flush: FLUSH,
} as const satisfies Readonly<Record<string, LineOperation>>;
export type LineOperationName = keyof typeof lineOperations;

/**
 * What is timed: each line of the pages, with a barrier after each (`line`) or after the last (`page`); the same with
 * an outer cache’s controller (`address`); the first level by set and way, or all that it reaches.
 */
type Manner = 'line' | 'page' | 'address' | 'first-level' | 'all-levels';

/** Of the lines before each round: not in a cache, clean in the L1D, dirty there, dirty one level further down. */
export type LineState = 'absent' | 'clean' | 'dirty' | 'below';

export interface MaintenanceSettings {
  readonly manner: Manner;
  readonly operation: LineOperationName;
  readonly reach: 'unification' | 'coherency';
  readonly state: LineState;
  readonly pages: number;
}

export const MAINTENANCE_NOTE = { ROUNDS: 0, CYCLES: 1, LINES: 2, AGAIN_CYCLES: 3 } as const;

const ROUNDS = 3;

interface Layout {
  readonly pagesPa: number;
}

function createWorkload(parameters: Parameters): Workload<Layout> {
  const settings = parameters as unknown as MaintenanceSettings;
  return {
    setup: (machine) => ({ pagesPa: new BootMemory(machine).pages(Math.max(1, settings.pages)) }),
    start: ({ cpu, layout }) => ({ program: rounds(cpu, layout, settings), vectors: null }),
  };
}

/** The programs, and the URL that jobs name them by. */
export default { module: import.meta.url, createWorkload };

function* rounds(cpu: Cpu, { pagesPa }: Layout, settings: MaintenanceSettings): Steps {
  const { lineBytes } = cpu.machine.platform;
  const { notes } = cpu.hw;
  const count = (settings.pages * PAGE_BYTES) / lineBytes;
  const lines = Array.from({ length: count }, (_, i) => pagesPa + i * lineBytes);
  for (let round = 0; round < ROUNDS; round++) {
    yield* prepare(cpu, lines, settings.state);
    const began = cpu.clock;
    const operations = yield* act(cpu, lines, settings);
    const ended = cpu.clock;
    for (const line of lines) yield* cpu.loadPhysical(line);
    const again = cpu.clock - ended;
    // Whatever is left would make the next round another one.
    for (const line of lines) yield* cpu.maintainPhysical(line, lineOperations.flush, 'memory');
    yield* cpu.dsb();
    if (round === 0) continue;
    notes[MAINTENANCE_NOTE.ROUNDS]++;
    notes[MAINTENANCE_NOTE.CYCLES] += ended - began;
    notes[MAINTENANCE_NOTE.LINES] += operations;
    notes[MAINTENANCE_NOTE.AGAIN_CYCLES] += again;
  }
}

function* prepare(cpu: Cpu, lines: readonly number[], state: LineState): Steps {
  if (state === 'absent') return;
  // Some caches allocate a line for a load only.
  for (const line of lines) yield* cpu.loadPhysical(line);
  if (state === 'clean') return;
  for (const line of lines) yield* cpu.storePhysical(line, 1);
  yield* cpu.dsb();
  if (state === 'dirty') return;
  for (const line of lines) yield* cpu.maintainPhysical(line, lineOperations.flush, 'unification');
  yield* cpu.dsb();
}

/** @returns operations on lines that it took */
function* act(cpu: Cpu, lines: readonly number[], settings: MaintenanceSettings): Steps<number> {
  const { manner, reach } = settings;
  const operation = lineOperations[settings.operation];
  if (manner === 'first-level' || manner === 'all-levels') {
    const all = setWayLevels(cpu.machine.platform);
    const levels = manner === 'all-levels' ? all : all.slice(0, 1);
    yield* flushBySetWay(cpu, levels);
    return levels.reduce((sum, { sets, ways }) => sum + sets * ways, 0);
  }
  for (const line of lines) {
    yield* cpu.maintainPhysical(line, operation, reach);
    if (manner === 'line') yield* cpu.dsb();
  }
  if (manner !== 'line') yield* cpu.dsb();
  if (manner !== 'address' || cpu.machine.platform.outer?.maintainedBy !== 'controller') return lines.length;
  for (const line of lines) yield* cpu.maintainOuter(line, operation);
  yield* cpu.dsb();
  return 2 * lines.length;
}
