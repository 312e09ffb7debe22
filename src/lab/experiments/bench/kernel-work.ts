/**
 * What kernels do besides what is simulated step by step, in instructions (units of `instructionCycles`). They are
 * estimates for Linux on a 64-bit machine, one set for all experiments and platforms. They were settled with the
 * published times of madvise on a Haswell in sight; what those curves vary does not pass through here, only what it is
 * added to.
 */
export const KERNEL_WORK = {
  /** Entry and exit of a system call with page-table isolation: two changes of CR3 and the saving of registers. */
  systemCall: 300,
  /** madvise(MADV_DONTNEED) of one page: finding its area, the walk to its entry, mmu_gather, freeing the page. */
  zapPage: 200,
  /** Fault on an anonymous page: finding its area, allocating and accounting a page, its reverse mapping. */
  anonymousFault: 200,
  /** Zeroing a page that the cache holds: 32 bytes a cycle. */
  zeroPage: 128,
  /** flush_tlb_mm_range and what it calls, without the invalidates. */
  flushCall: 100,
} as const;

/**
 * Lines of code and data that a flush of Linux goes through, and that a busy machine has thrown out of the private
 * caches in between: some 700 bytes of code (12 lines), the mm and its mask of CPUs, the task, statistics and the
 * tracepoint (8 lines).
 */
export const FLUSH_PATH_LINES = 20;

/** The least that two tracepoints around nothing take, in cycles: Dave Hansen, commit a5102476a24b. */
export const TRACE_CYCLES = 335;
