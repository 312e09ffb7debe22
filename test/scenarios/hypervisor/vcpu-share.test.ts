import { describe, expect, it } from 'vitest';
import { explain } from '../../../src/checker/explain.ts';
import { platforms } from '../../../src/platforms/index.ts';
import vcpuShare from '../../../src/scenarios/hypervisor/vcpu-share.ts';
import { findVariant } from '../../../src/scenarios/scenario.ts';
import { runFlush } from '../../support/flush-scenarios.ts';
import { withGuests } from '../../support/hypervisor.ts';
import { describeHypervisorScenario } from '../../support/hypervisor-scenarios.ts';

describeHypervisorScenario(vcpuShare, ['neoverse', 'cortex-a15', 'riscv-h']);

const run = (variant: string, platform: string) =>
  runFlush(vcpuShare, findVariant(vcpuShare, variant), platforms[platform]);

describe('vcpu-share', () => {
  it('is for the machines that have guests', () => {
    const names = withGuests.map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(['cortex-a15', 'neoverse', 'riscv-h']));
    const { unsupported } = findVariant(vcpuShare, 'right');
    expect(unsupported?.(platforms.sun4m)).toMatch(/sun4m has no stage 2/);
  });

  it.each(withGuests)('says on $name which vCPU used whose translation', (platform) => {
    const { findings } = run('no-flush', platform.name);
    const { title, lines } = explain(findings[0], platform);
    expect(title).toMatch(/a vCPU used a translation of another vCPU of its VM/);
    expect(lines.map(({ text }) => text).join(' ')).toMatch(/ran vCPU [01].*tables of vCPU [01]/);
  });
});
