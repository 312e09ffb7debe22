/**
 * What the memory attributes of a guest's own entries mean: a field of MAIR_EL1 that the entry names (with short
 * descriptors and TEX remap: fields of PRRR and NMRR; Arm DDI 0487, MAIR_EL1, PRRR, NMRR, from memory). As one word two
 * bits an attribute, such that 0 says that each means itself.
 */
import { ATTRIBUTE_DEVICE, attributesOf, PTE } from './attributes.ts';

/** By attribute of an entry, ATTRIBUTE_NORMAL, ATTRIBUTE_UNCACHED or ATTRIBUTE_DEVICE: which of them it stands for. */
export type MemoryTypes = readonly [normal: number, uncached: number, device: number];

/** Fields 3, 2, 1, 0 of a word that maps each to itself. */
const THEMSELVES = 0b11_10_01_00;

/** @throws Error for something that is no attribute */
export function packMemoryTypes(types: MemoryTypes | undefined): number {
  if (types === undefined) return 0;
  let word = 0b11 << 6;
  for (const [attribute, type] of types.entries()) {
    if (!Number.isInteger(type) || type < 0 || type > ATTRIBUTE_DEVICE) {
      throw new Error(`memory type ${type} of attribute ${attribute}: use 0 to ${ATTRIBUTE_DEVICE}`);
    }
    word |= type << (2 * attribute);
  }
  return word ^ THEMSELVES;
}

/** @returns undefined if each attribute means itself */
export function unpackMemoryTypes(word: number): MemoryTypes | undefined {
  return word === 0 ? undefined : [typeOf(word, 0), typeOf(word, 1), typeOf(word, 2)];
}

/** An entry of the guest's own tables, with the attribute that it stands for. */
export function withMemoryType(pte: number, word: number): number {
  if (word === 0) return pte;
  const attribute = attributesOf(pte);
  return pte ^ ((attribute ^ typeOf(word, attribute)) << PTE.ATTRIBUTE_SHIFT);
}

function typeOf(word: number, attribute: number): number {
  return ((word ^ THEMSELVES) >>> (2 * attribute)) & 3;
}
