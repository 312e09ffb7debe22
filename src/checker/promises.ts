/** What hardware promises of a value by the place that it comes from. */
import {
  PLACE_DEVICE,
  PLACE_FETCHED_AHEAD,
  PLACE_L1I,
  PLACE_UNCACHED,
  PLACE_UNCACHED_FETCH,
} from '../machine/check-port.ts';
import type { MachineState } from '../machine/state.ts';
import type { FindingKind } from './finding.ts';

/** What an old value from a place is called. */
export function staleKind(place: number): FindingKind {
  switch (place) {
    case PLACE_DEVICE:
      return 'device-old-data';
    case PLACE_L1I:
    case PLACE_UNCACHED_FETCH:
    case PLACE_FETCHED_AHEAD:
      return 'stale-instruction';
    default:
      return 'stale-data';
  }
}

/** Is a value from this place the newest of its location without anybody's doing? @param writer who wrote that last */
export function isPromised(
  { platform, processors, devices, devicesSnooped }: MachineState,
  place: number,
  writer: number,
): boolean {
  switch (place) {
    case PLACE_L1I:
      return platform.l1i.snooped;
    case PLACE_UNCACHED:
    case PLACE_UNCACHED_FETCH:
    case PLACE_FETCHED_AHEAD:
    case PLACE_DEVICE:
      return false;
    default:
      // Caches do not hear of what a device writes that they do not snoop.
      return devices.length === 0 || devicesSnooped || writer < processors.length;
  }
}
