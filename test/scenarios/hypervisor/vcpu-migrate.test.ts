import { expect, it } from 'vitest';
import { explain } from '../../../src/checker/explain.ts';
import { platforms } from '../../../src/platforms/index.ts';
import vcpuMigrate from '../../../src/scenarios/hypervisor/vcpu-migrate.ts';
import { findVariant } from '../../../src/scenarios/scenario.ts';
import { runFlush, supported } from '../../support/flush-scenarios.ts';
import { withGuests } from '../../support/hypervisor.ts';
import { describeHypervisorScenario } from '../../support/hypervisor-scenarios.ts';

describeHypervisorScenario(vcpuMigrate, ['neoverse', 'cortex-a15', 'riscv-h']);

it('flushes stage 2 alone only where a hypervisor flushes when vCPUs move', () => {
  const names = supported(vcpuMigrate, findVariant(vcpuMigrate, 'stage2-only')).map(({ name }) => name);
  expect(names).toEqual(['riscv-h']);
});

// CPU 1's invalidate, and CPU 0's TLB: that is what `local` is about.
it.each(withGuests)('it is the guest’s own table that CPU 0 of $name has an old entry of', (platform) => {
  const { findings } = runFlush(vcpuMigrate, findVariant(vcpuMigrate, 'local'), platforms[platform.name]);
  expect(findings[0]).toMatchObject({ kind: 'stale-translation', cpu: 0, va: 0x4000_0000, writer: 1 });
  expect(explain(findings[0], platform).title).toMatch(/guest on CPU 0 used a translation/);
});
