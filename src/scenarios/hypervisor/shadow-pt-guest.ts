/** What the guest of `shadow-pt-read` does, in user mode of the host, and what its host has to do in between. */
import type { Checker } from '../../checker/checker.ts';
import { clearGuestPage } from '../../hypervisor/shadow/clear-page.ts';
import type { LineStep } from '../../hypervisor/shadow/guest-lines.ts';
import type { ShadowVm } from '../../hypervisor/shadow/shadow-vm.ts';
import { READ_WRITE } from '../../kernel/kernel.ts';
import { CLEAN, INVALIDATE } from '../../machine/cache-maintenance.ts';
import { type Cpu, SegmentationFault, type Steps } from '../../machine/cpu.ts';
import { dataAliases } from '../../machine/traits.ts';
import { evict } from '../flush/own-time.ts';
import type { ShadowVariant } from './shadow-pt-variants.ts';

/** A page of the guest's that is mapped now to one of its frames, now to the other. */
export interface GuestPage {
  readonly va: number;
  /** Guest-physical address of its entry, in a line of its own. */
  readonly entryGpa: number;
  /** Guest-physical addresses of the two. */
  readonly frames: readonly [number, number];
}

/** Word of a guest's page that is read: not where tables have the entries that are in use. */
export const WORD = 0x800;
/** Rules of the scenario, as the `detail` of a finding of kind 'invariant': what a load of the guest's must give. */
const EMULATED_LOAD = 1;
const LOAD = 2;
/** Words of a page that is cleared: those that the guest has stored to, and those that the emulator has. */
const GUEST_WORDS = [0x180, 0x2c0, 0x400, 0x540];
const EMULATOR_WORDS = [0x200, 0x340, 0x480, 0x5c0];

/** The guest changes entries of its tables, and the host reads them. @param rounds times that each is changed */
export function* changeEntries(
  cpu: Cpu,
  vm: ShadowVm,
  variant: ShadowVariant,
  pages: readonly GuestPage[],
  rounds: number,
  checker: Checker | null,
): Steps {
  if (variant.emulatorStores) yield* storeAsEmulator(cpu, vm, variant, pages);
  yield* vm.enter(cpu);
  for (let round = 0; round < rounds; round++) {
    for (const page of pages) yield* setEntry(cpu, vm, variant, page, round);
    // All are stored before the first is read: an eviction of one leaves the others where they are.
    for (const { va, frames } of pages) {
      const word = yield* vm.emulateLoad(cpu, va + WORD);
      expectWord(cpu, checker, EMULATED_LOAD, word, frames[round & 1]);
    }
  }
  for (let round = rounds; round < rounds + 2; round++) {
    for (const page of pages) {
      // Cache, table, TLB: the guest keeps to the order of its own machine.
      if (dataAliases(cpu.machine.platform)) yield* vm.emulateCacheFlush(cpu, page.va);
      yield* setEntry(cpu, vm, variant, page, round);
      yield* vm.emulateTlbInvalidate(cpu, page.va);
      const word = yield* loadOrFault(cpu, page.va + WORD);
      expectWord(cpu, checker, LOAD, word, page.frames[round & 1]);
    }
  }
  yield* vm.exit(cpu);
}

/** @returns undefined if the address has no mapping */
function* loadOrFault(cpu: Cpu, va: number): Steps<number | undefined> {
  try {
    return yield* cpu.load(va);
  } catch (error) {
    if (!(error instanceof SegmentationFault)) throw error;
    return undefined;
  }
}

/** Each frame has its guest-physical address in the word that is read. */
function expectWord(
  cpu: Cpu,
  checker: Checker | null,
  rule: number,
  word: number | undefined,
  frame: number,
): void {
  if (word !== frame) checker?.violated(cpu.hw, rule, word ?? -1, frame);
}

/** As a kernel's set_pte: the store, the clean if there is one, and the barrier (drain of the write buffer). */
function* setEntry(
  cpu: Cpu,
  vm: ShadowVm,
  { guestCleans, guestUncached }: ShadowVariant,
  { entryGpa, frames }: GuestPage,
  round: number,
): Steps {
  const at = vm.ram.guestVa + entryGpa;
  // Whether there was an entry; and some caches allocate a line for a load only. Boot code does not look.
  if (guestUncached !== true) yield* cpu.load(at);
  yield* cpu.store(at, (frames[round & 1] | READ_WRITE) >>> 0);
  yield* cpu.dsb();
  if (guestCleans === true) yield* vm.emulateClean(cpu, entryGpa);
}

const OUT: readonly LineStep[] = [
  { through: 'reader', operation: CLEAN },
  { through: 'outer', operation: CLEAN },
  { through: 'outer', operation: INVALIDATE },
  { through: 'reader', operation: INVALIDATE },
];

/** The emulator has loaded the guest's kernel, and cleared what is to be its tables: each word and the next. */
function* storeAsEmulator(
  cpu: Cpu,
  { ram, lines }: ShadowVm,
  { emulatorStores }: ShadowVariant,
  pages: readonly GuestPage[],
): Steps {
  for (const { entryGpa } of pages) {
    const at = ram.userVa + entryGpa;
    yield* cpu.load(at);
    for (const word of [at, at + 4]) yield* cpu.store(word, 0);
  }
  yield* cpu.dsb();
  if (emulatorStores !== 'written-back') return;
  for (const { entryGpa } of pages) {
    for (const step of OUT) yield* lines.maintain(cpu, entryGpa, 'user', step);
  }
  yield* cpu.dsb();
}

/** The guest gives a page up and gets it back cleared, to be a table. @param gpa of the page */
export function* reusePage(cpu: Cpu, vm: ShadowVm, { clears }: ShadowVariant, gpa: number): Steps {
  if (!clears) return;
  const { guestVa, userVa } = vm.ram;
  yield* vm.enter(cpu);
  yield* storeWords(cpu, guestVa + gpa, GUEST_WORDS);
  yield* vm.trap(cpu, function* () {
    yield* storeWords(cpu, userVa + gpa, EMULATOR_WORDS);
    yield* clearGuestPage(cpu, vm, gpa, clears, () => evictLater(cpu, vm, gpa));
  });
  for (const word of [...GUEST_WORDS, ...EMULATOR_WORDS]) yield* cpu.load(guestVa + gpa + word);
  yield* vm.exit(cpu);
}

function* storeWords(cpu: Cpu, page: number, words: readonly number[]): Steps {
  for (const word of words) {
    yield* cpu.load(page + word);
    yield* cpu.store(page + word, 0x0ddba11);
  }
  yield* cpu.dsb();
}

/** What the page's other addresses have left in the cache goes, as it may at any time. */
function* evictLater(cpu: Cpu, { ram }: ShadowVm, gpa: number): Steps {
  for (const word of GUEST_WORDS) yield* evict(cpu, ram.frame + gpa + word, ram.guestVa + gpa + word);
  for (const word of EMULATOR_WORDS) yield* evict(cpu, ram.frame + gpa + word, ram.userVa + gpa + word);
}
