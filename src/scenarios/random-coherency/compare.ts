import type { Machine } from '../../machine/machine.ts';
import type { Sink } from './events.ts';
import type { Layout } from './layout.ts';
export class Comparer {
  predicted = 0;
  constructor(_m: Machine, _l: Layout) {}
  readonly sink: Sink = () => {};
  finish(): void {}
}
