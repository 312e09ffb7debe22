/**
 * What the variants of `shadow-pt-read` do, as data: what the guest does after it has stored an entry, what the
 * host does before it loads it, and what must come of it.
 *
 * `as-kvm-arm` is `kvm_coherent_from_guest` and `guest-cleans-invalidate` what the comment in
 * `get_guest_pgtable_entry` reasons with (arch/arm/kvm/arm_mmu.c, KVM for ARMv6): the guest must clean its tables
 * for a walker that reads memory, so that the host has only to drop what it has itself. The same file cleans the
 * whole D-cache before it walks, and says that it does not know why that is needed.
 */
import type { ClearPolicy } from '../../hypervisor/shadow/clear-page.ts';
import type { LineStep } from '../../hypervisor/shadow/guest-lines.ts';
import type { ReadPlan } from '../../hypervisor/shadow/guest-walk.ts';
import type { ShadowTablePolicy } from '../../hypervisor/shadow/shadow-tables.ts';
import { CLEAN, FLUSH, INVALIDATE } from '../../machine/cache-maintenance.ts';
import type { Platform } from '../../machine/platform.ts';
import type { Expectation } from '../scenario.ts';
import {
  flushedByReader,
  guestOnly,
  guestSetThenOwn,
  guestThenOwn,
  invalidated,
  noSetWay,
  uncached,
  uncachedOverDirty,
  unknownOperation,
  unmaintained,
  type Where,
} from './shadow-pt-facts.ts';
import { cleared, clearedByColour, dirtyShadow, keptTlb } from './shadow-pt-page-facts.ts';

/** What a variant does. */
export interface Recipe {
  readonly title: string;
  readonly plan: ReadPlan;
  /** The guest cleans each entry that it has stored, which the host does for it. */
  readonly guestCleans?: boolean;
  /** The guest's data cache is off: the shadow entry of the table is uncached. */
  readonly guestUncached?: boolean;
  /** The emulator has stored to the table before the guest does, and written it back or not. */
  readonly emulatorStores?: 'left-dirty' | 'written-back';
  /** The host clears a page for the guest; nothing else happens. */
  readonly clears?: ClearPolicy;
  readonly shadow?: ShadowTablePolicy;
  expect(where: Where): Expectation;
  /** Why it takes operations or accesses that a platform is not known to have, or undefined if it has them. */
  readonly lacks?: (platform: Platform) => string | undefined;
}

const OWN_FLUSH: LineStep = { through: 'reader', operation: FLUSH };
const OWN_INVALIDATE: LineStep = { through: 'reader', operation: INVALIDATE };
const GUEST_FLUSH: LineStep = { through: 'guest', operation: FLUSH };
const GUEST_SET_CLEAN: LineStep = { through: 'guest-set', operation: CLEAN };

const user = (...before: LineStep[]): ReadPlan => ({ reader: 'user', before });
const linear = (...before: LineStep[]): ReadPlan => ({ reader: 'linear', before });
const RIGHT = user(GUEST_FLUSH, OWN_FLUSH);

/** Out to memory, also where a controller has the last level, and in the order in which data go there. */
const cleanedOut: LineStep[] = [
  { through: 'reader', operation: CLEAN },
  { through: 'outer', operation: CLEAN },
];
const flushedOut: LineStep[] = [
  { through: 'reader', operation: CLEAN },
  { through: 'outer', operation: FLUSH },
  OWN_INVALIDATE,
];
const droppedOut: LineStep[] = [{ through: 'outer', operation: INVALIDATE }, OWN_INVALIDATE];

