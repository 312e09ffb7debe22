/**
 * The model that software mode is judged by: what each load must return, and each finding that the checker
 * must make, from the sequence of performed operations alone. It shares no code with the machine. Rules of
 * the private caches (those of what lies behind are in model-memory.ts):
 *
 * - A store is performed when it leaves the write buffer (at once, without one), and its own CPU sees it
 *   before: the newest buffered store that overlaps a load must cover it, and gives it its value.
 * - A cacheable access looks in its CPU's L1D: at the set of its virtual or physical address, for a tag of
 *   the same kind. An uncached access goes to memory itself, past everything.
 * - A miss first moves a victim out, then snoops the other CPUs, then reads behind the private caches.
 * - Snooped for reading, a dirty copy supplies the line; it becomes shared and is written back (MSI, MESI),
 *   or stays dirty as owned (MOESI). Clean copies become shared. The reader gets the line exclusive if no
 *   other CPU had a copy and the protocol has that state.
 * - Snooped for writing, every copy goes, and a dirty one hands its data to the writer.
 * - A cache with several dirty aliases of a snooped line supplies the last; the others are written back.
 *   Nobody snoops a CPU's own aliases. With protocol `none` nobody snoops anybody.
 * - A store needs the line exclusive: on a shared copy it snoops for writing first.
 * - Without a private L2, a write-through store, and a store miss that does not allocate, invalidate
 *   the others' copies (a dirty one is written back) and patch one word behind the private caches, and in
 *   the CPU's own copy if it hits one. With an L2 these stores are performed in the L2.
 * - The private L2 includes the L1D. A dirty L1D victim goes into it. An L2 victim takes its L1D copies
 *   with it, their newest data first merged. The L1D copy is exclusive when the L2's is.
 * - Maintenance by address acts on the copy that the address finds in its own CPU's L1D, then, beyond the
 *   point of unification, on the L2 and what it includes, then on what lies behind up to its reach. As a
 *   broadcast it acts on the others first; their virtual tags are searched by physical address.
 * - A fetch that fills from the point of unification reads its own L2, else any L2 that has the line dirty, if
 *   a protocol keeps them coherent, else behind them; never an L1D.
 * - Clean leaves a sole owner exclusive. An invalidate without clean throws dirty data away.
 * - The exclusive monitor opens when its CPU loses the last copy of the line, and at others' uncached stores.
 * - Versions count the stores to each word; a copy's word has the version of the last store into it.
 */
import { isDirty } from './model-cache.ts';
import { type BufferedStore, type Held, ModelCaches, type ModelCpu } from './model-caches.ts';
import type { LineWords } from './model-memory.ts';

export interface Operation {
  readonly clean: boolean;
  readonly invalidate: boolean;
}

export class Model extends ModelCaches {
  load(cpu: ModelCpu, va: number, pa: number, size: number, uncached: boolean): number {
    const own = forwarded(cpu.buffer, pa, size);
    if (own !== undefined) return own;
    return this.loadPerformed(cpu, va, pa, size, uncached);
  }

  /** A load that did not find its value in the write buffer. */
  loadPerformed(cpu: ModelCpu, va: number, pa: number, size: number, uncached: boolean): number {
    let copy: LineWords | undefined;
    if (!uncached) {
      const held = this.hold(cpu, va, this.lineOf(pa), false, true);
      held.cache.use(held.copy);
      copy = held.copy;
    }
    const low = this.loadWord(cpu, pa, Math.min(size, 4), copy);
    if (size < 8) return low;
    return low + (this.loadWord(cpu, pa + 4, 4, copy) % 0x20_0000) * 0x1_0000_0000;
  }

  private loadWord(cpu: ModelCpu, pa: number, size: number, copy: LineWords | undefined): number {
    const i = this.indexOf(pa);
    const word = copy ? copy.words[i] : this.memory.words[pa >> 2];
    const version = copy ? copy.versions[i] : this.memory.versions[pa >> 2];
    this.judge('stale-data', cpu, pa, size, word, version);
    return part(word, pa, size);
  }

  private judge(
    kind: 'stale-data' | 'stale-instruction',
    cpu: ModelCpu,
    pa: number,
    size: number,
    word: number,
    version: number,
  ): void {
    const { truth, newest, expected } = this.memory;
    const got = part(word, pa, size);
    const isNewest = got === part(truth[pa >> 2], pa, size) && (size < 4 || version === newest[pa >> 2]);
    if (!isNewest) expected.push({ kind, cpu: cpu.index, pa, got, version, newest: newest[pa >> 2] });
  }

  store(
    cpu: ModelCpu,
    va: number,
    pa: number,
    size: number,
    low: number,
    high: number,
    uncached: boolean,
  ): void {
    const store = { va, pa, asid: cpu.asid, size, low, high, uncached };
    if (this.platform.writeBufferEntries > 0) cpu.buffer.push(store);
    else this.perform(cpu, store);
  }

  drain(cpu: ModelCpu): void {
    const oldest = cpu.buffer.shift();
    if (!oldest) throw new Error(`a store of CPU ${cpu.index} drained that the model does not know`);
    this.perform(cpu, oldest);
  }

