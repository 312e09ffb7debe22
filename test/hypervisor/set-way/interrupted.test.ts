import { describe, expect, it } from 'vitest';
import type { SetWayEmulation } from '../../../src/hypervisor/set-way/emulation.ts';
import { VCPU } from '../../../src/hypervisor/vm-layout.ts';
import { runEmulated } from '../../support/set-way.ts';

describe('an interrupt in the middle of an emulation that asks for something before the guest goes on', () => {
  it('does not let the guest in before the emulation has ended', () => {
    const inGuest: boolean[] = [];
    let wasAsked = 0;
    let after: unknown;
    const emulation: SetWayEmulation = {
      policy: { traps: { setWay: true, control: true } },
      *setWay(cpu, { vcpu }) {
        // A word that says to the other CPU that it is here.
        yield* cpu.storePhysical(vcpu.layout.pa + VCPU.TO_FLUSH, 1);
        yield* cpu.dsb();
        for (let n = 0; n < 400; n++) {
          yield* cpu.compute(1);
          inGuest.push(cpu.inGuest);
        }
      },
    };
    runEmulated({
      emulation,
      programs: [
        (at) =>
          at.guest(function* () {
            yield* at.cpu.guestSetWay('l1d', 0, 0, { clean: true, invalidate: true });
            yield* at.cpu.guestControl({ mmuOn: false, cachesOn: false });
            after = at.cpu.guestEntry?.registers.mmuOn;
          }),
        function* ({ cpu, host, vm, vcpu }) {
          yield* cpu.waitUntil(vcpu.layout.pa + VCPU.TO_FLUSH, (now) => now === 1, { why: 'the emulation' });
          yield* host.fence.askVcpus(cpu, vm.layout);
          wasAsked = inGuest.length;
        },
      ],
    });
    expect(wasAsked).toBeGreaterThan(0);
    expect(wasAsked).toBeLessThan(400);
    expect(inGuest).not.toContain(true);
    expect(after).toBe(false);
  });
});
