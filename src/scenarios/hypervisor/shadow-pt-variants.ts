/**
 * The variants of `shadow-pt-read`: each recipe that addresses matter for with the guest's address of the host's
 * colour, and with one of another.
 */
import type { HypervisorVariant } from './define-hypervisor.ts';
import { type Colour, oneColour } from './shadow-pt-facts.ts';
import { byColour, others, type Recipe } from './shadow-pt-recipes.ts';

const COLOURS: readonly Colour[] = ['same', 'other'];
const PHRASE: Readonly<Record<Colour, string>> = {
  same: 'addresses of one colour',
  other: 'addresses of two colours',
};

/** A variant of the scenario as it runs. */
export interface ShadowVariant extends Recipe {
  readonly name: string;
  readonly colour: Colour;
}

export const shadowVariants: readonly ShadowVariant[] = [
  ...Object.entries(byColour).flatMap(([name, recipe]) =>
    COLOURS.map((colour) => ({
      ...recipe,
      name: `${name}-${colour}`,
      colour,
      title: `${recipe.title}; ${PHRASE[colour]}`,
    })),
  ),
  ...Object.entries(others).map(([name, recipe]) => ({ ...recipe, name, colour: 'same' as const })),
];

/** What commands know of a variant. */
export function asHypervisorVariant(variant: ShadowVariant): HypervisorVariant {
  const { name, title, colour, expect, lacks } = variant;
  return {
    name,
    title,
    expectOn: (platform) => expect({ platform, colour }),
    unsupported: (platform) => oneColour({ platform, colour }) ?? lacks?.(platform),
  };
}