  perform(cpu: ModelCpu, { va, pa, size, low, high, uncached }: BufferedStore): void {
    const words: [number, number, number][] = [[pa, Math.min(size, 4), low]];
    if (size === 8) words.push([pa + 4, 4, high]);
    if (uncached) {
      for (const [at, bytes, value] of words) this.storeMemory(at, bytes, value);
      this.openMonitors(cpu, this.lineOf(pa));
      return;
    }
    if (this.goesAround(cpu, va, pa)) {
      this.invalidateOthers(cpu, this.lineOf(pa));
      for (const [at, bytes, value] of words) this.storeBehind(cpu, va, at, bytes, value);
      return;
    }
    const held = this.holdForStore(cpu, va, pa);
    for (const [at, bytes, value] of words) this.storeHeld(cpu, held, at, bytes, value);
  }

  /** Uncached stores of others open the monitor. */
  private openMonitors(cpu: ModelCpu, line: number): void {
    for (const other of this.cpus) if (other !== cpu && other.monitor === line) other.monitor = undefined;
  }

  private goesAround(cpu: ModelCpu, va: number, pa: number): boolean {
    const { write, allocate } = this.platform.l1d;
    if (cpu.l2) return false;
    return write === 'write-through' || (allocate === 'read' && !cpu.l1d.find(va, this.lineOf(pa), cpu.asid));
  }

  private holdForStore(cpu: ModelCpu, va: number, pa: number): Held {
    const { write, allocate } = this.platform.l1d;
    const line = this.lineOf(pa);
    const isHit = cpu.l1d.find(va, line, cpu.asid) !== undefined;
    const allocates = allocate === 'read-write' && write === 'write-back';
    const held = this.hold(cpu, va, line, true, isHit || allocates);
    held.cache.use(held.copy);
    return held;
  }

  /** A store is performed: numbers it and returns its version. */
  private performed(pa: number, size: number, value: number): number {
    const { truth, newest } = this.memory;
    truth[pa >> 2] = replaced(truth[pa >> 2], pa, size, value);
    return ++newest[pa >> 2];
  }

  private storeHeld(cpu: ModelCpu, { cache, copy }: Held, pa: number, size: number, value: number): void {
    const i = this.indexOf(pa);
    copy.words[i] = replaced(copy.words[i], pa, size, value);
    copy.versions[i] = this.performed(pa, size, value);
    if (cache === cpu.l1d && this.platform.l1d.write === 'write-through') {
      const below = cpu.l2?.find(0, copy.line, 0);
      if (!below) throw new Error('the L2 does not include the L1D');
      below.words[i] = copy.words[i];
      below.versions[i] = copy.versions[i];
      below.state = 'M';
    } else copy.state = 'M';
  }

  private storeMemory(pa: number, size: number, value: number): void {
    const { words, versions } = this.memory;
    versions[pa >> 2] = this.performed(pa, size, value);
    words[pa >> 2] = replaced(words[pa >> 2], pa, size, value);
  }

  private storeBehind(cpu: ModelCpu, va: number, pa: number, size: number, value: number): void {
    const version = this.performed(pa, size, value);
    this.memory.patchWord(pa, replaced(this.memory.peekWord(pa).word, pa, size, value), version);
    const copy = cpu.l1d.find(va, this.lineOf(pa), cpu.asid);
    if (!copy) return;
    const i = this.indexOf(pa);
    copy.words[i] = replaced(copy.words[i], pa, size, value);
    copy.versions[i] = version;
    cpu.l1d.use(copy);
  }

  /** Atomic: returns the old word and writes `value`, or nothing if it is undefined. */
  modify(cpu: ModelCpu, va: number, pa: number, uncached: boolean, value: number | undefined): number {
    if (uncached) {
      const old = this.loadWord(cpu, pa, 4, undefined);
      if (value === undefined) return old;
      this.storeMemory(pa, 4, value);
      this.openMonitors(cpu, this.lineOf(pa));
      return old;
    }
    if (this.goesAround(cpu, va, pa)) {
      this.invalidateOthers(cpu, this.lineOf(pa));
      const { word, version } = this.memory.peekWord(pa);
      this.judge('stale-data', cpu, pa, 4, word, version);
      if (value !== undefined) this.storeBehind(cpu, va, pa, 4, value);
      return word >>> 0;
    }
    const held = this.holdForStore(cpu, va, pa);
    const old = this.loadWord(cpu, pa, 4, held.copy);
    if (value !== undefined) this.storeHeld(cpu, held, pa, 4, value);
    return old;
  }

  loadExclusive(cpu: ModelCpu, va: number, pa: number, uncached: boolean): number {
    cpu.monitor = this.lineOf(pa);
    return this.loadPerformed(cpu, va, pa, 4, uncached);
  }

