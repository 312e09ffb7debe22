/**
 * What others have measured and published, as they published it: data and nothing else. Only comparisons and plots read
 * it; no experiment and no platform does (test/lab/published.test.ts). What a platform was calibrated on is said in its
 * sources, and marked in the comparison.
 */
export interface PublishedRecord {
  readonly id: string;
  readonly quantity: string;
  /** By what was varied (pages, threads, cores): a figure in `unit`. */
  readonly points: Readonly<Record<string, number>>;
  readonly varied: string;
  readonly unit: string;
  readonly conditions: string;
  readonly source: string;
}

const HANSEN =
  'Dave Hansen, [PATCH 7/7] x86: mm: set TLB flush tunable to sane value (33), 2014-07-01, commit a5102476a24b';
const AMIT =
  'Nadav Amit, [RFC PATCH v2 00/12] x86: Flush remote TLBs concurrently and async, 20190531063645.4697-1-namit@vmware.com, and its first version 20190525082203.6531-1';
const MADVISE = 'MADV_DONTNEED of a page and touching it again';
const THREADS = 'Haswell, no virtual machine; the other threads spin; the page fault is included';

export const publishedRecords = {
  arm64Tlbi: {
    id: 'arm64-tlbi',
    quantity: '__flush_tlb_range() by page, the whole ASID from 512 pages on',
    varied: 'pages',
    points: {
      1: 1457,
      2: 1911,
      3: 2382,
      4: 2827,
      5: 3282,
      6: 3763,
      7: 4295,
      8: 4716,
      9: 5186,
      10: 5618,
      16: 8427,
      32: 15938,
      64: 30890,
      128: 60802,
      256: 120826,
      512: 1508,
    },
    unit: 'ns',
    conditions: 'arm64 server of Huawei without range invalidates, not named, most likely a Kunpeng 920',
    source:
      'Zhenyu Ye (Huawei), 504c7588-97e5-e014-fca0-c5511ae0d256@huawei.com, 2020-06-09, arm64 TLBI RANGE RFC',
  },
  x86FlushRange: {
    id: 'x86-flush-range',
    quantity: 'flush_tlb_mm_range() by page, average over a kernel compile',
    varied: 'pages',
    points: {
      1: 1276,
      2: 1505,
      3: 1880,
      4: 2447,
      5: 2358,
      6: 2563,
      7: 2862,
      8: 3542,
      9: 3289,
      10: 3570,
      11: 3767,
      12: 3996,
      13: 4077,
      14: 4836,
      15: 5699,
      16: 5041,
      17: 5473,
      18: 5396,
      19: 5296,
      20: 6749,
      21: 6225,
      22: 6393,
      23: 6861,
      24: 6912,
      25: 7190,
      26: 7793,
      27: 7833,
      28: 8253,
      29: 8024,
      30: 9670,
      31: 8949,
      32: 9350,
      33: 8534,
      34: 10977,
      35: 11400,
    },
    unit: 'cycles',
    conditions:
      'Ivy Bridge i5-3320M; local and remote; between two tracepoints, which take 335 cycles or more',
    source: HANSEN,
  },
  x86FlushFull: {
    id: 'x86-flush-full',
    quantity: 'the same, of the whole space',
    varied: 'flush',
    points: { full: 2283 },
    unit: 'cycles',
    conditions: 'as x86-flush-range',
    source: HANSEN,
  },
  x86Fit: {
    id: 'x86-fit',
    quantity: 'least squares through x86-flush-range',
    varied: 'coefficient',
    points: { intercept: 994, slope: 262 },
    unit: 'cycles',
    conditions: 'derived from x86-flush-range; R2 0.970',
    source: HANSEN,
  },
  x86Crossover: {
    id: 'x86-crossover',
    quantity: 'pages from which the whole is cheaper than its pages',
    varied: 'refill',
    points: { 'without refill': 5, 'with full refill': 89 },
    unit: 'pages',
    conditions:
      'derived from the fit, the full flush, and refilling 512 entries at 45 cycles each; the author says 85',
    source: HANSEN,
  },
  haswellSequential: {
    id: 'haswell-sequential',
    quantity: `${MADVISE}: local flush, then cross call`,
    varied: 'threads',
    points: { 1: 661, 2: 1436, 4: 1571 },
    unit: 'ns',
    conditions: THREADS,
    source: AMIT,
  },
  haswellConcurrent: {
    id: 'haswell-concurrent',
    quantity: `${MADVISE}: local and remote flush at the same time`,
    varied: 'threads',
    points: { 1: 663, 2: 1225, 4: 1421 },
    unit: 'ns',
    conditions: THREADS,
    source: AMIT,
  },
  haswellEarlyAck: {
    id: 'haswell-early-ack',
    quantity: `${MADVISE}: concurrent, early acknowledgement, arguments beside the flag`,
    varied: 'threads',
    points: { 1: 663, 2: 923, 4: 1070 },
    unit: 'ns',
    conditions: THREADS,
    source: AMIT,
  },
  latr: {
    id: 'latr',
    quantity: 'latency of a TLB shootdown',
    varied: 'cores',
    points: { 16: 6, 120: 80 },
    unit: 'us',
    conditions: 'Linux 4.10; 16 cores on two sockets, 120 on eight',
    source:
      'LATR (Kumar et al., ASPLOS 2018), as quoted in public repositories; the paper itself was not seen',
  },
} as const satisfies Readonly<Record<string, PublishedRecord>>;
