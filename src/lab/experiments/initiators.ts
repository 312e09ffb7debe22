/** Several CPUs of one process unmap pages at the same time: what they cost each other. */
import { cannotShootDown } from '../../kernel/shootdown/mechanisms.ts';
import { mechanism, mechanismIn } from './bench/shootdown-parameters.ts';
import { numberIn } from './bench/values.ts';
import type { Experiment } from './experiment.ts';
import { measureShootdown, shootdownMeasures } from './shootdown.ts';

const parameters = {
  mechanism,
  initiators: { title: 'CPUs that unmap pages, each its own', default: 2, min: 1, max: 64 },
  cpus: { title: 'CPUs that run the process', default: 16, min: 1, max: 128 },
  pages: { title: 'pages that each of them unmaps', default: 1, min: 1, max: 64 },
} as const;

export const initiators: Experiment = {
  name: 'initiators',
  title: 'several CPUs that unmap pages at the same time',
  source:
    'Linux commit cb1fa2e99955: half of all cycles in broadcast TLB flushes with four threads on an arm64 server; fact of the interconnect, not a curve',
  parameters,
  measures: {
    initiatorCycles: { ...shootdownMeasures.initiatorCycles, title: 'each initiator, until it goes on' },
    targetCycles: shootdownMeasures.targetCycles,
    shootdownsPerMegacycle: { title: 'shootdowns of all together', unit: 'per million cycles' },
  },
  defaultPlatform: 'neoverse',
  usual: { mechanism: 'cross-call,broadcast', initiators: '1..16:*2' },
  unsupported(platform, given) {
    const many = numberIn(given, parameters, 'initiators');
    if (many > numberIn(given, parameters, 'cpus')) return `${many} initiators need as many CPUs`;
    return cannotShootDown(platform, mechanismIn(given));
  },
  async measure({ platform, parameters: given, seed }) {
    const many = numberIn(given, parameters, 'initiators');
    const { initiatorCycles, targetCycles } = measureShootdown(
      platform,
      numberIn(given, parameters, 'cpus'),
      seed,
      {
        mechanism: mechanismIn(given),
        initiators: many,
        pages: numberIn(given, parameters, 'pages'),
      },
    );
    return {
      initiatorCycles,
      ...(targetCycles !== undefined && { targetCycles }),
      shootdownsPerMegacycle: Math.round((many * 1e7) / initiatorCycles) / 10,
    };
  },
};
