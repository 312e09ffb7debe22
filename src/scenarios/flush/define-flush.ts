/**
 * Scenarios about the flush interfaces: what each flush of the kernel is for, and on which machine. Their
 * wrong variants leave out the calls of certain places (`sites`); any other place can be left out as well,
 * with `--set omit=SITE`, which is how it is found out whether each call is needed at all.
 *
 * Programs keep their accesses in a total order (one CPU, or flags that others wait for), so every load is
 * judged.
 */
import { FlushArchitecture } from '../../kernel/flush/architecture.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import type { Steps } from '../../machine/cpu.ts';
import type { Platform } from '../../machine/platform.ts';
import { platformByName } from '../../platforms/index.ts';
import type { ProgramContext, Settings, StartedProgram } from '../../program/workload.ts';
import { type DefinedScenario, defineScenario, type ScenarioDefinition } from '../define.ts';
import { type Expectation, ScenarioError, type Variant } from '../scenario.ts';

export interface FlushVariant {
  readonly name: string;
  /** What it does, or what it leaves out. */
  readonly title: string;
  /** Sites whose calls it leaves out. */
  readonly omit?: readonly string[];
  /** Name of the platform that it runs on unless told otherwise; default: the scenario's. */
  readonly platform?: string;
  /** What it must show on a platform, and the fact of the platform that makes it so: never taken from a run. */
  expectOn(platform: Platform): Expectation;
  /** Why it means nothing on a platform, or undefined if it does. */
  unsupported?(platform: Platform): string | undefined;
}

/** Makes the flush interfaces for a kernel, with the variant's omissions. */
type MakeFlushes = (kernel: Kernel) => FlushArchitecture;

export interface FlushDefinition<Layout>
  extends Omit<ScenarioDefinition<Layout>, 'variants' | 'start' | 'platform'> {
  /** Name of the platform that a variant runs on unless told otherwise: one on which the wrong ones fail. */
  readonly platform: string;
  /** Places that call a flush, with what the call is for. */
  readonly sites: Readonly<Record<string, string>>;
  /** Sites whose call no platform needs, with the reason; every other one must be needed by some platform. */
  readonly neverMatters?: Readonly<Record<string, string>>;
  readonly variants: readonly FlushVariant[];
  /** The program of the CPU `context.cpu`, alone or with its kernel entry points. */
  start(context: ProgramContext<Layout>, settings: Settings, flushes: MakeFlushes): Steps | StartedProgram;
}

export interface FlushScenario<Layout = unknown> extends DefinedScenario<Layout> {
  readonly sites: Readonly<Record<string, string>>;
  /** Sites whose call no platform needs, with the reason. */
  readonly neverMatters: Readonly<Record<string, string>>;
  /** Name of the variant that leaves nothing out. */
  readonly right: string;
}

/** @throws ScenarioError if no variant is the right one, or a site that is named is not there */
export function defineFlushScenario<Layout>(definition: FlushDefinition<Layout>): FlushScenario<Layout> {
  const { name, sites, variants, platform, neverMatters = {} } = definition;
  const usual = platformByName(platform);
  const right = variants.find((variant) => (variant.omit ?? []).length === 0);
  if (!usual || !right)
    throw new ScenarioError(`scenario '${name}' has no default platform or right variant`);
  for (const variant of variants) {
    const unknown = variant.omit?.find((site) => !(site in sites));
    if (unknown !== undefined) {
      throw new ScenarioError(
        `scenario '${name}': variant '${variant.name}' omits unknown site '${unknown}'`,
      );
    }
  }
  const known = Object.keys(sites);
  const unlisted = Object.keys(neverMatters).find((site) => !known.includes(site));
  if (unlisted !== undefined) {
    throw new ScenarioError(`scenario '${name}': neverMatters names unknown site '${unlisted}'`);
  }
  const platformOf = (variant: string) =>
    variants.find(({ name: one }) => one === variant)?.platform ?? platform;
  const scenario = defineScenario<Layout>({
    ...definition,
    platform: platformOf,
    strict: true,
    variants: variants.map((variant) =>
      asVariant(variant, platformByName(platformOf(variant.name)) ?? usual),
    ),
    parameters: {
      ...definition.parameters,
      omit: { title: 'a place whose flush is left out as well', default: 'none', values: ['none', ...known] },
    },
    start: (context, settings) => {
      const omitted = new Set(variants.find((variant) => variant.name === settings.variant)?.omit);
      if (settings.omit !== 'none') omitted.add(String(settings.omit));
      return definition.start(
        context,
        settings,
        (kernel) => new FlushArchitecture(kernel, context.checker, known, omitted),
      );
    },
  });
  return { ...scenario, sites, neverMatters, right: right.name };
}

function asVariant({ name, title, expectOn, unsupported }: FlushVariant, usual: Platform): Variant {
  return {
    name,
    title,
    expect: expectOn(usual).expect,
    expectOn,
    ...(unsupported && { unsupported }),
  };
}
