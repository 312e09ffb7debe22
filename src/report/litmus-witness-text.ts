/** A run of a litmus test that ends in a wanted state, step by step. */
import type { Witness } from '../litmus/core/witness.ts';
import { type ColumnSpec, plural, table } from './text.ts';

const COLUMNS: readonly ColumnSpec[] = [
  { title: 'step', align: 'right' },
  { title: 'CPU', align: 'left' },
  { title: 'instruction', align: 'left' },
  { title: 'what it does', align: 'left' },
];

/** @param wanted the state, or what was said of it */
export function witnessText(name: string, wanted: string, { steps }: Witness): string {
  const rows = steps.map(({ thread, instruction, what }, i) => [`${i + 1}`, `P${thread}`, instruction, what]);
  const head = `Witness ${name} ${wanted}: ${plural(steps.length, 'step')}`;
  return [head, ...table(COLUMNS, rows), ''].join('\n');
}
