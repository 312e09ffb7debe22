/** What registers are called: a final state names the whole register, an instruction may name a part. */
import type { Architecture } from './ast.ts';

/** In the order in which herd7 shows them (`lib/X86_64Base.ml`). */
const X86_WHOLE = ['rax', 'rbx', 'rcx', 'rdx', 'rsi', 'rdi', 'rbp', 'rsp'];

/** The whole register that a name means: `x1` and `W1` are `X1`, `eax` is `rax`; unknown names stay. */
export function wholeRegister(architecture: Architecture, name: string): string {
  if (architecture === 'AArch64') {
    const upper = name.toUpperCase();
    return /^W(\d+|ZR)$/.test(upper) ? `X${upper.slice(1)}` : upper === 'WSP' ? 'SP' : upper;
  }
  const lower = name.toLowerCase();
  if (/^r\d+[dwb]$/.test(lower)) return lower.slice(0, -1);
  const root = /^(?:[er]?([abcd])[xlh]|[er]?(si|di|bp|sp)l?)$/.exec(lower);
  if (root === null) return lower;
  return root[1] === undefined ? `r${root[2]}` : `r${root[1]}x`;
}

/** Sorts names of whole registers as final states show them: by number, others after them by name. */
export function compareRegisters(one: string, other: string): number {
  return rank(one) - rank(other) || (one < other ? -1 : one > other ? 1 : 0);
}

function rank(name: string): number {
  const x86 = X86_WHOLE.indexOf(name);
  if (x86 >= 0) return x86;
  const numbered = /^[Xr](\d+)$/.exec(name);
  return numbered === null ? 1000 : Number(numbered[1]);
}
