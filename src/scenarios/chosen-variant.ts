/** Which of a scenario's variants a program is to run. */

/** The one of that name; the first where there is none, as when a workload is started without settings. */
export function chosenVariant<T extends { readonly name: string }>(variants: readonly T[], name: unknown): T {
  return variants.find((variant) => variant.name === name) ?? variants[0];
}
