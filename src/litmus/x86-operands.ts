/** Operands of x86-64 instructions in AT&T order: `$1`, `%eax`, `(x)`, `8(%rdi)`. */
import type { Operand } from './ast.ts';
import { numberOf } from './parse-value.ts';

const INDEXED = /^(-?(?:0x[0-9a-f]+|\d+))?\(%(\w+)(?:,\s*%(\w+)(?:,\s*([1248]))?)?\)$/i;

/** @returns undefined for what is none */
export function x86Operands(text: string): Operand | undefined {
  const number = /^\$?(-?(?:0x[0-9a-f]+|\d+))$/i.exec(text);
  if (number !== null) return { kind: 'immediate', value: numberOf(number[1]) };
  const register = /^%(\w+)$/.exec(text);
  if (register !== null) return { kind: 'register', name: register[1].toLowerCase() };
  const named = /^(?:[([]\s*([A-Za-z_]\w*)\s*[)\]]|([A-Za-z_]\w*)\(%rip\))$/.exec(text);
  if (named !== null) return { kind: 'location', name: named[1] ?? named[2] };
  const indexed = INDEXED.exec(text);
  if (indexed !== null) {
    const [, offset, base, index, scale] = indexed;
    return {
      kind: 'memory',
      base: base.toLowerCase(),
      offset: numberOf(offset ?? '0'),
      ...(index === undefined ? {} : { index: index.toLowerCase() }),
      ...(scale === undefined ? {} : { extend: scale }),
    };
  }
  return /^[A-Za-z_.$][\w.$]*$/.test(text) ? { kind: 'label', name: text } : undefined;
}