  /** Returns whether it stored. The line is got for writing even if the monitor is open. */
  storeExclusive(cpu: ModelCpu, va: number, pa: number, uncached: boolean, value: number): boolean {
    let line: Held | undefined;
    if (!uncached && !this.goesAround(cpu, va, pa)) line = this.holdForStore(cpu, va, pa);
    else if (!uncached) this.invalidateOthers(cpu, this.lineOf(pa));
    // Getting the line may move out the very line that is monitored.
    const stores = cpu.monitor !== undefined;
    if (line) {
      this.loadWord(cpu, pa, 4, line.copy);
      if (stores) this.storeHeld(cpu, line, pa, 4, value);
    } else if (uncached) {
      this.modify(cpu, va, pa, true, stores ? value : undefined);
    } else {
      const { word, version } = this.memory.peekWord(pa);
      this.judge('stale-data', cpu, pa, 4, word, version);
      if (stores) this.storeBehind(cpu, va, pa, 4, value);
    }
    cpu.monitor = undefined;
    return stores;
  }

  fetch(cpu: ModelCpu, va: number, pa: number, uncached: boolean): number {
    const line = this.lineOf(pa);
    let words: LineWords = { words: [], versions: [] };
    if (uncached) {
      const { words: memory, versions } = this.memory;
      this.judge('stale-instruction', cpu, pa, 4, memory[pa >> 2], versions[pa >> 2]);
      return memory[pa >> 2] >>> 0;
    }
    let copy = cpu.l1i.find(va, line, cpu.asid);
    if (!copy) {
      words = this.readForFetch(cpu, line);
      const place = cpu.l1i.placeFor(va, line);
      copy = cpu.l1i.put(place, va, cpu.asid, line, 'S', words.words, words.versions);
    }
    cpu.l1i.use(copy);
    const i = this.indexOf(pa);
    this.judge('stale-instruction', cpu, pa, 4, copy.words[i], copy.versions[i]);
    return copy.words[i] >>> 0;
  }

  private readForFetch(cpu: ModelCpu, line: number): LineWords {
    if (this.platform.l1i.fillsFrom === 'data-caches') {
      const others = this.isCoherent ? this.snoop(cpu, line, false) : undefined;
      const own = this.snoopOne(cpu, line, false);
      const dirty = own.dirty ?? others?.dirty;
      if (dirty) return dirty;
    } else {
      const below = cpu.l2?.find(0, line, 0);
      if (below) return below;
      const others = this.isCoherent ? this.cpus.filter((other) => other !== cpu) : [];
      for (const { l2 } of others) {
        const theirs = l2?.find(0, line, 0);
        if (theirs && isDirty(theirs)) return theirs;
      }
    }
    return this.memory.readLine(cpu.index, line);
  }

  fetchMaintain(cpu: ModelCpu, va: number, pa: number | undefined): void {
    for (const target of this.platform.maintenance.icache === 'broadcast' ? this.cpus : [cpu]) {
      if (pa === undefined) {
        for (let slot = 0; slot < target.l1i.slots; slot++) {
          const copy = target.l1i.atSlot(slot);
          if (copy) target.l1i.drop(copy);
        }
      } else {
        const copy = target.l1i.find(va, this.lineOf(pa), cpu.asid);
        if (copy) target.l1i.drop(copy);
      }
    }
  }

  prefetch(cpu: ModelCpu, va: number, pa: number): void {
    this.hold(cpu, va, this.lineOf(pa), false, true);
  }

  walkRead(cpu: ModelCpu, pa: number): void {
    const { walkerReads } = this.platform.mmu;
    if (walkerReads === 'l1') {
      const held = this.hold(cpu, pa, this.lineOf(pa), false, true);
      held.cache.use(held.copy);
    } else if (walkerReads === 'l2' && cpu.l2 && !cpu.l2.find(0, this.lineOf(pa), 0)) {
      this.hold(cpu, pa, this.lineOf(pa), false, false);
    }
  }
}

/** What the buffer gives a load, if its newest overlapping store covers it. */
function forwarded(buffer: readonly BufferedStore[], pa: number, size: number): number | undefined {
  const store = buffer.findLast((s) => s.pa < pa + size && pa < s.pa + s.size);
  if (!store) return undefined;
  if (store.pa > pa || store.pa + store.size < pa + size)
    throw new Error('a load passed a store that it overlaps');
  if (size === 8) return (store.low >>> 0) + (store.high % 0x20_0000) * 0x1_0000_0000;
  const word = pa - store.pa >= 4 ? store.high : store.low;
  // A narrow store sits at the bottom of its word, whatever its address.
  return part(word, pa - store.pa, size);
}

/** The bytes of a word that an access sees. */
function part(word: number, pa: number, size: number): number {
  if (size >= 4) return word >>> 0;
  return Math.floor((word >>> 0) / 256 ** (pa % 4)) % 256 ** size;
}

function replaced(word: number, pa: number, size: number, value: number): number {
  if (size >= 4) return value | 0;
  const unit = 256 ** (pa % 4);
  const old = part(word, pa, size);
  const fresh = (value >>> 0) % 256 ** size;
  return ((word >>> 0) + (fresh - old) * unit) | 0;
}
