/** Operands of A64 instructions as assembly writes them. */
import type { Operand } from './ast.ts';
import { numberOf } from './parse-value.ts';

/** These name a label, `B .+8` or a place some bytes on, in their last operand. */
const BRANCHES = /^(B|BL|B\.\w+|BC\.\w+|CBN?Z|TBN?Z|ADRP?)$/;
/** A load with one of these and no brackets is from a literal at a label. */
const LITERAL_LOADS = /^(LDR|LDRSW|PRFM)$/;
const REGISTER = /^(?:[XW](?:[0-9]|[12][0-9]|30|ZR)|W?SP)$/i;
const NUMBER = /^#?\s*(-?(?:0x[0-9a-f]+|\d+))$/i;
const MEMORY = /^\[\s*(\w+)\s*(?:,\s*([^,\]]+?)\s*)?(?:,\s*([^\]]+?)\s*)?\](!?)$/;

/** @returns undefined for brackets that hold no address */
export function aarch64Operands(
  mnemonic: string,
  text: string,
  index: number,
  all: readonly string[],
): Operand | undefined {
  const isLast = index === all.length - 1;
  const relative = /^\.\s*([+-]\s*\d+)?$/.exec(text);
  if (relative !== null) return { kind: 'relative', bytes: Number((relative[1] ?? '0').replace(/\s/g, '')) };
  const isTarget = isLast && (BRANCHES.test(mnemonic) || (LITERAL_LOADS.test(mnemonic) && index > 0));
  if (isTarget && /^[A-Za-z_][\w.$]*$/.test(text)) return { kind: 'label', name: text };
  if (REGISTER.test(text)) return { kind: 'register', name: text.toUpperCase() };
  const number = NUMBER.exec(text);
  if (number !== null) return { kind: 'immediate', value: numberOf(number[1]) };
  if (text.startsWith('[')) return memoryOf(text);
  if (text === '') return undefined;
  return { kind: 'word', text: text.toUpperCase().replace(/\s+/g, ' ') };
}

/** `[X1]`, `[X1,#4]!`, `[X1,X2]`, `[X1,W2,SXTW #2]`. */
function memoryOf(text: string): Operand | undefined {
  const found = MEMORY.exec(text);
  if (found === null || !REGISTER.test(found[1])) return undefined;
  const [, base, second, extend, bang] = found;
  const memory = { kind: 'memory', base: base.toUpperCase(), offset: 0n } as const;
  const pre = bang === '!' ? ({ writeback: 'pre' } as const) : {};
  if (second === undefined) return { ...memory, ...pre };
  const number = NUMBER.exec(second);
  if (number !== null) return { ...memory, offset: numberOf(number[1]), ...pre };
  if (!REGISTER.test(second)) return undefined;
  const extension = extend === undefined ? {} : { extend: extend.toUpperCase().replace(/\s+/g, ' ') };
  return { ...memory, index: second.toUpperCase(), ...extension, ...pre };
}
