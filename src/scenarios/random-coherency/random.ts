/** A small generator for programs: one per CPU, so that what a program does is a matter of its seed only. */
export class Random {
  private state: number;

  constructor(seed: number) {
    // Seeds that differ in one bit must not start alike.
    let s = Math.imul(seed ^ (seed >>> 16), 0x45d9f3b);
    s = Math.imul(s ^ (s >>> 16), 0x45d9f3b);
    this.state = s ^ (s >>> 16) || 1;
  }

  /** 32 random bits, unsigned. */
  bits(): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x;
    return x >>> 0;
  }

  /** 0 to n - 1. */
  below(n: number): number {
    return this.bits() % n;
  }
}
