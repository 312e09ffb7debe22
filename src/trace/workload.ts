/** Programs of a trace run: each CPU runs the traces that it is given, in turn. */

import type { AddressSpace } from '../kernel/address-space.ts';
import type { Mechanism } from '../kernel/tlb-flush.ts';
import { StreamPort } from '../machine/bulk-fetch.ts';
import { isDirty } from '../machine/cache.ts';
import { type Cpu, STEP, type Steps } from '../machine/cpu.ts';
import type { Machine } from '../machine/machine.ts';
import { PAGE_BYTES, PAGE_SHIFT } from '../machine/platform.ts';
import type { Parameters, ProgramContext, StartedProgram, Workload } from '../program/workload.ts';
import { type FeedBuffers, FeedReader, namesOf } from './feed.ts';
import { STREAM_NOTES, TRACE_NOTE } from './notes.ts';
import { KIND_FETCH, KIND_STORE } from './records.ts';
import { layTraceKernel, TraceKernel, type TraceKernelLayout } from './trace-kernel.ts';
import { CHUNK_MAP_WORDS, ChunkMap, Relocation } from './words.ts';

/** What the parameters of a job say. A type, so that it is a plain record. */
export type TraceParameters = {
  /** Number of the run in this process: its feeds are kept under it. */
  readonly run: number;
  /** Accesses in one step: what another CPU can come between. */
  readonly perStep: number;
  /** Each access is a turn. */
  readonly turns: boolean;
  readonly spaces: string;
  readonly mechanism: string;
  /** Page colours that frames are handed out by. */
  readonly colours: number;
  /** Events of the kernel every so many accesses of a CPU; 0 for never. */
  readonly munmapEvery: number;
  readonly forkEvery: number;
  readonly migrateEvery: number;
  readonly switchEvery: number;
  /** Pages that an event takes away. */
  readonly pages: number;
};

/** A trace, and where it runs. */
export interface PlacedTrace {
  readonly feed: FeedBuffers;
  readonly cpu: number;
  readonly space: number;
}

interface Layout {
  readonly kernel: TraceKernelLayout;
  readonly traces: readonly PlacedTrace[];
  readonly maps: readonly Int32Array[];
}

const placed = new Map<number, readonly PlacedTrace[]>();
let runs = 0;

/** Keeps the traces of a run for its `setup`; the number goes into the parameters. */
export function placeTraces(traces: readonly PlacedTrace[]): number {
  runs++;
  placed.set(runs, traces);
  return runs;
}

export function createWorkload(parameters: Parameters): Workload<Layout> {
  const p = parameters as unknown as TraceParameters;
  return {
    setup: (machine) => setup(machine, p),
    start: (context) => start(context, p),
    finish: (machine) => countDirty(machine),
  };
}

function setup(machine: Machine, p: TraceParameters): Layout {
  const traces = placed.get(p.run);
  if (!traces) throw new Error(`no traces are kept for run ${p.run}`);
  placed.delete(p.run);
  const spaces = 1 + Math.max(...traces.map((trace) => trace.space));
  const maps = Array.from(
    { length: spaces },
    () => new Int32Array(new SharedArrayBuffer(CHUNK_MAP_WORDS * 4)),
  );
  return { kernel: layTraceKernel(machine, spaces, p.colours), traces, maps };
}

function start(context: ProgramContext<Layout>, p: TraceParameters): StartedProgram {
  const { machine, layout, checker, cpu } = context;
  const kernel = new TraceKernel(machine, layout.kernel, p.mechanism as Mechanism, checker);
  return { program: new TraceProgram(cpu, kernel, layout, p).run(), vectors: kernel };
}

/** One trace that a CPU runs. */
class Thread {
  readonly space: AddressSpace;
  words: Uint32Array = new Uint32Array(0);
  at = 0;
  private readonly reader: FeedReader;
  private readonly relocation: Relocation;

  constructor({ feed, space }: PlacedTrace, layout: Layout) {
    this.space = layout.kernel.spaces[space];
    this.reader = new FeedReader(feed);
    this.relocation = new Relocation(namesOf(feed), new ChunkMap(layout.maps[space]));
  }

  /** Gets the next stretch if there is nothing left of this one. Returns false at the end of the trace. */
  fill(): boolean {
    while (this.at === this.words.length) {
      const words = this.reader.take();
      if (!words) return false;
      this.relocation.relocate(words, this.reader.chunkCount);
      this.words = words;
      this.at = 0;
    }
    return true;
  }

  abandon(): void {
    this.reader.abandon();
  }
}

