/** Marsaglia's xorshift32 on a word of the machine's buffer, so that a snapshot holds it. */
export function nextRandom(words: Int32Array, index: number): number {
  let x = words[index];
  x ^= x << 13;
  x ^= x >>> 17;
  x ^= x << 5;
  words[index] = x;
  return x >>> 0;
}
