/** Numbers that were touched since the last time they were forgotten, each once. */
export class Touched {
  /** The numbers; the first `count` are valid. */
  readonly list: Int32Array;
  count = 0;
  private readonly flags: Uint8Array;

  /** @param size numbers run from 0 to `size` - 1 */
  constructor(size: number) {
    this.list = new Int32Array(size);
    this.flags = new Uint8Array(size);
  }

  mark(n: number): void {
    if (this.flags[n] !== 0) return;
    this.flags[n] = 1;
    this.list[this.count++] = n;
  }

  forget(): void {
    for (let i = 0; i < this.count; i++) this.flags[this.list[i]] = 0;
    this.count = 0;
  }
}