class TraceProgram {
  private readonly cpu: Cpu;
  private readonly kernel: TraceKernel;
  private readonly p: TraceParameters;
  private readonly port: StreamPort;
  private readonly threads: Thread[];
  private done = 0;
  private nextEvent = Number.POSITIVE_INFINITY;

  constructor(cpu: Cpu, kernel: TraceKernel, layout: Layout, p: TraceParameters) {
    this.cpu = cpu;
    this.kernel = kernel;
    this.p = p;
    const { notes } = cpu.hw;
    this.port = new StreamPort(cpu.machine, cpu.hw, notes.subarray(STREAM_NOTES.from, STREAM_NOTES.to));
    const own = layout.traces.filter((trace) => trace.cpu === cpu.index);
    this.threads = own.map((trace) => new Thread(trace, layout));
  }

  *run(): Steps {
    const { cpu, kernel, threads, p } = this;
    const { notes } = cpu.hw;
    const running = [...threads];
    if (running.length > 0) yield* kernel.switchTo(cpu, running[0].space);
    yield* kernel.arrive(cpu);
    this.planEvent();
    // To be ready is a turn, so that nobody's first access comes before all are.
    notes[TRACE_NOTE.TURNS]++;
    notes[TRACE_NOTE.BEGAN_CYCLES] = cpu.clock;
    const began = performance.now();
    let current = 0;
    while (running.length > 0) {
      const slice = running.length > 1 && p.switchEvery > 0 ? p.switchEvery : Number.POSITIVE_INFINITY;
      const isLeft = yield* this.runThread(running[current], slice);
      if (!isLeft) running.splice(current, 1);
      if (running.length === 0) break;
      current = (isLeft ? current + 1 : current) % running.length;
      yield* kernel.switchTo(cpu, running[current].space);
      notes[TRACE_NOTE.SWITCHES]++;
    }
    notes[TRACE_NOTE.MILLISECONDS] = performance.now() - began;
  }

  /** Runs a trace for some accesses. Returns false if it has ended. */
  private *runThread(thread: Thread, accesses: number): Steps<boolean> {
    const { cpu, port, p } = this;
    const { hw } = cpu;
    const sliceEnd = this.done + accesses;
    while (this.done < sliceEnd) {
      if (!thread.fill()) return false;
      const { words, at } = thread;
      if (hw.buffered > 0) yield* cpu.drainAll();
      const most = Math.min(p.perStep, this.nextEvent - this.done, sliceEnd - this.done);
      let to = Math.min(words.length, at + most);
      if (p.turns) {
        to = at + 1;
        hw.notes[TRACE_NOTE.NEXT_WORD] = words[at] + 1;
      }
      yield STEP;
      thread.at = port.run(words, at, to);
      this.done += thread.at - at;
      if (thread.at === to) hw.notes[TRACE_NOTE.TURNS]++;
      if (port.stopped < 0) {
        const word = words[thread.at];
        const kind = word & 3;
        // biome-ignore lint/complexity/useLiteralKeys: what a stream needs done is what Cpu does for one access
        yield* cpu['resolveBulk']((word & ~3) >>> 0, port.stopped, kind === KIND_STORE, kind === KIND_FETCH);
      }
      if (this.done >= this.nextEvent) yield* this.event(thread);
    }
    return true;
  }

  private get intervals(): number[] {
    const { munmapEvery, forkEvery, migrateEvery } = this.p;
    return [munmapEvery, forkEvery, migrateEvery];
  }

  private planEvent(): void {
    const next = this.intervals.map((every) =>
      every > 0 ? (Math.floor(this.done / every) + 1) * every : Number.POSITIVE_INFINITY,
    );
    this.nextEvent = Math.min(...next);
  }

  /** The kernel takes away pages that the program is using: those around its last access. */
  private *event(thread: Thread): Steps {
    const { cpu, kernel, p, done } = this;
    const { words, at, space } = thread;
    const va = ((words[Math.max(0, at - 1)] >>> PAGE_SHIFT) * PAGE_BYTES) >>> 0;
    const [munmaps, forks, migrates] = this.intervals.map((every) => every > 0 && done % every === 0);
    if (munmaps) yield* kernel.munmap(cpu, space, va, p.pages);
    if (migrates) yield* kernel.migrate(cpu, space, va, p.pages);
    if (forks) yield* kernel.fork(cpu, space);
    this.planEvent();
  }
}

function countDirty(machine: Machine): void {
  for (const cpu of machine.state.cpus) {
    let dirty = 0;
    const { l1d } = cpu;
    for (let slot = 0; slot < l1d.lines; slot++) if (l1d.pa[slot] >= 0 && isDirty(l1d.state[slot])) dirty++;
    cpu.notes[TRACE_NOTE.DIRTY_AT_END] = dirty;
  }
}
