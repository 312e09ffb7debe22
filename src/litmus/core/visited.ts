/**
 * The states that were seen: exact, as whole keys are kept and compared. Keys lie one behind the other in
 * blocks; an open-addressing table holds where each begins.
 */
const FIRST_SLOTS = 1 << 12;
const FIRST_WORDS = 1 << 16;

export class VisitedStates {
  /** Number of the state + 1; 0 is free. */
  #table = new Int32Array(FIRST_SLOTS);
  #hashes = new Int32Array(FIRST_SLOTS);
  #keys = new Int32Array(FIRST_WORDS);
  /** Where each state's key begins; one more for its end. */
  #starts = new Int32Array(FIRST_SLOTS + 1);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** @returns whether the state is new */
  add(key: Int32Array, length: number): boolean {
    if (2 * (this.#count + 1) > this.#table.length) this.#growTable();
    const hash = hashOf(key, length);
    const mask = this.#table.length - 1;
    let slot = hash & mask;
    for (; this.#table[slot] !== 0; slot = (slot + 1) & mask) {
      if (this.#hashes[slot] === hash && this.#isEqual(this.#table[slot] - 1, key, length)) return false;
    }
    const start = this.#starts[this.#count];
    while (start + length > this.#keys.length) this.#keys = grown(this.#keys);
    for (let word = 0; word < length; word++) this.#keys[start + word] = key[word];
    this.#table[slot] = ++this.#count;
    this.#hashes[slot] = hash;
    this.#starts[this.#count] = start + length;
    return true;
  }

  #isEqual(state: number, key: Int32Array, length: number): boolean {
    const start = this.#starts[state];
    if (this.#starts[state + 1] - start !== length) return false;
    for (let word = 0; word < length; word++) {
      if (this.#keys[start + word] !== key[word]) return false;
    }
    return true;
  }

  #growTable(): void {
    const [oldTable, oldHashes] = [this.#table, this.#hashes];
    this.#table = new Int32Array(oldTable.length * 2);
    this.#hashes = new Int32Array(oldTable.length * 2);
    const starts = new Int32Array(oldTable.length * 2 + 1);
    starts.set(this.#starts);
    this.#starts = starts;
    const mask = this.#table.length - 1;
    for (let old = 0; old < oldTable.length; old++) {
      if (oldTable[old] === 0) continue;
      let slot = oldHashes[old] & mask;
      while (this.#table[slot] !== 0) slot = (slot + 1) & mask;
      this.#table[slot] = oldTable[old];
      this.#hashes[slot] = oldHashes[old];
    }
  }
}

function grown(words: Int32Array): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(words.length * 2);
  larger.set(words);
  return larger;
}

/** FNV-1a over words, mixed at the end. */
function hashOf(key: Int32Array, length: number): number {
  let hash = 0x811c_9dc5;
  for (let word = 0; word < length; word++) hash = Math.imul(hash ^ key[word], 0x0100_0193) ^ (hash >>> 15);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  return hash ^ (hash >>> 13);
}
