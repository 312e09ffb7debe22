/** The same shootdown with the same CPUs, in one socket or spread over several. */
import { cannotShootDown } from '../../kernel/shootdown/mechanisms.ts';
import type { Platform } from '../../machine/platform.ts';
import { mechanism, mechanismIn } from './bench/shootdown-parameters.ts';
import { numberIn } from './bench/values.ts';
import type { Experiment } from './experiment.ts';
import { measureShootdown, shootdownMeasures } from './shootdown.ts';

const parameters = {
  mechanism,
  sockets: { title: 'sockets that the CPUs are spread over', default: 2, min: 1, max: 8 },
  cpus: { title: 'CPUs that run the process', default: 16, min: 1, max: 128 },
  pages: { title: 'pages unmapped at a time', default: 1, min: 1, max: 512 },
} as const;

/** The platform with its CPUs dealt over so many sockets; its latencies stay. */
function spread(platform: Platform, cpus: number, sockets: number): Platform {
  if (!platform.sockets) return platform;
  return { ...platform, sockets: { ...platform.sockets, cpusEach: Math.ceil(cpus / sockets) } };
}

export const sockets: Experiment = {
  name: 'sockets',
  title: 'the same CPUs in one socket or spread over several',
  source: 'LATR (Kumar et al., ASPLOS 2018): 6 us with 16 cores on two sockets, 80 us with 120 on eight',
  parameters,
  measures: shootdownMeasures,
  defaultPlatform: 'x86-ivybridge-ex',
  usual: { mechanism: 'cross-call,early-ack,lazy', sockets: '1,2,4,8' },
  unsupported(platform, given) {
    const many = numberIn(given, parameters, 'sockets');
    if (many > 1 && !platform.sockets) {
      return `${platform.name} has one socket: use one such as x86-haswell, x86-ivybridge-ex or kunpeng920`;
    }
    return cannotShootDown(platform, mechanismIn(given));
  },
  async measure({ platform, parameters: given, seed }) {
    const cpus = numberIn(given, parameters, 'cpus');
    return measureShootdown(spread(platform, cpus, numberIn(given, parameters, 'sockets')), cpus, seed, {
      mechanism: mechanismIn(given),
      pages: numberIn(given, parameters, 'pages'),
    });
  },
};
