/** What a test's header says of the machine it runs on (herd7 manual; herdtools7 `herd/tests`). */
import type { LitmusTest } from '../ast.ts';

/** What happens after a fault that no handler takes. */
export type AfterFault = 'end' | 'retry' | 'skip';

export interface Features {
  readonly afterFault: AfterFault;
  /** Enhanced translation synchronization: 2 or 3 for FEAT_ETS2 or FEAT_ETS3; 0 for neither. */
  readonly translationSynchronization: number;
  /** CTR_EL0.IDC: stores reach where instructions are fetched from without being cleaned. */
  readonly isDataCoherent: boolean;
  /** CTR_EL0.DIC: fetches see them without an IC. */
  readonly isFetchCoherent: boolean;
  /** Threads whose table walks set the access flag, and those whose walks set the dirty state. */
  readonly managesAccess: readonly boolean[];
  readonly managesDirty: readonly boolean[];
  /** Threads that run at EL0. */
  readonly isUser: readonly boolean[];
}

export function featuresOf(test: LitmusTest): Features {
  const variant = headerOf(test, 'Variant').toLowerCase();
  const caches = headerOf(test, 'CacheType').toUpperCase();
  const managed = headerOf(test, 'TTHM').toUpperCase();
  const user = headerOf(test, 'EL0').toUpperCase();
  const matches = (text: string, pattern: (thread: number) => string) =>
    test.threads.map(({ index }) => new RegExp(pattern(index)).test(text));
  const isFetchCoherent = caches.includes('DIC');
  return {
    afterFault: /handled|imprecise/.test(variant) ? 'retry' : /skip/.test(variant) ? 'skip' : 'end',
    translationSynchronization: Number(/ets([23])/.exec(variant)?.[1] ?? 0),
    // herd7 writes DIC where stores need not be cleaned either.
    isDataCoherent: caches.includes('IDC') || isFetchCoherent,
    isFetchCoherent,
    managesAccess: matches(managed, (thread) => `(^|\\s|\\bP${thread}:)H[AD]\\b`),
    managesDirty: matches(managed, (thread) => `(^|\\s|\\bP${thread}:)HD\\b`),
    isUser: matches(user, (thread) => `\\bP${thread}\\b`),
  };
}

function headerOf(test: LitmusTest, name: string): string {
  for (const [key, value] of Object.entries(test.headers)) {
    if (key.toLowerCase() === name.toLowerCase()) return value;
  }
  return '';
}
