/** Machines whose CPUs nothing keeps coherent. */
import type { Platform } from '../../machine/platform.ts';

/**
 * The platform with at least two CPUs and no protocol between their caches. What passes on who stores where passes
 * on maintenance too, so that is local as well.
 */
export function withoutProtocol(platform: Platform): Platform {
  const { name, title, maxCpus, agents, l1i, maintenance } = platform;
  if (platform.coherence === 'none' && maxCpus > 1) return platform;
  return {
    ...platform,
    name: `${name}-noncoherent`,
    title: `${title}; without a protocol between the caches of its CPUs`,
    maxCpus: Math.max(2, maxCpus),
    coherence: 'none',
    l1i: { ...l1i, snooped: false },
    maintenance: { ...maintenance, byAddress: 'local', icache: 'local' },
    agents: agents.includes('ipi') ? agents : [...agents, 'ipi'],
  };
}
