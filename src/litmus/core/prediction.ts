/** What depends on a selection that is predicted and not decided yet. */
import { KIND, type Operation } from '../isa/operation.ts';
import { ZERO_REGISTER } from '../isa/registers.ts';
import type { Program } from './program.ts';
import { operationAt, slotAt } from './window.ts';

/**
 * Whether a write depends on a selection before it: by its address or data, by a branch in between or by the
 * address of an access in between ("Pick-ordered-before"). Those writes wait for it, others do not.
 */
export function dependsOnSelection(
  program: Program,
  state: Int32Array,
  thread: number,
  write: number,
  selection: number,
): boolean {
  let depending = 1 << selection;
  for (let index = selection + 1; index <= write; index++) {
    const operation = operationAt(program, state, slotAt(program, thread, index));
    const reads = (register: number) => isFrom(program, state, thread, index, register, depending);
    const isAddressed = reads(operation.base) || reads(operation.index);
    const { a, b, flags, data, expected } = operation;
    const isSourced = [a, b, flags, data, expected].some(reads);
    if (!isAddressed && !isSourced) continue;
    if (index === write || isBranch(operation) || isAddressed) return true;
    depending |= 1 << index;
  }
  return false;
}

function isBranch({ kind }: Operation): boolean {
  return kind === KIND.BRANCH || kind === KIND.INDIRECT;
}

/** Whether the last writer of a register before an instruction is one of `writers`. */
function isFrom(
  program: Program,
  state: Int32Array,
  thread: number,
  reader: number,
  register: number,
  writers: number,
): boolean {
  if (register <= ZERO_REGISTER) return false;
  for (let index = reader - 1; index >= 0; index--) {
    const { to, base, writeback } = operationAt(program, state, slotAt(program, thread, index));
    if (to === register || (writeback !== 'none' && base === register)) return (writers & (1 << index)) !== 0;
  }
  return false;
}
