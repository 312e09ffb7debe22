/** What scenarios with guests share: variants that say what they show on each platform, and where they mean nothing. */
import type { Platform } from '../../machine/platform.ts';
import { platformByName } from '../../platforms/index.ts';
import { type Expectation, ScenarioError, type Variant } from '../scenario.ts';

export interface GuestVariant {
  readonly name: string;
  /** What it does, or what it leaves out. */
  readonly title: string;
  /** Parameters that it sets itself. */
  readonly parameters?: Readonly<Record<string, string | number>>;
  /** What it must show on a platform, and the fact of the platform that makes it so: never taken from a run. */
  expectOn(platform: Platform): Expectation;
  /** Why it means nothing on a platform that has guests, or undefined if it does. */
  unsupported?(platform: Platform): string | undefined;
}

/** Why a platform has no guests, or undefined if it has. */
export function withoutGuests({ name, virtualization }: Platform): string | undefined {
  return virtualization
    ? undefined
    : `${name} has no stage 2 of translation: use a platform with 'virtualization'`;
}

/**
 * Variants of a scenario with guests.
 * @param usual name of the platform that they run on unless told otherwise
 * @throws ScenarioError if there is no such platform
 */
export function guestVariants(variants: readonly GuestVariant[], usual: string): Variant[] {
  const platform = platformByName(usual);
  if (!platform) throw new ScenarioError(`there is no platform '${usual}'`);
  return variants.map(({ name, title, parameters, expectOn, unsupported }) => ({
    name,
    title,
    ...(parameters && { parameters: () => parameters }),
    expect: expectOn(platform).expect,
    expectOn,
    unsupported: (on) => withoutGuests(on) ?? unsupported?.(on),
  }));
}

/** Is the host's invalidate of stage 2 for all CPUs at once? */
export function hasBroadcastFences({ virtualization }: Platform): boolean {
  return virtualization?.stage2Fences === 'broadcast';
}
