/** What a test names must be there: threads, labels; and nothing may have two initial values. */
import type { Initial, Thread } from './ast.ts';
import { LitmusError } from './litmus-error.ts';
import { cellText } from './notation.ts';

/** @throws LitmusError */
export function checkReferences(initial: readonly Initial[], threads: readonly Thread[]): void {
  const seen = new Set<string>();
  for (const { cell, value, place } of initial) {
    const name = cellText(cell);
    if (seen.has(name)) throw new LitmusError(place, `${name} has a value already: remove one of the two`);
    seen.add(name);
    if (cell.kind === 'register') checkThread(cell.thread, threads, place);
    if (value.kind !== 'label') continue;
    checkThread(value.thread, threads, place);
    checkLabel(value.label, threads[value.thread], place);
  }
  for (const thread of threads) checkTargets(thread);
}

function checkTargets(thread: Thread): void {
  for (const { operands, place } of [...thread.code, ...(thread.handler ?? [])]) {
    for (const operand of operands) if (operand.kind === 'label') checkLabel(operand.name, thread, place);
  }
}

/** @throws LitmusError */
export function checkThread(index: number, threads: readonly Thread[], place: LitmusError['place']): void {
  if (threads[index] !== undefined) return;
  const last = threads.length - 1;
  const which = last === 0 ? 'the only thread is P0' : `threads are P0 to P${last}`;
  throw new LitmusError(place, `there is no P${index}: ${which}`);
}

/** @throws LitmusError */
export function checkLabel(label: string, thread: Thread, place: LitmusError['place']): void {
  const isThere = [...thread.code, ...(thread.handler ?? [])].some(({ labels }) => labels.includes(label));
  if (!isThere)
    throw new LitmusError(
      place,
      `P${thread.index} has no label '${label}': write '${label}:' before an instruction`,
    );
}
