/**
 * Where the things of a litmus test stand on a machine of the simulator: each location in a page of its own,
 * each instruction in a line of its own, and the results of every run one after the other.
 */

import { laySpace } from '../../kernel/address-space.ts';
import { BootMemory } from '../../kernel/boot-memory.ts';
import { bootAllInto, bootMap } from '../../kernel/boot-process.ts';
import { frameAddress, PTE } from '../../machine/attributes.ts';
import type { Machine } from '../../machine/machine.ts';
import { PAGE_BYTES } from '../../machine/platform.ts';
import type { Program } from '../core/program.ts';
import { ENTRY_BIT, kindOfWord, outputOf, PAGE_SHIFT, payloadOf, WORD, wordOf } from '../core/words.ts';

const DATA = 0x4000_0000;
const CODE = 0x4010_0000;
/** Software bits of an entry that stand for what the machine does not look at. */
const USER = 1 << 10;

/** Words of a fault in a row: see `faultWord`. */
export const FAULTS = 4;

/** Plain data, so that it crosses threads. */
export interface Places {
  /** Physical address of each location's frame and of its table entry. */
  readonly frames: readonly number[];
  readonly entries: readonly number[];
  /** Physical addresses of the code's pages. */
  readonly code: readonly number[];
  readonly barrierPa: number;
  readonly rowsPa: number;
  readonly rowWords: number;
}

/** Words of a row: per thread its registers and faults, then the memory cells, then whether the run counts. */
export function rowWordsOf(program: Program): number {
  const { layout, registers } = program;
  return layout.threads * (registers.count + FAULTS) + layout.cells + 1;
}

/** Lays the test out, with every page mapped, and puts all CPUs into its address space. */
export function lay(machine: Machine, program: Program, runs: number): Places {
  const boot = new BootMemory(machine);
  const space = laySpace(boot, 'litmus', 1, { pa: boot.line(), ghost: 0, name: 'none' });
  const permissions = PTE.VALID | PTE.WRITE | PTE.EXECUTE | PTE.ACCESSED | PTE.DIRTY;
  const pages = bootMap(boot, space, DATA, program.locations.all.length, permissions);
  const lines = PAGE_BYTES / machine.platform.lineBytes;
  const code = bootMap(boot, space, CODE, Math.ceil(program.code.length / lines), permissions);
  const rowWords = rowWordsOf(program);
  bootAllInto(machine, space);
  return {
    frames: pages.map(({ frame }) => frame),
    entries: pages.map(({ ptePa }) => ptePa),
    code: code.map(({ frame }) => frame),
    barrierPa: boot.line(),
    rowsPa: boot.bytes(rowWords * 4 * runs, machine.platform.lineBytes),
    rowWords,
  };
}

/** Addresses and entries as the machine has them, and back. */
export class Encoding {
  private readonly places: Places;
  private readonly lineBytes: number;

  constructor(places: Places, lineBytes: number) {
    this.places = places;
    this.lineBytes = lineBytes;
  }

  dataVa(location: number, offset: number): number {
    return DATA + location * PAGE_BYTES + offset;
  }

  dataPa(location: number, offset: number): number {
    return this.places.frames[location] + offset;
  }

  codeVa(pc: number): number {
    return CODE + pc * this.lineBytes;
  }

  codePa(pc: number): number {
    const at = pc * this.lineBytes;
    return this.places.code[Math.floor(at / PAGE_BYTES)] + (at % PAGE_BYTES);
  }

  entryPa(location: number): number {
    return this.places.entries[location];
  }

  /** What the walker reads for a word that the test has in a table entry: a number is no entry. */
  entryOf(word: number): number {
    if (kindOfWord(word) !== WORD.ENTRY) return 0;
    const bits =
      (word & ENTRY_BIT.VALID ? PTE.VALID : 0) |
      (word & ENTRY_BIT.ACCESSED ? PTE.ACCESSED : 0) |
      (word & ENTRY_BIT.WRITABLE ? PTE.WRITE | PTE.DIRTY : 0) |
      (word & ENTRY_BIT.MANAGED ? PTE.SOFTWARE : 0) |
      (word & ENTRY_BIT.USER ? USER : 0) |
      PTE.EXECUTE;
    return (this.places.frames[outputOf(word)] | bits) >>> 0;
  }

  wordOfEntry(entry: number): number {
    if (entry === 0) return 0;
    const bits =
      (entry & PTE.VALID ? ENTRY_BIT.VALID : 0) |
      (entry & PTE.ACCESSED ? ENTRY_BIT.ACCESSED : 0) |
      (entry & PTE.WRITE ? ENTRY_BIT.WRITABLE : 0) |
      (entry & PTE.SOFTWARE ? ENTRY_BIT.MANAGED : 0) |
      (entry & USER ? ENTRY_BIT.USER : 0);
    const output = this.places.frames.indexOf(frameAddress(entry));
    return wordOf(WORD.ENTRY, (output << PAGE_SHIFT) | bits);
  }
}

/** The location of a TLBI's operand, which is an address shifted to its page number. */
export function locationOfPage(word: number): number {
  return word & 0xfff;
}

/** One fault as a word: 0 is none. */
export function faultWord(pc: number, type: number, location: number): number {
  return (pc << 16) | (type << 12) | (location + 1);
}

export function faultParts(word: number) {
  return { pc: word >>> 16, type: (word >>> 12) & 15, location: (word & 0xfff) - 1 };
}

/** Position of the code that a label word names. */
export function positionOfLabel(word: number): number {
  return payloadOf(word) >> 2;
}