/** By the beginning of the variants' names. */
export const byColour: Readonly<Record<string, Recipe>> = {
  'both-aliases': {
    title: 'the host cleans and invalidates through the guest’s address, then through its own',
    plan: RIGHT,
    expect: guestThenOwn,
  },
  'no-maintenance': {
    title: 'the host just loads the entry, through the emulator’s address',
    plan: user(),
    expect: unmaintained,
  },
  invalidate: {
    title: 'the host invalidates the line through the emulator’s address',
    plan: user(OWN_INVALIDATE),
    expect: invalidated,
    lacks: unknownOperation,
  },
  'clean-invalidate': {
    title: 'the host cleans and invalidates the line through the emulator’s address',
    plan: user(OWN_FLUSH),
    expect: flushedByReader,
  },
  'guest-alias': {
    title: 'the host cleans and invalidates through the guest’s address alone',
    plan: user(GUEST_FLUSH),
    expect: guestOnly,
  },
  'guest-cleans': {
    title: 'the guest cleans its entry, the host does nothing',
    plan: user(),
    guestCleans: true,
    expect: guestOnly,
  },
  'guest-cleans-invalidate': {
    title: 'the guest cleans its entry, the host invalidates through the emulator’s address',
    plan: user(OWN_INVALIDATE),
    guestCleans: true,
    expect: guestThenOwn,
    lacks: unknownOperation,
  },
  'as-kvm-arm': {
    title: 'the host cleans the guest’s set, all ways of it, and invalidates through the emulator’s address',
    plan: user(GUEST_SET_CLEAN, OWN_INVALIDATE),
    expect: guestSetThenOwn,
    lacks: noSetWay,
  },
  'linear-no-maintenance': {
    title: 'the host just loads the entry, through its kernel’s linear mapping',
    plan: linear(),
    expect: unmaintained,
  },
  'linear-clean-invalidate': {
    title: 'the host cleans and invalidates through its kernel’s linear mapping, and loads through it',
    plan: linear(OWN_FLUSH),
    expect: flushedByReader,
  },
  'linear-both-aliases': {
    title: 'as both-aliases, the host’s address being that of its kernel’s linear mapping',
    plan: linear(GUEST_FLUSH, OWN_FLUSH),
    expect: guestThenOwn,
  },
  'uncached-no-maintenance': {
    title: 'the guest’s D-cache is off; the host just loads the entry',
    plan: user(),
    guestUncached: true,
    expect: (where) => uncached(where, false),
    lacks: unknownOperation,
  },
  'uncached-clean': {
    title: 'the guest’s D-cache is off; the host cleans its line before it loads the entry',
    plan: user(...cleanedOut),
    guestUncached: true,
    expect: (where) => uncached(where, false),
    lacks: unknownOperation,
  },
  'uncached-invalidate': {
    title: 'the guest’s D-cache is off; the host invalidates its line before it loads the entry',
    plan: user(...droppedOut),
    guestUncached: true,
    expect: (where) => uncached(where, true),
    lacks: unknownOperation,
  },
  'uncached-clean-invalidate': {
    title: 'the guest’s D-cache is off; the host cleans and invalidates its line before it loads the entry',
    plan: user(...flushedOut),
    guestUncached: true,
    expect: (where) => uncached(where, true),
    lacks: unknownOperation,
  },
  'uncached-dirty-invalidate': {
    title: 'as uncached-invalidate, but the emulator has stored to the table and its lines are dirty',
    plan: user(...droppedOut),
    guestUncached: true,
    emulatorStores: 'left-dirty',
    expect: (where) => uncachedOverDirty(where, 'lost'),
    lacks: unknownOperation,
  },
  'uncached-dirty-clean-invalidate': {
    title: 'as uncached-clean-invalidate, but the emulator has stored to the table and its lines are dirty',
    plan: user(...flushedOut),
    guestUncached: true,
    emulatorStores: 'left-dirty',
    expect: (where) => uncachedOverDirty(where, 'over'),
    lacks: unknownOperation,
  },
  'uncached-cleaned-before': {
    title: 'the emulator’s lines are cleaned before the guest runs, and invalidated before each load',
    plan: user(...droppedOut),
    guestUncached: true,
    emulatorStores: 'written-back',
    expect: (where) => uncachedOverDirty(where, 'before'),
    lacks: unknownOperation,
  },
  'clear-flush-both': {
    title: 'the host clears a page: user’s lines are flushed before, the kernel’s after',
    ...clearing(true, true),
  },
  'clear-no-flush': {
    title: 'the host clears a page, and dirty lines of its other addresses are evicted later',
    ...clearing(false, false),
  },
  'clear-flush-after': {
    title: 'the host clears a page and flushes the kernel’s lines only',
    ...clearing(false, true),
  },
  'clear-flush-before': {
    title: 'the host clears a page and flushes the user’s lines only',
    ...clearing(true, false),
  },
  'clear-by-colour': {
    title: 'the host clears a page through a mapping of the guest’s colour, and flushes nothing',
    plan: RIGHT,
    clears: { flushesBefore: false, flushesAfter: false, byColour: true },
    expect: clearedByColour,
  },
};

function clearing(before: boolean, after: boolean): Omit<Recipe, 'title'> {
  return {
    plan: RIGHT,
    clears: { flushesBefore: before, flushesAfter: after },
    expect: (where) => cleared(where, { before, after }),
  };
}

/** Those that no address matters for. */
export const others: Readonly<Record<string, Recipe>> = {
  'shadow-not-cleaned': {
    title: 'the shadow entry stays in the line that it was stored to',
    plan: RIGHT,
    shadow: { leavesEntriesDirty: true },
    expect: ({ platform }) => dirtyShadow(platform),
  },
  'shadow-no-tlb-invalidate': {
    title: 'the guest’s TLB invalidate drops the shadow entry, and no TLB is told',
    plan: RIGHT,
    shadow: { keepsTlb: true },
    expect: ({ platform }) => keptTlb(platform),
  },
};
