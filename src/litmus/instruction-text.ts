/**
 * The one way to write an instruction: final states and conditions compare instructions as text.
 * @returns one space after the mnemonic, none around commas and in brackets, capitals but for labels
 */
export function canonicalInstruction(text: string): string {
  const [mnemonic, ...rest] = text.trim().split(/\s+/);
  const operands = rest
    .join(' ')
    .replace(/\s*,\s*/g, ',')
    .replace(/\[\s+/g, '[')
    .replace(/\s+\]/g, ']')
    .replace(/(?<=^|,)(-?(?:0x[0-9a-fA-F]+|\d+))(?=,|$)/g, '#$1')
    .replace(/(?<![\w.])([xw](\d+|zr)|sp)(?!\w)/g, (register) => register.toUpperCase());
  return `${mnemonic.toUpperCase()} ${operands}`.trim();
}
