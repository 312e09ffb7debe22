/** How runs are made, as reports show it. */
export interface RunSettings {
  readonly host: 'lockstep' | 'threads';
  /** Lockstep only. */
  readonly scheduler?: string;
  readonly seed: number;
  readonly checked: boolean;
  readonly keepGoing: boolean;
  /** Threads only: how far clocks may drift apart, cycles. */
  readonly quantumCycles?: number;
  readonly maxSteps: number;
}
