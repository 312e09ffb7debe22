/** Parameters that the experiments about shootdowns have in common. */
import { type ShootdownName, shootdownMechanisms } from '../../../kernel/shootdown/mechanisms.ts';
import type { Parameters } from '../../../program/workload.ts';
import { nameIn } from './values.ts';

export const mechanism = {
  title: 'how other TLBs are flushed',
  default: 'cross-call',
  values: Object.keys(shootdownMechanisms),
} as const;

/** The mechanism of a point. */
export function mechanismIn(parameters: Parameters): ShootdownName {
  return nameIn(parameters, { mechanism }, 'mechanism');
}

/** @param usual flushes of a page unless the point says otherwise */
export const passes = (usual: number) => ({
  title: 'flushes of a page on a CPU: 2 with page-table isolation, which has an ASID for either half',
  default: usual,
  min: 1,
  max: 2,
});
