/** Options of `flushlab trace` as text, and the run that they ask for. */
import { needsOf, type Oracle } from '../trace/oracle.ts';
import { type CacheShape, tracePlatform } from '../trace/platform.ts';
import { type TraceFormat, traceFormats } from '../trace/reader.ts';
import { type TraceOrder, type TraceRun, traceOrders } from '../trace/run.ts';
import { TraceError } from '../trace/trace-error.ts';
import { resolvePlatform } from './options.ts';

/** As the command line gives them. */
export interface TraceFlags {
  readonly platform?: string;
  readonly l1d?: string;
  readonly l1i?: string;
  readonly l2?: string;
  readonly tlb?: string;
  readonly asids?: boolean;
  readonly coherence?: string;
  readonly cpus?: string;
  readonly host?: string;
  readonly order?: string;
  readonly spaces?: string;
  readonly split?: boolean;
  readonly format?: string;
  readonly check?: boolean;
  readonly seed?: string;
  readonly mechanism?: string;
  readonly munmapEvery?: string;
  readonly forkCow?: string;
  readonly migrateEvery?: string;
  readonly switchEvery?: string;
  readonly pages?: string;
  readonly maxSeconds?: string;
  readonly quiet?: boolean;
}

const MAX_EVERY = 1e12;

/** @throws TraceError naming the option and the remedy */
export function runOf(paths: readonly string[], flags: TraceFlags, oracle: Oracle | undefined): TraceRun {
  const needs = oracle && needsOf(oracle);
  const base = flags.platform === undefined ? undefined : resolvePlatform(flags.platform);
  const l1d = flags.l1d === undefined ? undefined : cacheOf('--l1d', flags.l1d);
  const l1i =
    flags.l1i === undefined ? (l1d && base === undefined ? l1d : undefined) : cacheOf('--l1i', flags.l1i);
  const time = numberOf('--switch-every', flags.switchEvery, 0, 0, MAX_EVERY);
  const cpus = numberOf('--cpus', flags.cpus, time > 0 ? 1 : paths.length, 1, 64);
  if (cpus > paths.length) {
    throw new TraceError(
      `--cpus ${cpus}: there are ${paths.length} traces, one a CPU: give more files or fewer CPUs`,
    );
  }
  if (paths.length > cpus && time === 0) {
    throw new TraceError(
      `${paths.length} traces on ${cpus} CPUs: use --cpus ${paths.length}, or --switch-every N to slice the time`,
    );
  }
  if (paths.filter((path) => path === '-').length > 1) {
    throw new TraceError('standard input can be one trace only: name - once');
  }
  const coherence = choice('--coherence', flags.coherence, ['msi', 'mesi', 'moesi', 'none'] as const);
  const platform = tracePlatform({
    base,
    l1d,
    l1i,
    l2: flags.l2 === undefined ? undefined : flags.l2 === 'none' ? null : cacheOf('--l2', flags.l2),
    tlb: flags.tlb === undefined ? undefined : tlbOf(flags.tlb),
    asids: flags.asids,
    coherence: coherence ?? needs?.coherence,
    cpus,
  });
  const mechanism =
    choice('--mechanism', flags.mechanism, ['cross-call', 'broadcast'] as const) ?? platform.shootdown;
  if (mechanism === 'broadcast' && !platform.broadcast) {
    throw new TraceError(
      `--mechanism broadcast: ${platform.name} has no broadcast: use cross-call, or another --platform`,
    );
  }
  const copies = (flags.forkCow ?? '0') !== '0' || (flags.migrateEvery ?? '0') !== '0';
  if (copies && platform.coherence === 'none') {
    throw new TraceError(
      '--fork-cow and --migrate-every copy pages, which needs coherent caches: use another --coherence or --platform',
    );
  }
  const host = choice('--host', flags.host, ['lockstep', 'threads'] as const) ?? 'lockstep';
  const order: TraceOrder = choice('--order', flags.order, traceOrders) ?? needs?.order ?? 'clock';
  if (order === 'sync' && platform.coherence !== 'msi') {
    throw new TraceError(
      `--order sync is defined for MSI, this is ${platform.coherence}: use --coherence msi`,
    );
  }
  return {
    platform,
    paths,
    cpus,
    host,
    order,
    spaces: choice('--spaces', flags.spaces, ['one', 'each'] as const) ?? (time > 0 ? 'each' : 'one'),
    split: flags.split === false ? false : (needs?.split ?? true),
    format: choice('--format', flags.format, traceFormats) satisfies TraceFormat | undefined,
    checked: flags.check === true,
    seed: numberOf('--seed', flags.seed, 1, 0, 2 ** 31 - 1),
    mechanism,
    work: {
      munmapEvery: numberOf('--munmap-every', flags.munmapEvery, 0, 0, MAX_EVERY),
      forkEvery: numberOf('--fork-cow', flags.forkCow, 0, 0, MAX_EVERY),
      migrateEvery: numberOf('--migrate-every', flags.migrateEvery, 0, 0, MAX_EVERY),
      switchEvery: time,
      pages: numberOf('--pages', flags.pages, 1, 1, 1 << 20),
    },
    maxSeconds: numberOf('--max-seconds', flags.maxSeconds, 86_400, 1, 1e6),
    progress: flags.quiet !== true && process.stderr.isTTY === true,
  };
}

/** `32k,8,64`: size, ways and line. */
function cacheOf(option: string, text: string): CacheShape {
  const match = /^(\d+)([kKmM]?),(\d+),(\d+)$/.exec(text);
  const unit = { '': 1, k: 1024, m: 1 << 20 }[match?.[2].toLowerCase() ?? ''] ?? 1;
  const [sizeBytes, ways, lineBytes] = [Number(match?.[1]) * unit, Number(match?.[3]), Number(match?.[4])];
  if (!match || ways < 1 || sizeBytes % (ways * lineBytes) !== 0) {
    throw new TraceError(`${option} ${text}: use size,ways,line in bytes such as 32k,8,64`);
  }
  return { sizeBytes, ways, lineBytes };
}

function tlbOf(text: string): { entries: number; ways: number } {
  const match = /^(\d+)(?:,(\d+))?$/.exec(text);
  const entries = Number(match?.[1]);
  const ways = Number(match?.[2] ?? entries);
  if (!match || entries < 1 || ways < 1) throw new TraceError(`--tlb ${text}: use entries,ways such as 64,4`);
  return { entries, ways };
}

function numberOf(
  option: string,
  text: string | undefined,
  otherwise: number,
  min: number,
  max: number,
): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (text.trim() === '' || !Number.isInteger(value) || value < min || value > max) {
    throw new TraceError(`${option} ${text}: use an integer from ${min} to ${max}`);
  }
  return value;
}

function choice<T extends string>(
  option: string,
  text: string | undefined,
  values: readonly T[],
): T | undefined {
  if (text === undefined) return undefined;
  const value = values.find((v) => v === text);
  if (value === undefined) throw new TraceError(`${option} ${text}: use one of ${values.join(', ')}`);
  return value;
}
