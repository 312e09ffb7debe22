/**
 * Flags that herd7's AArch64 model raises for what a test says, whatever it does (herdtools7, `herd/libdir`):
 * advice on barriers, and what its model of instruction fetches takes for granted.
 */
import type { Instruction, LitmusTest } from './ast.ts';
import { wholeRegister } from './registers.ts';

export function textFlags(test: LitmusTest): string[] {
  if (test.architecture !== 'AArch64') return [];
  const all = test.threads.flatMap(({ code, handler }) => [...code, ...(handler ?? [])]);
  const flags: string[] = [];
  if (all.some(hasDomain)) flags.push('Shareability-argument-for-DMB-is-deprecated');
  if (modifiedLabels(test).size > 1) {
    flags.push('Assuming-no-two-modified-instructions-are-on-the-same-cache-line');
  }
  const variants = (test.headers.Variant ?? test.headers.variant ?? '').toLowerCase().split(',');
  const isCode = ({ mnemonic }: Instruction) => mnemonic !== '' && !mnemonic.startsWith('.');
  if (variants.includes('vmsa') && variants.includes('ifetch') && all.some(isCode)) {
    flags.push('combining-vmsa-and-ifetch-is-not-supported');
  }
  return flags;
}

/** `DMB ISH`, where `DMB SY` would do. */
function hasDomain({ mnemonic, operands: [operand] }: Instruction): boolean {
  return mnemonic === 'DMB' && operand?.kind === 'word' && /^[INO]SH/.test(operand.text);
}

/** Labels whose instruction a store aims at through a register that holds the label from the start. */
function modifiedLabels(test: LitmusTest): ReadonlySet<string> {
  const held = new Map<string, string>();
  for (const { cell, value } of test.initial) {
    if (cell.kind !== 'register' || value.kind !== 'label') continue;
    held.set(`${cell.thread}:${cell.name}`, `${value.thread}:${value.label}`);
  }
  const modified = new Set<string>();
  for (const { index, code, handler } of test.threads) {
    for (const { mnemonic, operands } of [...code, ...(handler ?? [])]) {
      if (!mnemonic.startsWith('ST')) continue;
      for (const operand of operands) {
        if (operand.kind !== 'memory') continue;
        const label = held.get(`${index}:${wholeRegister(test.architecture, operand.base)}`);
        if (label !== undefined) modified.add(label);
      }
    }
  }
  return modified;
}
