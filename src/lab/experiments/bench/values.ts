/** Parameters of a point as what they are. */
import type { Parameters } from '../../../program/workload.ts';
import type { ParameterSpec } from '../../../scenarios/scenario.ts';

type Specs = Readonly<Record<string, ParameterSpec>>;

/** A number, or its default if the point does not say. */
export function numberIn(parameters: Parameters, specs: Specs, name: string): number {
  return Number(parameters[name] ?? specs[name].default);
}

/** A name, or its default if the point does not say. */
export function nameIn<T extends string>(parameters: Parameters, specs: Specs, name: string): T {
  return String(parameters[name] ?? specs[name].default) as T;
}
