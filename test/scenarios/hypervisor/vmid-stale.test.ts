import { expect, it } from 'vitest';
import { platforms } from '../../../src/platforms/index.ts';
import vmidStale from '../../../src/scenarios/hypervisor/vmid-stale.ts';
import { findVariant } from '../../../src/scenarios/scenario.ts';
import { withGuests } from '../../support/hypervisor.ts';
import { describeHypervisorScenario } from '../../support/hypervisor-scenarios.ts';

describeHypervisorScenario(vmidStale, ['neoverse', 'cortex-a15', 'riscv-h']);

// By hand: broadcasts reach a CPU that the guest has left; a fence of RISC-V is for one hart.
it.each(withGuests)('is a bug where fences are local: $name', ({ name }) => {
  const { expect: shows } = findVariant(vmidStale, 'no-flush').expectOn?.(platforms[name]) ?? {};
  expect(shows === 'clean').toBe(name !== 'riscv-h');
});

it('runs on the machine that it was found on', () => {
  expect(vmidStale.defaultPlatform('no-flush')).toBe('riscv-h');
});
