/**
 * Scenarios about hypervisors and what they have to cope with: each variant says what it must show on each platform.
 * Programs keep their accesses in a total order, so every load is judged.
 */
import type { Platform } from '../../machine/platform.ts';
import { platformByName } from '../../platforms/index.ts';
import { type DefinedScenario, defineScenario, type ScenarioDefinition } from '../define.ts';
import { type Expectation, ScenarioError, type Variant } from '../scenario.ts';

export interface HypervisorVariant {
  readonly name: string;
  /** What it does, or what it leaves out. */
  readonly title: string;
  /** Name of the platform that it runs on unless told otherwise; default: the scenario's. */
  readonly platform?: string;
  /** CPUs, devices among them, that it takes to show what it is about, where the scenario's own number is too few. */
  readonly minCpus?: number;
  /** What it must show on a platform, and the fact of the platform that makes it so: never taken from a run. */
  expectOn(platform: Platform): Expectation;
  /** Why it means nothing on a platform, or undefined if it does. */
  unsupported?(platform: Platform): string | undefined;
}

export interface HypervisorDefinition<Layout>
  extends Omit<ScenarioDefinition<Layout>, 'variants' | 'platform' | 'strict'> {
  /** Name of the platform that a variant runs on unless told otherwise: one on which the wrong ones fail. */
  readonly platform: string;
  readonly variants: readonly HypervisorVariant[];
}

/** @throws ScenarioError if a platform that is named is not there */
export function defineHypervisorScenario<Layout>(
  definition: HypervisorDefinition<Layout>,
): DefinedScenario<Layout> {
  const { name, variants, platform, machineFor } = definition;
  const nameFor = (variant: string) => variants.find((one) => one.name === variant)?.platform ?? platform;
  const asVariant = ({
    name: variant,
    title,
    minCpus,
    expectOn,
    unsupported,
  }: HypervisorVariant): Variant => {
    const usual = platformByName(nameFor(variant));
    if (!usual) throw new ScenarioError(`scenario '${name}': there is no platform '${nameFor(variant)}'`);
    const { expect } = expectOn(machineFor?.(usual) ?? usual);
    return {
      ...{ name: variant, title, expect, expectOn },
      ...(minCpus !== undefined && { minCpus }),
      ...(unsupported && { unsupported }),
    };
  };
  return defineScenario<Layout>({
    ...definition,
    platform: nameFor,
    strict: true,
    variants: variants.map(asVariant),
  });
}
