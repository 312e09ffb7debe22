/** What a CPU may do that a program can notice. Each effect can be switched off by itself. */
export interface LitmusProfile {
  readonly name: string;
  /** A store may wait while what comes after it is done: without it stores are performed in program order. */
  readonly storeBuffering: boolean;
  /** What comes after a load may be done before it, also past branches that are not decided yet. */
  readonly loadReordering: boolean;
  /** A load may read from a store of its own CPU that others do not see yet. */
  readonly writeForwarding: boolean;
  /** Translations that were valid once stay usable until they are invalidated. */
  readonly cachedTranslations: boolean;
  /** Table entries are read, and cached, for accesses that come later or never. */
  readonly speculativeWalks: boolean;
  /** A TLBI is complete only with the DSB after it. */
  readonly delayedInvalidates: boolean;
  /** Only an ISB, an exception or its return make instructions after them see what was done before. */
  readonly lazyContext: boolean;
  /** Instructions are fetched before those before them are done. */
  readonly prefetch: boolean;
  /** Instruction caches do not notice stores. */
  readonly instructionCaches: boolean;
  /** For canaries: a DSB does not wait for invalidates on other CPUs. The architecture requires that it does. */
  readonly dsbIgnoresInvalidates: boolean;
}

/** All that the Arm architecture allows, as on Neoverse cores. */
export const neoverseLitmus: LitmusProfile = {
  name: 'neoverse',
  storeBuffering: true,
  loadReordering: true,
  writeForwarding: true,
  cachedTranslations: true,
  speculativeWalks: true,
  delayedInvalidates: true,
  lazyContext: true,
  prefetch: true,
  instructionCaches: true,
  dsbIgnoresInvalidates: false,
};

/** One instruction after the other, at once in memory, with neither TLB nor instruction cache. */
export const sequentialLitmus: LitmusProfile = {
  name: 'sequential',
  storeBuffering: false,
  loadReordering: false,
  writeForwarding: false,
  cachedTranslations: false,
  speculativeWalks: false,
  delayedInvalidates: false,
  lazyContext: false,
  prefetch: false,
  instructionCaches: false,
  dsbIgnoresInvalidates: false,
};
