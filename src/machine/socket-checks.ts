/** What a description of sockets must not say. */
import type { Platform } from './platform.ts';
import type { Add } from './platform-issues.ts';

/** Latencies that another socket cannot have shorter than the own one. */
const LATENCIES = [
  'cacheToCacheCycles',
  'memoryCycles',
  'upgradeCycles',
  'ipiLatencyCycles',
  'broadcastLatencyCycles',
] as const;

export function checkSockets({ sockets, costs, maxCpus, broadcast }: Platform, add: Add): void {
  if (!sockets) return;
  if (sockets.cpusEach >= maxCpus) {
    add('sockets.cpusEach', `all ${maxCpus} CPUs lie in the first socket; use fewer, or leave sockets out`);
  }
  for (const name of LATENCIES) {
    if (name === 'broadcastLatencyCycles' && !broadcast) continue;
    if (sockets[name] >= costs[name]) continue;
    add(
      `sockets.${name}`,
      `${sockets[name]} is less than within a socket; use at least costs.${name}: ${costs[name]}`,
    );
  }
}
