/** The random coherency tester as a scenario that commands can run. */
import { type Scenario, ScenarioError, type Variant } from '../scenario.ts';
import { description, NOTE, organisationNamed, organisations, title } from './index.ts';

const variants: readonly Variant[] = [
  { name: 'coherent', title: 'what hardware keeps coherent: nothing may be found', expect: 'clean' },
  {
    name: 'software',
    title: 'aliases, no protocol, destructive invalidates: exactly the findings that a model predicts',
    expect: 'clean',
  },
];

const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';

export const randomCoherency: Scenario = {
  name: 'random-coherency',
  title: `${title}: ${description}`,
  source: 'after the random testers of architecture simulators, such as gem5’s RubyTester',
  variants,
  parameters: {
    organisation: {
      title: 'protocol and caches',
      default: 'mesi-l2',
      values: organisations.map((organisation) => organisation.name),
    },
    accesses: { title: 'accesses of all CPUs together', default: 100_000, min: 1, max: 100_000_000 },
  },
  defaultCpus: 2,
  minCpus: 1,
  defaultPlatform: () => 'neoverse',
  module: new URL(`./index${extension}`, import.meta.url).href,
  maxSteps: Number.MAX_SAFE_INTEGER,
  adapt(variant, parameters) {
    const { name, platform, cpus, modes } = organisationNamed(String(parameters.organisation));
    if (!modes.some((mode) => mode === variant)) {
      throw new ScenarioError(`organisation ${name} has no variant '${variant}': use ${modes.join(' or ')}`);
    }
    const software = variant === 'software';
    return {
      platform,
      cpus,
      strict: true,
      serialized: software,
      keepGoing: software,
      quantumCycles: 1_000_000,
    };
  },
  stressOver: organisations.map((organisation) => ({ organisation: organisation.name })),
  fault(variant, result) {
    if (variant !== 'software') return result.outcome === 'finished' ? undefined : result.outcome;
    const predicted = result.cpus[0].notes[NOTE.PREDICTED] ?? 0;
    const ended = result.outcome === 'finished' || result.outcome === 'finding';
    if (!ended) return result.outcome;
    return predicted === result.findingCount
      ? undefined
      : `${result.findingCount} findings, the model predicts ${predicted}`;
  },
};
