/** Finds a worker's entry file, whether flushlab runs from source or from what `tsc` built. */
export interface WorkerEntry {
  readonly url: URL;
  /** Flags of the worker: from source it must learn TypeScript before it loads its entry. */
  readonly execArgv: string[];
}

const fromSource = import.meta.url.endsWith('.ts');

/** @param name file in workers/, without its extension */
export function workerEntry(name: string): WorkerEntry {
  const url = new URL(`../../workers/${name}${fromSource ? '.ts' : '.js'}`, import.meta.url);
  if (!fromSource) return { url, execArgv: [] };
  const register = new URL('../../scripts/register-ts.mjs', import.meta.url);
  return { url, execArgv: ['--import', register.href] };
}
